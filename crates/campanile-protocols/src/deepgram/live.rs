//! Live transcription (WebSocket `/v1/listen`).
//!
//! No message says what is billed: that is the audio which was sent, silence included, counted here frame by frame
//! ([`Meter::AudioUs`]). The server's `Metadata.duration` comes only after a clean close; it is a check
//! ([`Meter::ServerAudioUs`]), and the only source where the audio is compressed.

use crate::audio::{Encoding, Pcm};
use crate::decimal::Decimal;
use crate::failure;
use crate::json::{self, count, decimal, pick, truth};
use crate::report::Clock;
use crate::wire::{Out, Read, name};
use campanile_core::{Count, Evidence, Frame, Meter, Mode, Moment, Name};

/// Decodes one live transcription, both ways.
///
/// ```
/// use campanile_core::{Decode, Frame, Meter, Noted};
/// use campanile_protocols::deepgram::live::{Decoder, Listen};
///
/// let listen = Listen::from_query("model=nova-3&encoding=linear16&sample_rate=16000");
/// let mut decoder = Decoder::for_request(listen);
/// let mut noted = Noted::new();
/// decoder.sent(Frame::Binary(&[0; 640]), &mut noted);
/// assert_eq!(noted.noted_usage().unwrap().at_least(Meter::AudioUs), 20_000);
/// ```
pub type Decoder = crate::Decoder<Live>;

/// What a handshake asks for. The default is what Deepgram takes where nothing is said: one channel, and audio
/// whose encoding it must find out by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listen {
    /// How the samples are written; [`Encoding::Other`] where nobody said.
    pub encoding: Encoding,
    /// Samples in a second, of one channel.
    pub sample_rate: u32,
    /// Channels in the audio.
    pub channels: u32,
    /// Whether each channel is transcribed, and billed.
    pub multichannel: bool,
    /// The model that is asked for.
    pub model: Option<Name>,
    /// The language that is spoken; `multi` where it may change.
    pub language: Option<Name>,
    /// Extras with a price of their own.
    pub addons: Vec<Name>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            encoding: Encoding::Other,
            sample_rate: 0,
            channels: 1,
            multichannel: false,
            model: None,
            language: None,
            addons: Vec::new(),
        }
    }
}

impl Listen {
    /// Raw audio of one channel.
    #[must_use]
    pub fn new(encoding: Encoding, sample_rate: u32) -> Self {
        Self {
            encoding,
            sample_rate,
            ..Self::default()
        }
    }

    /// Channels in the audio. Default: 1.
    #[must_use]
    pub fn channels(mut self, channels: u32) -> Self {
        self.channels = channels;
        self
    }

    /// Whether each channel is transcribed, and billed. Default: false.
    #[must_use]
    pub fn multichannel(mut self, multichannel: bool) -> Self {
        self.multichannel = multichannel;
        self
    }

    /// The model that is asked for.
    #[must_use]
    pub fn model(mut self, model: Option<Name>) -> Self {
        self.model = model;
        self
    }

    /// The language that is spoken; `multi` where it may change, which costs more.
    #[must_use]
    pub fn language(mut self, language: Option<Name>) -> Self {
        self.language = language;
        self
    }

    /// The name under which the model is billed.
    fn billed(&self) -> Option<Name> {
        let model = self.model.as_ref()?;
        let is_multi = self.language.as_deref() == Some("multi");
        Some(
            following_languages(model)
                .filter(|_| is_multi)
                .unwrap_or_else(|| model.clone()),
        )
    }

    /// Reads the query of the handshake's URL (what stands behind the `?`).
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let mut listen = Self::default();
        for pair in query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "encoding" => listen.encoding = Encoding::named(value),
                "sample_rate" => listen.sample_rate = value.parse().unwrap_or(0),
                "channels" => listen.channels = value.parse().unwrap_or(1).max(1),
                "multichannel" => listen.multichannel = value == "true",
                "model" => listen.model = Name::outside(value),
                "language" => listen.language = Name::outside(value),
                _ => listen.addon(key, value),
            }
        }
        listen
    }

    /// Notes an extra once, however often its key is repeated.
    fn addon(&mut self, key: &str, value: &str) {
        const PRICED: [&str; 8] = [
            "diarize",
            "redact",
            "keyterm",
            "sentiment",
            "topics",
            "intents",
            "summarize",
            "detect_entities",
        ];
        let Some(priced) = PRICED.into_iter().find(|priced| *priced == key) else {
            return;
        };
        if !matches!(value, "" | "false") && !self.addons.iter().any(|known| *known == priced) {
            self.addons.push(Name::from_static(priced));
        }
    }

    pub(crate) fn pcm(&self) -> Pcm {
        Pcm::new(self.encoding, self.sample_rate.into(), self.channels.into())
    }

    /// Writes down who was asked, and under which terms.
    pub(crate) fn introduce(&self, out: &mut Out<'_>) {
        let served = out.noted().served();
        served.requested = self.billed();
        served.language = self
            .language
            .clone()
            .filter(|language| *language != "multi");
        served.terms.channels = Some(if self.multichannel { self.channels } else { 1 });
        served.terms.addons.clone_from(&self.addons);
    }
}

/// Reads live transcriptions; see [`Decoder`].
#[derive(Debug, Default)]
pub struct Live {
    listen: Option<Listen>,
    sent: Pcm,
    introduced: bool,
    /// The end of the last stretch that a result covered.
    heard: Decimal,
    /// The server has said how much it processed.
    closed: bool,
    spoke: bool,
    /// A result has said that languages may change.
    mixed: bool,
}

impl Decoder {
    /// A decoder that knows what the handshake asked for.
    #[must_use]
    pub fn for_request(listen: Listen) -> Self {
        Self::with(Live {
            sent: listen.pcm(),
            listen: Some(listen),
            ..Live::default()
        })
    }
}

impl Read for Live {
    const PROVIDER: &'static str = "deepgram";

    fn sent(&mut self, frame: Frame<'_>, out: &mut Out<'_>) {
        self.introduce(out);
        if let Frame::Binary(bytes) | Frame::Body(bytes) = frame {
            self.sent.sent(bytes, out.noted());
        }
    }

    fn message(&mut self, _event: &str, message: &str, out: &mut Out<'_>) {
        self.introduce(out);
        let [kind, error] = pick(message, ["type", "err_code"]);
        match kind.and_then(json::text).as_deref() {
            Some("Results") => self.results(message, out),
            Some("Metadata") => self.metadata(message, out),
            Some("Error") => out.failure(failure::read(message)),
            _ if error.is_some() => out.failure(failure::read(message)),
            _ => {}
        }
    }
}

impl Live {
    /// The model that the handshake named, as it is billed.
    fn asked(&self) -> Option<Name> {
        self.listen.as_ref()?.billed()
    }

    fn introduce(&mut self, out: &mut Out<'_>) {
        if !std::mem::replace(&mut self.introduced, true) {
            out.noted().served().terms.mode = Some(Mode::Streaming);
            if let Some(listen) = &self.listen {
                listen.introduce(out);
            }
        }
    }

    fn results(&mut self, message: &str, out: &mut Out<'_>) {
        let [
            start,
            duration,
            is_final,
            speech_final,
            flushed,
            channel,
            metadata,
        ] = pick(
            message,
            [
                "start",
                "duration",
                "is_final",
                "speech_final",
                "from_finalize",
                "channel",
                "metadata",
            ],
        );
        let is_mixed = !self.mixed && channel.is_some_and(|channel| languages(channel).is_some());
        if is_mixed || !out.knows_model() {
            introduce_model(metadata, self.asked().as_ref(), out);
        }
        if is_mixed {
            self.mixed = true;
            follow_languages(out);
        }
        self.heard(start, duration, out);
        if !truth(is_final) {
            return;
        }
        let best = channel.and_then(|channel| spoken_in(channel, out));
        let said = best
            .and_then(|best| pick(best, ["transcript"])[0])
            .filter(|raw| *raw != "\"\"");
        if said.is_some() || truth(speech_final) || truth(flushed) {
            out.noted().moment(Moment::UtteranceEnd);
        }
        if out.keeps_text()
            && let Some(text) = said.and_then(json::filled)
        {
            // Finals follow one another without blanks: words must not run together.
            if std::mem::replace(&mut self.spoke, true) {
                out.noted().text(" ");
            }
            out.noted().text(&text);
        }
    }

    /// Notes how far the server has heard: a lower bound where the bytes say nothing.
    fn heard(&mut self, start: Option<&str>, duration: Option<&str>, out: &mut Out<'_>) {
        let (Some(start), Some(duration)) = (start.and_then(decimal), duration.and_then(decimal))
        else {
            return;
        };
        // Both are floats with noise in their last digits: to the microsecond, they are what is meant.
        let Some(at_least) = start.plus(duration).micros() else {
            return;
        };
        let end = Decimal::new(at_least, 6);
        if end <= self.heard || self.closed {
            return;
        }
        self.heard = end;
        let report = out.report();
        report.totals.audio_seconds = Some(end);
        report.clock = Clock::Aside;
        if !self.sent.is_known() {
            let count = Count {
                at_least,
                at_most: None,
                evidence: Evidence::Estimated,
            };
            out.noted().usage(Meter::ServerAudioUs, count);
        }
    }

    fn metadata(&mut self, message: &str, out: &mut Out<'_>) {
        let [id, duration] = pick(message, ["request_id", "duration"]);
        out.request_id(id);
        if let Some(duration) = duration.and_then(decimal) {
            self.closed = true;
            let report = out.report();
            report.totals.audio_seconds = Some(duration);
            report.clock = Clock::Heard;
        }
        if !out.knows_model() {
            introduce_model(Some(message), self.asked().as_ref(), out);
        }
        if let Some(channels) = pick(message, ["channels"])[0].and_then(count)
            && self
                .listen
                .as_ref()
                .is_some_and(|listen| listen.multichannel)
            && let Ok(channels) = u32::try_from(channels)
        {
            out.noted().served().terms.channels = Some(channels.max(1));
        }
    }
}

/// The name under which a model is billed that follows callers from one language to another: of `nova-3` alone the price differs.
fn following_languages(model: &Name) -> Option<Name> {
    let differs = matches!(
        model.as_str(),
        "nova-3" | "nova-3-general" | "general-nova-3"
    );
    differs.then(|| Name::from_static("nova-3-multilingual"))
}

/// The likeliest transcript of a channel. Notes its language: `detected_language` where it was looked for, and `languages` of each
/// transcript where it may change, which says what was asked for and is billed.
pub(crate) fn spoken_in<'a>(channel: &'a str, out: &mut Out<'_>) -> Option<&'a str> {
    let [detected, alternatives] = pick(channel, ["detected_language", "alternatives"]);
    let mixed = languages(channel);
    if let Some(language) = name(mixed.or(detected)) {
        out.noted().served().language = Some(language);
    }
    if mixed.is_some() {
        follow_languages(out);
    }
    alternatives.and_then(json::first)
}

/// Has the model be billed that follows languages, where it is this one that was named.
fn follow_languages(out: &mut Out<'_>) {
    let served = out.noted().served();
    if let Some(billed) = served.model.as_ref().and_then(following_languages) {
        served.model = Some(billed);
    }
}

/// The language of most words of a channel, where it may change.
fn languages(channel: &str) -> Option<&str> {
    let best = pick(channel, ["alternatives"])[0].and_then(json::first)?;
    pick(best, ["languages"])[0].and_then(json::first)
}

/// Reads request id and model out of a metadata object.
///
/// The model's own name (`general-nova-3`) stands on no price list: what was `asked` for is what is billed, or else the
/// architecture (`nova-3`).
pub(crate) fn introduce_model(metadata: Option<&str>, asked: Option<&Name>, out: &mut Out<'_>) {
    let Some(metadata) = metadata else { return };
    let [id, model, models] = pick(metadata, ["request_id", "model_info", "models"]);
    out.request_id(id);
    let info = model.filter(|model| model.starts_with('{'));
    let Some(info) = info else { return };
    // A recording's metadata has one entry for each model, by id; a live one has the entry itself.
    let [mut named, mut arch] = pick(info, ["name", "arch"]);
    if models.is_some() || named.is_none_or(|name| !name.starts_with('"')) {
        (named, arch) = (None, None);
        json::members(info, |_, entry| {
            let [name, kind] = pick(entry, ["name", "arch"]);
            (named, arch) = (named.or(name), arch.or(kind));
        });
    }
    if let Some(model) = name(named) {
        out.model_named(&model);
    } else {
        out.model(named);
    }
    if let Some(billed) = asked.cloned().or_else(|| name(arch)) {
        out.noted().served().model = Some(billed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Decode, Facts, FailureKind, Noted};

    fn decoder() -> Decoder {
        Decoder::for_request(Listen::from_query(
            "model=nova-3&encoding=linear16&sample_rate=16000&channels=2&multichannel=true&keyterm=a&keyterm=b",
        ))
    }

    const RESULT: &str = r#"{"type":"Results","channel_index":[0,2],"start":1.5,"duration":0.25,"is_final":FINAL,"speech_final":false,"channel":{"alternatives":[{"transcript":"hello there","confidence":0.9,"words":[]}]},"metadata":{"request_id":"req-1","model_info":{"name":"general-nova-3","version":"1","arch":"nova-3"},"model_uuid":"u"},"from_finalize":false}"#;

    #[test]
    fn audio_is_counted_as_it_is_sent() {
        let (mut decoder, mut noted) = (decoder(), Noted::new());

        for _ in 0..50 {
            decoder.sent(Frame::Binary(&[0; 1280]), &mut noted);
        }
        decoder.sent(Frame::Text(r#"{"type":"KeepAlive"}"#), &mut noted);

        let count = noted.noted_usage().unwrap().get(Meter::AudioUs).unwrap();
        assert_eq!(count, Count::exact(1_000_000, Evidence::Measured));
        let terms = &noted.noted_served().unwrap().terms;
        assert_eq!(
            (terms.channels, terms.mode),
            (Some(2), Some(Mode::Streaming))
        );
        assert_eq!(terms.addons, [Name::from_static("keyterm")]);
    }

    #[test]
    fn a_model_that_follows_languages_is_billed_as_one() {
        let model = |query: &str, result: &str| {
            let mut decoder = match query {
                "" => Decoder::new(),
                query => Decoder::for_request(Listen::from_query(query)),
            };
            let mut noted = Noted::new();
            decoder.received(Frame::Text(result), &mut noted);
            let served = noted.noted_served().unwrap();
            (
                served.model.clone().unwrap().to_string(),
                served.language.clone().map(|language| language.to_string()),
            )
        };
        let is =
            |model: &str, language: Option<&str>| (model.to_owned(), language.map(str::to_owned));
        let result = RESULT.replace("FINAL", "true");
        let mixed = result.replace(r#""words":[]"#, r#""words":[],"languages":["es","en"]"#);
        let multi = "model=nova-3&language=multi";

        assert_eq!(
            model("model=nova-3&language=es", &result),
            is("nova-3", Some("es"))
        );
        assert_eq!(model(multi, &result), is("nova-3-multilingual", None));
        assert_eq!(model(multi, &mixed), is("nova-3-multilingual", Some("es")));
        assert_eq!(model("", &mixed), is("nova-3-multilingual", Some("es")));
        assert_eq!(
            model("model=nova-2&language=multi", &mixed),
            is("nova-2", Some("es"))
        );
        assert_eq!(model("", &result), is("nova-3", None));

        // The first results are often empty, and say nothing of languages.
        let mut decoder = Decoder::new();
        let interim = mixed.replace(r#""is_final":true"#, r#""is_final":false"#);
        let models = [&result, &interim, &mixed].map(|message| {
            let mut noted = Noted::new();
            decoder.received(Frame::Text(message), &mut noted);
            noted.noted_served()?.model.clone()
        });
        let told: Vec<_> = models.iter().flatten().map(Name::as_str).collect();
        assert_eq!(told, ["nova-3", "nova-3-multilingual"]);
    }

    #[test]
    fn only_finals_are_said() {
        let (mut decoder, mut noted) = (decoder(), Noted::new());
        decoder.received(Frame::Text(&RESULT.replace("FINAL", "false")), &mut noted);
        assert_eq!((noted.spoken(), noted.moment()), (None, Moment::Aside));
        assert_eq!(
            noted.noted_served().unwrap().model.as_deref(),
            Some("nova-3")
        );
        assert_eq!(decoder.inclusive().model.as_deref(), Some("general-nova-3"));

        decoder.received(Frame::Text(&RESULT.replace("FINAL", "true")), &mut noted);

        assert_eq!(noted.spoken(), Some("hello there"));
        assert_eq!(noted.moment(), Moment::UtteranceEnd);
        assert_eq!(decoder.inclusive().audio_seconds, Decimal::parse("1.75"));
    }

    #[test]
    fn metadata_is_what_the_server_says() {
        let (mut decoder, mut noted) = (decoder(), Noted::new());

        let metadata = r#"{"type":"Metadata","transaction_key":"deprecated","request_id":"req-1","duration":124.16,"channels":2}"#;
        decoder.received(Frame::Text(metadata), &mut noted);

        let usage = noted.noted_usage().unwrap();
        assert_eq!(
            usage.get(Meter::ServerAudioUs),
            Some(Count::exact(124_160_000, Evidence::Reported))
        );
        assert_eq!(
            noted.noted_served().unwrap().request_id.as_deref(),
            Some("req-1")
        );
    }

    #[test]
    fn compressed_audio_has_a_lower_bound() {
        let mut decoder =
            Decoder::for_request(Listen::from_query("encoding=opus&sample_rate=48000"));
        let mut noted = Noted::new();

        decoder.sent(Frame::Binary(&[0; 99]), &mut noted);
        decoder.received(Frame::Text(&RESULT.replace("FINAL", "true")), &mut noted);

        let usage = noted.noted_usage().unwrap();
        let heard = usage.get(Meter::ServerAudioUs).unwrap();
        assert_eq!((heard.at_least, heard.at_most), (1_750_000, None));
        assert_eq!(usage.get(Meter::AudioUs), None);
    }

    #[test]
    fn an_error_is_a_failure() {
        let (mut decoder, mut noted) = (decoder(), Noted::new());

        let error =
            r#"{"type":"Error","description":"bad audio","code":"DATA-0000","variant":"x"}"#;
        decoder.received(Frame::Text(error), &mut noted);

        let failure = Facts::failure(&noted).unwrap();
        assert_eq!(failure.kind, FailureKind::InvalidRequest);
        assert_eq!(failure.code.as_deref(), Some("DATA-0000"));
    }
}
