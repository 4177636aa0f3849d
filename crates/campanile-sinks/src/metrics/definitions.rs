//! What each metric is called, and from where to where it is measured.

use ::metrics::{Recorder, Unit};
use campanile_core::{FailureKind, Meter, Name};

pub(super) const CALLS: &str = "campanile.calls";
pub(super) const ATTEMPTS: &str = "campanile.attempts";
pub(super) const DURATION: &str = "gen_ai.client.operation.duration";
pub(super) const FIRST: &str = "gen_ai.client.operation.time_to_first_chunk";
pub(super) const QUEUED: &str = "campanile.call.queued";
pub(super) const TOKENS: &str = "gen_ai.client.token.usage";
pub(super) const COST_AT_LEAST: &str = "campanile.cost.at_least.micro_usd";
pub(super) const COST_AT_MOST: &str = "campanile.cost.at_most.micro_usd";
pub(super) const COST_UNBOUNDED: &str = "campanile.cost.unbounded.attempts";
pub(super) const COST_WASTED: &str = "campanile.cost.wasted.micro_usd";
pub(super) const FAILURES: &str = "campanile.failures";
pub(super) const REDACTIONS: &str = "campanile.redactions";
pub(super) const OBSERVERS: &str = "campanile.observers.failed";
pub(super) const LATE_USAGE: &str = "campanile.usage.late";
pub(super) const TURNS: &str = "campanile.turns";
pub(super) const USER_TO_BOT: &str = "campanile.turn.user_to_bot";
pub(super) const SEGMENT: &str = "campanile.turn.segment";
pub(super) const SESSIONS: &str = "campanile.sessions";
pub(super) const ALERTS: &str = "campanile.alerts";
pub(super) const LOGS: &str = "campanile.logs";
pub(super) const LOST: &str = "campanile.lost";
pub(super) const OPEN_CALLS: &str = "campanile.calls.open";
pub(super) const SINK_EVENTS: &str = "campanile.sink.events";
pub(super) const SINK_WRITTEN: &str = "campanile.sink.written";
pub(super) const SINK_ERRORS: &str = "campanile.sink.errors";
pub(super) const SINK_PENDING: &str = "campanile.sink.pending";
pub(super) const SINK_QUEUED: &str = "campanile.sink.queued.bytes";
pub(super) const SINK_DEGRADED: &str = "campanile.sink.degraded";
pub(super) const OVERFLOWED: &str = "campanile.series.overflowed";

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: Option<Unit>,
    pub(super) help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Definition {
    Definition {
        name,
        kind: Kind::Counter,
        unit: None,
        help,
    }
}

const fn gauge(name: &'static str, help: &'static str) -> Definition {
    Definition {
        name,
        kind: Kind::Gauge,
        unit: None,
        help,
    }
}

const fn time(name: &'static str, help: &'static str) -> Definition {
    let unit = Some(Unit::Seconds);
    Definition {
        name,
        kind: Kind::Histogram,
        unit,
        help,
    }
}

const DEFINITIONS: [Definition; 29] = [
    counter(CALLS, "Calls that are over."),
    counter(
        ATTEMPTS,
        "Tries at a provider that are over; a retry makes a second one.",
    ),
    time(
        DURATION,
        "From the opening of the call (after its poll_ready) to the end of the reply, or to the drop. Monotonic clock.",
    ),
    time(
        FIRST,
        "From the start of the client in the last attempt to the first item of the reply. Absent where none came. Monotonic clock.",
    ),
    time(
        QUEUED,
        "From the opening of the call, its poll_ready wait included, to the start of the client. Monotonic clock.",
    ),
    Definition {
        name: TOKENS,
        kind: Kind::Histogram,
        unit: None,
        help: "Tokens of one attempt: input with cached ones, output with reasoning. Absent where nobody knows.",
    },
    counter(
        COST_AT_LEAST,
        "What attempts cost at least, in whole micro-dollars, as known when their call ended.",
    ),
    counter(
        COST_AT_MOST,
        "What attempts cost at most, in whole micro-dollars; without those that have no upper bound.",
    ),
    counter(
        COST_UNBOUNDED,
        "Attempts whose cost has no upper bound: no price, or no count.",
    ),
    counter(
        COST_WASTED,
        "What nobody heard cost at least, in whole micro-dollars, as known when the turn ended.",
    ),
    counter(FAILURES, "Calls that failed, by what their caller saw."),
    counter(REDACTIONS, "Finds that were masked, by type."),
    counter(
        OBSERVERS,
        "Observers that panicked while they watched a call.",
    ),
    counter(
        LATE_USAGE,
        "Usage records that came after their call had ended; the ledger has their amounts.",
    ),
    counter(TURNS, "Turns that are over."),
    time(
        USER_TO_BOT,
        "From the end of the user's speech to the first audio of the bot. Absent where one of them was not seen. Monotonic clock.",
    ),
    time(
        SEGMENT,
        "One stretch of the wait from user to bot; the stretches of a turn sum to it. Monotonic clock.",
    ),
    counter(SESSIONS, "Sessions that began and that ended."),
    counter(ALERTS, "Budgets and rules that fired."),
    counter(LOGS, "Warnings and errors that the program logged."),
    counter(
        LOST,
        "Events that did not get where they should, by sink and reason.",
    ),
    counter(
        SINK_EVENTS,
        "Events that a sink was given and wanted: written, lost or pending, to the unit.",
    ),
    counter(
        SINK_WRITTEN,
        "Events of a sink that are where they should be.",
    ),
    counter(SINK_ERRORS, "Tries of a sink to write that failed."),
    gauge(
        SINK_PENDING,
        "Events that wait in a sink's buffer or are being written.",
    ),
    gauge(SINK_QUEUED, "Bytes of them."),
    gauge(SINK_DEGRADED, "Whether a sink's last try to write failed."),
    gauge(OPEN_CALLS, "Calls that are open now."),
    counter(
        OVERFLOWED,
        "Label sets that were counted under `other`, because there were too many.",
    ),
];

/// The counter of a meter. Durations are in microseconds, as everywhere: a counter holds whole numbers.
pub(super) const fn of_meter(meter: Meter) -> Definition {
    const HELP: &str = "What attempts used at least, as known when their call ended; the unit is the last word of the name.";
    let name = match meter {
        Meter::InputTokens => "campanile.usage.input_tokens",
        Meter::CachedInputTokens => "campanile.usage.cached_input_tokens",
        Meter::CacheWriteTokens => "campanile.usage.cache_write_tokens",
        Meter::LongCacheWriteTokens => "campanile.usage.long_cache_write_tokens",
        Meter::OutputTokens => "campanile.usage.output_tokens",
        Meter::ReasoningTokens => "campanile.usage.reasoning_tokens",
        Meter::AudioInputTokens => "campanile.usage.audio_input_tokens",
        Meter::CachedAudioTokens => "campanile.usage.cached_audio_tokens",
        Meter::AudioOutputTokens => "campanile.usage.audio_output_tokens",
        Meter::ImageInputTokens => "campanile.usage.image_input_tokens",
        Meter::CachedImageTokens => "campanile.usage.cached_image_tokens",
        Meter::ImageOutputTokens => "campanile.usage.image_output_tokens",
        Meter::Characters => "campanile.usage.characters",
        Meter::AudioUs => "campanile.usage.audio_us",
        Meter::SocketUs => "campanile.usage.socket_us",
        Meter::ServerAudioUs => "campanile.usage.server_audio_us",
        Meter::SpeechUs => "campanile.usage.speech_us",
        Meter::Requests => "campanile.usage.requests",
        Meter::Messages => "campanile.usage.messages",
        Meter::WebSearches => "campanile.usage.web_searches",
        Meter::FileSearches => "campanile.usage.file_searches",
        Meter::MilliUnits => "campanile.usage.milli_units",
        Meter::UnplayedUs => "campanile.usage.unplayed_us",
        Meter::KeepAliveUs => "campanile.usage.keep_alive_us",
        _ => "campanile.usage.other",
    };
    counter(name, HELP)
}

pub(super) fn all() -> impl Iterator<Item = Definition> {
    DEFINITIONS
        .into_iter()
        .chain(Meter::ALL.into_iter().map(of_meter))
}

pub(super) fn describe(recorder: &dyn Recorder) {
    for Definition {
        name,
        kind,
        unit,
        help,
    } in all()
    {
        match kind {
            Kind::Counter => recorder.describe_counter(name.into(), unit, help.into()),
            Kind::Gauge => recorder.describe_gauge(name.into(), unit, help.into()),
            Kind::Histogram => recorder.describe_histogram(name.into(), unit, help.into()),
        }
    }
}

/// The name of a kind of failure, as in JSON.
pub(super) fn kind(kind: FailureKind) -> Name {
    Name::from_static(match kind {
        FailureKind::Authentication => "authentication",
        FailureKind::Authorization => "authorization",
        FailureKind::InvalidRequest => "invalid_request",
        FailureKind::RateLimit => "rate_limit",
        FailureKind::Quota => "quota",
        FailureKind::Connectivity => "connectivity",
        FailureKind::Timeout => "timeout",
        FailureKind::Overloaded => "overloaded",
        FailureKind::Server => "server",
        FailureKind::Protocol => "protocol",
        FailureKind::Application => "application",
        _ => "unknown",
    })
}
