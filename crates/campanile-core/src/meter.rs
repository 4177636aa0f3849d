//! Billable dimensions, and how sure a count is.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! meters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// One billable dimension.
        ///
        /// Meters are *disjoint*: a token, second or character is counted under one of them only, so that
        /// prices can be multiplied and summed without knowing who reported the counts. Who reports
        /// inclusive totals (OpenAI's `prompt_tokens` holds the cached ones) is split where it is decoded.
        ///
        /// The speech-to-text clocks ([`AudioUs`](Meter::AudioUs), [`SocketUs`](Meter::SocketUs),
        /// [`ServerAudioUs`](Meter::ServerAudioUs)) are three views of one thing: a price book bills one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Meter {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Meter {
            /// Every meter, in the order of its index.
            pub const ALL: [Meter; Meter::COUNT] = [$(Meter::$variant,)*];

            /// How many meters there are.
            pub const COUNT: usize = [$($name,)*].len();

            /// The name in JSON, tables and price books; its unit is its last word.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Meter::$variant => $name,)* }
            }
        }
    };
}

meters! {
    /// Text tokens of the prompt, neither read from a cache nor written to one.
    InputTokens = "input_tokens",
    /// Text tokens of the prompt that were read from a cache.
    CachedInputTokens = "cached_input_tokens",
    /// Tokens written to a cache for its usual (short) life.
    CacheWriteTokens = "cache_write_tokens",
    /// Tokens written to a cache that keeps them for an hour or longer.
    LongCacheWriteTokens = "long_cache_write_tokens",
    /// Text tokens of the answer, reasoning left out.
    OutputTokens = "output_tokens",
    /// Tokens the model spent on thinking.
    ReasoningTokens = "reasoning_tokens",
    /// Audio tokens of the prompt, not from a cache.
    AudioInputTokens = "audio_input_tokens",
    /// Audio tokens of the prompt that were read from a cache.
    CachedAudioTokens = "cached_audio_tokens",
    /// Audio tokens of the answer.
    AudioOutputTokens = "audio_output_tokens",
    /// Image and video tokens of the prompt, not from a cache.
    ImageInputTokens = "image_input_tokens",
    /// Image tokens of the prompt that were read from a cache.
    CachedImageTokens = "cached_image_tokens",
    /// Image tokens of the answer.
    ImageOutputTokens = "image_output_tokens",
    /// Characters (Unicode scalar values) handed over to be spoken.
    Characters = "characters",
    /// Microseconds of audio that were sent, silence included; of one channel.
    AudioUs = "audio_us",
    /// Microseconds for which a connection was open.
    SocketUs = "socket_us",
    /// Microseconds of audio that the provider says it has processed.
    ServerAudioUs = "server_audio_us",
    /// Microseconds of speech that were made.
    SpeechUs = "speech_us",
    /// Requests, where a request has a price of its own.
    Requests = "requests",
    /// Messages, where a message has a price of its own.
    Messages = "messages",
    /// Web searches that the provider ran for the answer.
    WebSearches = "web_searches",
    /// File searches that the provider ran for the answer.
    FileSearches = "file_searches",
    /// A provider's own units (credits, search units), in thousandths.
    MilliUnits = "milli_units",
    /// Microseconds of speech that were made and never played: a part of [`SpeechUs`](Meter::SpeechUs). Never billed on its own.
    UnplayedUs = "unplayed_us",
    /// Microseconds of audio without a sound, as it is sent to keep a connection open: a part of [`AudioUs`](Meter::AudioUs). Never
    /// billed on its own.
    KeepAliveUs = "keep_alive_us",
}

impl Meter {
    /// The place of this meter in [`Meter::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether it grows as a reply comes, and is not known before.
    #[must_use]
    pub const fn is_of_answer(self) -> bool {
        matches!(
            self,
            Self::OutputTokens
                | Self::ReasoningTokens
                | Self::AudioOutputTokens
                | Self::ImageOutputTokens
                | Self::SpeechUs
                | Self::WebSearches
                | Self::FileSearches
        )
    }

    /// The meter of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|meter| meter.name() == name)
    }
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a count is known, from weakest to surest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Evidence {
    /// Something was used, nobody knows how much.
    #[default]
    Unknown,
    /// Worked out from what passed by; has bounds.
    Estimated,
    /// Counted by us on the wire.
    Measured,
    /// Said by the provider.
    Reported,
}

impl Evidence {
    /// The name in JSON and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Evidence::Unknown => "unknown",
            Evidence::Estimated => "estimated",
            Evidence::Measured => "measured",
            Evidence::Reported => "reported",
        }
    }

    /// The grade whose number this is (`evidence as u8`); anything else is [`Evidence::Unknown`].
    #[must_use]
    pub const fn from_index(index: u8) -> Self {
        match index {
            1 => Evidence::Estimated,
            2 => Evidence::Measured,
            3 => Evidence::Reported,
            _ => Evidence::Unknown,
        }
    }
}
