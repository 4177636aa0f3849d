//! What can go wrong, by name.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Connections are refused.
    Refused,
    /// Connections are reset as soon as a request has come.
    Reset,
    /// Requests are taken and never answered.
    BlackHole,
    /// 429 with `retry-after`.
    TooMany,
    /// 500.
    ServerError,
    /// A stream is cut after some items, or some bytes.
    Cut,
    /// An error inside a stream that began well.
    ErrorInStream,
    /// A reply that does not say what it cost.
    NoUsage,
    /// Long waits before and between pieces.
    Slow,
    /// The speaker's socket is closed.
    SocketClosed,
    /// The transcriber's socket is closed: the bot connects again.
    SttReconnect,
    /// The stage itself panics.
    Panic,
    /// A sink takes its time over each line.
    SinkSlow,
    /// A sink takes a line and does not come back.
    SinkStuck,
    /// A sink panics.
    SinkPanic,
    /// No room is left for logs and ledger.
    DiskFull,
    /// The folder of the logs is removed.
    FolderGone,
    /// Nobody reads the console.
    StdoutStall,
    /// The wall clock jumps back, and forward again.
    ClockJump,
    /// Another program holds the ledger.
    LedgerLocked,
    /// The process is killed, and started anew.
    Kill,
}

use Fault::*;

impl Fault {
    /// Every kind.
    pub(crate) const ALL: [Fault; 21] = [
        TooMany,
        ServerError,
        Cut,
        Slow,
        NoUsage,
        ErrorInStream,
        SocketClosed,
        SttReconnect,
        Panic,
        SinkSlow,
        Refused,
        SinkPanic,
        Kill,
        StdoutStall,
        FolderGone,
        ClockJump,
        SinkStuck,
        DiskFull,
        Reset,
        BlackHole,
        LedgerLocked,
    ];

    /// The word on the command line and in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Refused => "refused",
            Reset => "reset",
            BlackHole => "black_hole",
            TooMany => "too_many",
            ServerError => "server_error",
            Cut => "cut",
            ErrorInStream => "error_in_stream",
            NoUsage => "no_usage",
            Slow => "slow",
            SocketClosed => "socket_closed",
            SttReconnect => "stt_reconnect",
            Panic => "panic",
            SinkSlow => "sink_slow",
            SinkStuck => "sink_stuck",
            SinkPanic => "sink_panic",
            DiskFull => "disk_full",
            FolderGone => "folder_gone",
            StdoutStall => "stdout_stall",
            ClockJump => "clock_jump",
            LedgerLocked => "ledger_locked",
            Kill => "kill",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// A choice of faults, in the order in which they come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Faults {
    said: String,
    pub(crate) list: Vec<Fault>,
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let list = match text {
            "none" => Vec::new(),
            // What needs long waits, or a second program, is for those who ask for all.
            "default" => Fault::ALL
                .into_iter()
                .filter(|fault| !matches!(fault, BlackHole | LedgerLocked))
                .collect(),
            "all" => Fault::ALL.to_vec(),
            names => names
                .split(',')
                .map(|name| Fault::of(name.trim()).ok_or_else(|| unknown(name)))
                .collect::<Result<_, _>>()?,
        };
        Ok(Self {
            said: text.to_owned(),
            list,
        })
    }
}

fn unknown(name: &str) -> String {
    let known = Fault::ALL.map(Fault::name).join(", ");
    format!("there is no fault `{name}`; there are: none, default, all, {known}")
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_chosen_by_group_or_by_name() {
        let list = |text: &str| text.parse::<Faults>().unwrap().list;

        assert_eq!(list("none"), []);
        assert_eq!(list("kill, cut"), [Kill, Cut]);
        assert_eq!(list("all").len(), Fault::ALL.len());
        assert!(list("default").contains(&Kill));
        assert!(
            "kil"
                .parse::<Faults>()
                .unwrap_err()
                .contains("stdout_stall")
        );
    }
}
