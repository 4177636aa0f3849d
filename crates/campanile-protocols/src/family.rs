//! Which decoder reads what: by the endpoint's name or path, else [by the shape](by_shape) of the first message.

use crate::wire::{Decoder, Out, Read};
use crate::{Inclusive, RequestFacts, json};
use crate::{anthropic, bedrock, cartesia, cohere, deepgram, gemini, local, openai, speech};
use campanile_core::{Decode, Name};

pub use crate::shape::by_shape;

/// A decoder that also keeps the inclusive totals.
pub trait Reports: Decode {
    /// The inclusive totals so far.
    fn inclusive(&self) -> &Inclusive;
}

impl<R: Read> Reports for Decoder<R> {
    fn inclusive(&self) -> &Inclusive {
        Decoder::inclusive(self)
    }
}

/// The decoder for an endpoint of a provider (`groq`, `groq.chat.completions` or `/openai/v1/chat/completions`);
/// `None` where nobody knows the endpoint. [`by_shape`] reads those.
///
/// ```
/// use campanile_protocols::family::family;
///
/// assert!(family("groq", "/openai/v1/chat/completions").is_some());
/// assert!(family("newcomer", "newcomer.telepathy").is_none());
/// ```
#[must_use]
pub fn family(provider: &str, endpoint: &str) -> Option<Box<dyn Reports>> {
    Family::of(provider, endpoint).map(|family| family.decoder(provider))
}

/// The wires that this crate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// [`openai::chat`]: chat and legacy completions, embeddings, rerank.
    Chat,
    /// [`openai::responses`], and threads' runs.
    Responses,
    /// [`openai::realtime`].
    Realtime,
    /// [`openai::audio`]: transcription and speech.
    Results,
    /// [`openai::audio`], for images.
    Images,
    /// [`anthropic`].
    Anthropic,
    /// [`gemini`].
    Gemini,
    /// [`bedrock`].
    Bedrock,
    /// [`cohere`].
    Cohere,
    /// [`local`]: Ollama, watsonx and others.
    Local,
    /// [`deepgram::live`].
    DeepgramLive,
    /// [`deepgram::flux`].
    DeepgramFlux,
    /// [`deepgram::prerecorded`].
    DeepgramRecording,
    /// [`deepgram::speak`].
    DeepgramSpeak,
    /// [`deepgram::agent`].
    DeepgramAgent,
    /// [`cartesia::tts`].
    CartesiaSpeech,
    /// [`speech`]: other services that transcribe, or speak.
    Transcripts,
    /// Endpoints that count and use nothing.
    Nothing,
}

impl Family {
    /// The family of an endpoint, by the provider's name and the endpoint's name or path.
    #[must_use]
    pub fn of(provider: &str, endpoint: &str) -> Option<Self> {
        let name: String = endpoint
            .chars()
            .take(512)
            .map(|char| match char {
                '/' | ':' => '.',
                '-' => '_',
                other => other.to_ascii_lowercase(),
            })
            .collect();
        let provider = provider.to_ascii_lowercase().replace('-', "_");
        let name = name
            .strip_prefix(&format!("{provider}."))
            .unwrap_or(&name)
            .split('?')
            .next()
            .unwrap_or_default();
        if name.is_empty() {
            return None;
        }
        Self::counting(name)
            .or_else(|| Self::copied(name))
            .or_else(|| Self::of_provider(&provider, name))
            .or_else(|| Self::anywhere(name))
    }

    fn counting(name: &str) -> Option<Self> {
        const COUNTING: [&str; 6] = [
            "count_tokens",
            "counttokens",
            "responses.input_tokens",
            "tokenize",
            "token_count",
            "models.list",
        ];
        COUNTING
            .iter()
            .any(|word| name.contains(word))
            .then_some(Family::Nothing)
    }

    /// Endpoints that others have copied from OpenAI, and serve beside their own.
    fn copied(name: &str) -> Option<Self> {
        match name {
            _ if name.contains("chat.completions") => Some(Family::Chat),
            _ if name.contains("responses") => Some(Family::Responses),
            _ => None,
        }
    }

    fn of_provider(provider: &str, name: &str) -> Option<Self> {
        let has = |word: &str| name.contains(word);
        match provider {
            "deepgram" => Some(match () {
                () if has("agent") => Family::DeepgramAgent,
                () if has("speak") => Family::DeepgramSpeak,
                () if has("listen.v2") || has("v2.listen") => Family::DeepgramFlux,
                () if has("ws") || has("live") => Family::DeepgramLive,
                () if has("listen") || has("read") => Family::DeepgramRecording,
                () => return None,
            }),
            "cohere" if !has("compatibility") => Some(Family::Cohere),
            "anthropic" => Some(Family::Anthropic),
            "ollama" if has("api.") => Some(Family::Local),
            "ibm_watsonx" | "watsonx" if !has("chat") => Some(Family::Local),
            "cartesia" if has("tts") => Some(Family::CartesiaSpeech),
            "google" | "google_vertex" | "gemini" | "vertex" | "google_cloud" => {
                Self::of_google(name)
            }
            // Its messages hold somebody else's under another name.
            _ if has("raw_predict") || has("rawpredict") => None,
            "openai" | "azure_openai" if has("live") => Some(Family::Realtime),
            "minimax" | "hume" | "murf" | "inworld" if !has("completion") && !has("chat") => {
                Some(Family::Transcripts)
            }
            "assemblyai" | "gladia" | "soniox" | "speechmatics" | "revai" | "rev_ai" => {
                Some(Family::Transcripts)
            }
            _ => None,
        }
    }

    /// Google serves its own wires, and those of the makers of other models.
    fn of_google(name: &str) -> Option<Self> {
        let has = |word: &str| name.contains(word);
        match () {
            () if has("recognize") => Some(Family::Transcripts),
            () if has("messages") || has("raw_predict") || has("rawpredict") => None,
            () if has("embeddings") => None,
            () => Some(Family::Gemini),
        }
    }

    /// Endpoints that mean the same wherever they are served. The order matters: the first match wins.
    fn anywhere(name: &str) -> Option<Self> {
        const NAMES: [(&str, Family); 25] = [
            ("realtime", Family::Realtime),
            ("threads", Family::Responses),
            ("audio.transcriptions", Family::Results),
            ("audio.translations", Family::Results),
            ("audio.speech", Family::Results),
            ("images", Family::Images),
            ("image.generat", Family::Images),
            ("converse", Family::Bedrock),
            ("invoke_model", Family::Bedrock),
            (".invoke", Family::Bedrock),
            ("generate_content", Family::Gemini),
            ("generatecontent", Family::Gemini),
            ("embed_content", Family::Gemini),
            ("embedcontent", Family::Gemini),
            ("embed_contents", Family::Gemini),
            ("interactions", Family::Gemini),
            ("messages", Family::Anthropic),
            ("completions", Family::Chat),
            ("embeddings", Family::Chat),
            ("moderations", Family::Chat),
            ("api.generate", Family::Local),
            ("generation.text", Family::Local),
            ("text.generation", Family::Local),
            ("predictions", Family::Local),
            ("speech_to_text", Family::Transcripts),
        ];
        NAMES
            .into_iter()
            .find(|(word, _)| name.contains(word))
            .map(|(_, family)| family)
    }

    /// What the body of a request to this family says.
    #[must_use]
    pub fn request(self, body: &[u8]) -> RequestFacts {
        match self {
            Family::Responses => RequestFacts::responses(body),
            Family::Anthropic => RequestFacts::anthropic(body),
            Family::Gemini => RequestFacts::gemini(body),
            _ => RequestFacts::read(body),
        }
    }

    /// A decoder of this family, for that provider.
    #[must_use]
    pub fn decoder(self, provider: &str) -> Box<dyn Reports> {
        match self {
            Family::Chat => boxed::<openai::chat::Chat>(provider),
            Family::Responses => boxed::<openai::responses::Responses>(provider),
            Family::Realtime => boxed::<openai::realtime::Realtime>(provider),
            Family::Results => boxed::<openai::audio::Results>(provider),
            Family::Images => Box::new(named(openai::audio::Decoder::images(), provider)),
            Family::Anthropic => boxed::<anthropic::Messages>(provider),
            Family::Gemini => boxed::<gemini::Gemini>(provider),
            Family::Bedrock => boxed::<bedrock::Bedrock>(provider),
            Family::Cohere => boxed::<cohere::Cohere>(provider),
            Family::Local => boxed::<local::Local>(provider),
            Family::DeepgramLive => boxed::<deepgram::live::Live>(provider),
            Family::DeepgramFlux => boxed::<deepgram::flux::Flux>(provider),
            Family::DeepgramRecording => boxed::<deepgram::prerecorded::Prerecorded>(provider),
            Family::DeepgramSpeak => boxed::<deepgram::speak::Speak>(provider),
            Family::DeepgramAgent => boxed::<deepgram::agent::Agent>(provider),
            Family::CartesiaSpeech => boxed::<cartesia::tts::Context>(provider),
            Family::Transcripts => boxed::<speech::Transcripts>(provider),
            Family::Nothing => boxed::<Nothing>(provider),
        }
    }
}

pub(crate) fn boxed<R: Read + 'static>(provider: &str) -> Box<dyn Reports> {
    Box::new(named(Decoder::<R>::new(), provider))
}

pub(crate) fn named<R: Read>(decoder: Decoder<R>, provider: &str) -> Decoder<R> {
    match Name::outside(provider) {
        Some(name) => decoder.provider(name),
        None => decoder,
    }
}

/// Reads errors, and no usage.
#[derive(Debug, Default)]
pub(crate) struct Nothing(());

impl Read for Nothing {
    fn message(&mut self, _event: &str, message: &str, out: &mut Out<'_>) {
        if json::pick(message, ["error"])[0].is_some() {
            out.failure(crate::failure::read(message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_mean_the_same_wherever_they_are() {
        for (provider, endpoint, family) in [
            ("openai", "openai.chat.completions", Family::Chat),
            ("groq", "/openai/v1/chat/completions", Family::Chat),
            ("cohere", "/compatibility/v1/chat/completions", Family::Chat),
            ("cohere", "cohere.v2.chat", Family::Cohere),
            (
                "anthropic",
                "anthropic.messages.count_tokens",
                Family::Nothing,
            ),
            (
                "google-vertex",
                "google-vertex.stream_generate_content",
                Family::Gemini,
            ),
            ("google", "/v1beta/openai/chat/completions", Family::Chat),
            (
                "aws-bedrock",
                "/model/x:0/invoke-with-response-stream",
                Family::Bedrock,
            ),
            ("deepgram", "deepgram.listen.v2.ws", Family::DeepgramFlux),
            ("deepgram", "deepgram.listen.ws", Family::DeepgramLive),
            ("deepgram", "deepgram.listen", Family::DeepgramRecording),
            ("ollama", "ollama.api.chat", Family::Local),
            ("newcomer", "newcomer.messages", Family::Anthropic),
            ("assemblyai", "/v1/chat/completions", Family::Chat),
            ("openai", "openai.live.ws", Family::Realtime),
            ("google", "/v1/speech:recognize", Family::Transcripts),
            ("ibm-watsonx", "/ml/v1/text/embeddings", Family::Local),
            ("inworld", "/tts/v1/voice", Family::Transcripts),
            ("inworld", "/v1/chat/completions", Family::Chat),
        ] {
            assert_eq!(Family::of(provider, endpoint), Some(family), "{endpoint}");
        }
        // What is served there is told by the messages.
        let path = "/v1/projects/p/publishers/anthropic/models/claude-x:streamRawPredict";
        assert_eq!(Family::of("google-vertex", path), None);
    }
}
