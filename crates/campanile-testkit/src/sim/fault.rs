//! Trouble that a script has in store.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Provider;
use super::dice::Dice;

/// What goes wrong with one request.
///
/// An *item* is what the reply is made of: a content delta of a language model, a `Results` of speech to text, a
/// `chunk` of audio of text to speech. Where a reply has fewer items than the fault names, the fault comes after the
/// last one and before whatever ends the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// 429 instead of an answer, with `retry-after` (whole seconds, rounded up) and `retry-after-ms`. Bills nothing.
    TooManyRequests {
        /// How long the client should wait.
        retry_after: Duration,
    },
    /// 500 instead of an answer. Bills nothing.
    ServerError,
    /// The connection is reset after that many items have been written to it.
    CutAfter {
        /// How many items the client can get.
        items: u64,
    },
    /// The connection is reset after that many bytes of the response, its head included.
    CutAtByte {
        /// How many bytes the client can get.
        bytes: u64,
    },
    /// Slower than the server's pace.
    Slow {
        /// The wait before the first item.
        first: Duration,
        /// The wait between two.
        between: Duration,
    },
    /// The reply says nothing about its usage: no usage chunk (or `usage` field), no `Metadata`. Text to speech never
    /// does. The bill is that of a complete reply.
    NoUsageChunk,
    /// An error message inside a reply that began well; the reply ends with it. Bills what was made until then.
    ErrorInStream {
        /// How many items come before it.
        items: u64,
    },
    /// A WebSocket is closed with that code after it has been sent that many text or binary messages. What the client
    /// sent before its own close is still received and billed. An HTTP request fares as in
    /// [`CutAfter`](Self::CutAfter).
    CloseSocket {
        /// How many messages the server takes before it closes.
        after_frames: u64,
        /// Such as 1011; the reason is `NET-0001` there.
        code: u16,
    },
    /// The connection is reset as soon as the request's head has come, without a byte of an answer. Bills nothing.
    Refuse,
    /// The request is taken and never answered. Bills nothing.
    BlackHole,
    /// That many items, and then silence until the client has gone.
    ///
    /// This is how a test has a client hang up in the middle and still knows the bill: an unpaced server would have
    /// handed the whole reply to the operating system before the client has read its first piece.
    HoldAfter {
        /// How many items come before the silence.
        items: u64,
    },
}

/// Which request has which trouble.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    at: BTreeMap<u64, Fault>,
    shares: Vec<(u32, Fault)>,
}

impl Script {
    pub(crate) fn at(&mut self, index: u64, fault: Fault) {
        self.at.insert(index, fault);
    }

    pub(crate) fn share(&mut self, per_mille: u32, fault: Fault) {
        self.shares.push((per_mille, fault));
    }

    /// A fault named for this index comes first; else one draw decides between all shares.
    pub(crate) fn fault(&self, index: u64, dice: &mut Dice) -> Option<Fault> {
        let drawn = dice.up_to(999);
        let mut below = 0;
        let share = self.shares.iter().find(|(per_mille, _)| {
            below += u64::from(*per_mille);
            drawn < below
        });
        self.at
            .get(&index)
            .copied()
            .or(share.map(|(_, fault)| *fault))
    }
}

impl Fault {
    /// Items that come before the reply ends badly, where that is what this fault does.
    pub(crate) fn items(self) -> Option<u64> {
        match self {
            Self::CutAfter { items }
            | Self::ErrorInStream { items }
            | Self::HoldAfter { items } => Some(items),
            _ => None,
        }
    }

    /// The header that scripts a hold for one request, where the client sent it.
    pub(crate) fn hold(header: Option<&str>) -> Option<Self> {
        let items = header?.trim().parse().ok()?;
        Some(Self::HoldAfter { items })
    }
}

/// The form in the header [`FAULTS`](super::FAULTS): a word, and what it is about; milliseconds where that is time.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyRequests { retry_after } => {
                write!(f, "too_many_requests={}", retry_after.as_millis())
            }
            Self::ServerError => f.write_str("server_error"),
            Self::CutAfter { items } => write!(f, "cut_after={items}"),
            Self::CutAtByte { bytes } => write!(f, "cut_at_byte={bytes}"),
            Self::Slow { first, between } => {
                write!(f, "slow={}/{}", first.as_millis(), between.as_millis())
            }
            Self::NoUsageChunk => f.write_str("no_usage_chunk"),
            Self::ErrorInStream { items } => write!(f, "error_in_stream={items}"),
            Self::CloseSocket { after_frames, code } => {
                write!(f, "close_socket={after_frames}/{code}")
            }
            Self::Refuse => f.write_str("refuse"),
            Self::BlackHole => f.write_str("black_hole"),
            Self::HoldAfter { items } => write!(f, "hold_after={items}"),
        }
    }
}

impl Fault {
    /// Reads what [`Display`](fmt::Display) writes. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (word, about) = text.split_once('=').unwrap_or((text, ""));
        let mut numbers = about.split('/').map(|number| number.parse::<u64>().ok());
        let mut number = || numbers.next().flatten();
        let millis = Duration::from_millis;
        Some(match word {
            "too_many_requests" => Self::TooManyRequests {
                retry_after: millis(number()?),
            },
            "server_error" => Self::ServerError,
            "cut_after" => Self::CutAfter { items: number()? },
            "cut_at_byte" => Self::CutAtByte { bytes: number()? },
            "slow" => Self::Slow {
                first: millis(number()?),
                between: millis(number()?),
            },
            "no_usage_chunk" => Self::NoUsageChunk,
            "error_in_stream" => Self::ErrorInStream { items: number()? },
            "close_socket" => Self::CloseSocket {
                after_frames: number()?,
                code: number()?.try_into().ok()?,
            },
            "refuse" => Self::Refuse,
            "black_hole" => Self::BlackHole,
            "hold_after" => Self::HoldAfter { items: number()? },
            _ => return None,
        })
    }

    /// The fault in a list of them for the request of that number; an empty place is no fault.
    pub(crate) fn of_list(list: Option<&str>, number: u64) -> Option<Self> {
        let place = usize::try_from(number).ok()?;
        Self::parse(list?.split(',').nth(place)?.trim())
    }
}

/// What a Deepgram that waited in vain says.
pub(crate) const IDLE_REASON: &str =
    "NET-0001: did not receive audio data or a text message within the timeout window";

/// The reason in a close frame with that code.
pub(crate) fn reason(code: u16, provider: Provider) -> &'static str {
    match (code, provider) {
        (1011, Provider::Deepgram) => IDLE_REASON,
        (1011, _) => "internal error",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let ms = Duration::from_millis;
        let faults = [
            Fault::TooManyRequests {
                retry_after: ms(150),
            },
            Fault::ServerError,
            Fault::CutAfter { items: 5 },
            Fault::CutAtByte { bytes: 900 },
            Fault::Slow {
                first: ms(400),
                between: ms(60),
            },
            Fault::NoUsageChunk,
            Fault::ErrorInStream { items: 0 },
            Fault::CloseSocket {
                after_frames: 120,
                code: 1011,
            },
            Fault::Refuse,
            Fault::BlackHole,
            Fault::HoldAfter { items: 7 },
        ];

        for fault in faults {
            assert_eq!(Fault::parse(&fault.to_string()), Some(fault));
        }
        for wrong in [
            "",
            "cut_after",
            "cut_after=x",
            "close_socket=1/70000",
            "hold",
        ] {
            assert_eq!(Fault::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn each_try_has_its_place_in_the_list() {
        let list = Some("server_error,,cut_after=2");

        let of = |number| Fault::of_list(list, number);
        assert_eq!(of(0), Some(Fault::ServerError));
        assert_eq!((of(1), of(3)), (None, None));
        assert_eq!(of(2), Some(Fault::CutAfter { items: 2 }));
    }
}
