//! Where a request is given its number, its luck and its line on the bill.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hyper::HeaderMap;

use super::bill::{Line, Open, Provider, Tab, Why};
use super::dice::Dice;
use super::fault::{Fault, Script};
use super::pace::{Gait, Pace};

/// The header in which a client may name itself.
///
/// What a seed decides for a request depends on its number, in the order of arrival. Where several clients talk at
/// once, that order is chance; a request with this header gets what the seed says for this name instead (and for the
/// how many-th request of that name it is), whoever else is there.
pub const KEY: &str = "x-sim-key";

/// The header with which a client says that it will hang up after that many items:
/// [`Fault::HoldAfter`] for this one request.
pub const HOLD_AFTER: &str = "x-sim-hold-after";

/// The header with which a client brings its own faults along: a list with a place for each request of its
/// [`KEY`], so that a retry that repeats the header meets the next one. `server_error,,cut_after=2`: the first try
/// is refused, the second is good, the third breaks off. It wins over what the server was told.
pub const FAULTS: &str = "x-sim-faults";

/// What one server knows about all of its requests.
#[derive(Debug)]
pub struct Desk {
    pub(crate) provider: Provider,
    pub(crate) seed: u64,
    pub(crate) script: Script,
    pub(crate) pace: Pace,
    pub(crate) tab: Tab,
    arrived: AtomicU64,
    named: Mutex<Named>,
}

/// How often each name was heard. Those that were not heard among the last few thousand are forgotten, so that a run may
/// go on for as long as it likes.
#[derive(Debug, Default)]
struct Named {
    recent: HashMap<String, u64>,
    older: HashMap<String, u64>,
}

/// Names that are remembered at least.
const REMEMBERED: usize = 4_096;

impl Named {
    /// How often this name was heard before.
    fn heard(&mut self, key: &str) -> u64 {
        if self.recent.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.recent);
        }
        let older = || self.older.get(key).copied().unwrap_or(0);
        let times = self.recent.entry(key.to_owned()).or_insert_with(older);
        *times += 1;
        *times - 1
    }
}

impl Desk {
    pub(crate) fn new(provider: Provider, seed: u64) -> Self {
        Self {
            provider,
            seed,
            script: Script::default(),
            pace: Pace::by_item(),
            tab: Tab::new(),
            arrived: AtomicU64::new(0),
            named: Mutex::default(),
        }
    }

    /// Takes a request in.
    pub(crate) fn arrival(&self, headers: &HeaderMap) -> Ticket {
        let index = self.arrived.fetch_add(1, Ordering::Relaxed);
        let key = header(headers, KEY);
        let luck = key.map_or_else(|| Luck::of(index), |key| self.named(key));
        let brought = Fault::hold(header(headers, HOLD_AFTER));
        let brought = brought.or_else(|| Fault::of_list(header(headers, FAULTS), luck.tries(key)));
        let fault = brought.or_else(|| {
            let mut dice = luck.dice(self, "fault");
            self.script.fault(index, &mut dice)
        });
        let mut ticket = Ticket {
            index,
            key: key.map(str::to_owned),
            request_id: String::new(),
            fault,
            luck,
        };
        ticket.request_id = self.request_id(&ticket);
        ticket
    }

    /// Opens a line on the bill; a part for itself where one connection is asked for several things.
    pub(crate) fn open(&self, ticket: &Ticket, part: u64) -> Open {
        self.tab.open(Line {
            request_id: ticket.request_id.clone(),
            provider: self.provider,
            index: ticket.index,
            part,
            context_id: None,
            key: ticket.key.clone(),
            model: String::new(),
            served_model: String::new(),
            tier: None,
            meters: super::Meters::default(),
            audio: None,
            status: None,
            why: Why::HungUp,
            fault: ticket.fault,
            open_us: 0,
        })
    }

    /// Numbers that depend on the seed, the request, and what they are for.
    pub(crate) fn dice(&self, ticket: &Ticket, purpose: &str) -> Dice {
        ticket.luck.dice(self, purpose)
    }

    pub(crate) fn gait(&self, ticket: &Ticket, part: u64) -> Gait {
        let pace = match ticket.fault {
            Some(Fault::Slow { first, between }) => Pace::steady(first, between),
            _ => self.pace,
        };
        Gait::new(pace, self.dice(ticket, &format!("pace {part}")))
    }

    fn request_id(&self, ticket: &Ticket) -> String {
        let mut dice = self.dice(ticket, "request id");
        match self.provider {
            Provider::OpenAi => format!("req_{}", dice.hex(32)),
            Provider::Deepgram | Provider::Cartesia => dice.uuid(),
        }
    }

    fn named(&self, key: &str) -> Luck {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let number = named.heard(key);
        Luck {
            word: format!("key {key}"),
            number,
        }
    }
}

/// What one request was given on arrival.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub(crate) index: u64,
    pub(crate) key: Option<String>,
    pub(crate) request_id: String,
    pub(crate) fault: Option<Fault>,
    luck: Luck,
}

impl Ticket {
    /// Which of several scripted things this request gets.
    pub(crate) fn turn(&self, of: usize) -> usize {
        usize::try_from(self.luck.number).unwrap_or(0) % of.max(1)
    }
}

/// What the dice of a request start from: its number, or its client's name and how often that was heard before.
#[derive(Clone, Debug)]
struct Luck {
    word: String,
    number: u64,
}

impl Luck {
    fn of(index: u64) -> Self {
        Self {
            word: String::from("index"),
            number: index,
        }
    }

    /// How many requests of the same name came before; a client without one is always at its first.
    fn tries(&self, key: Option<&str>) -> u64 {
        key.map_or(0, |_| self.number)
    }

    fn dice(&self, desk: &Desk, purpose: &str) -> Dice {
        let word = format!("{}/{purpose}/{}", desk.provider, self.word);
        Dice::new(desk.seed, &word, self.number)
    }
}

/// A header as text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
