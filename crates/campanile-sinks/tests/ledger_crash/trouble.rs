//! One story for all troubles: a ledger that writes, a disk that does not let it for a while, a ledger that writes again.

use crate::child::{SOON, event};
use campanile_core::{Clock, Event, Ids, Sink, Timestamp};
use campanile_sinks::ledger::{
    Appended, Entry, Ledger, LedgerErrorKind, LedgerOptions, LedgerTrouble, Query, Reader,
};
use std::{
    path::Path,
    sync::mpsc::channel,
    time::{Duration, Instant},
};

/// Events before the trouble, and during it.
const BEFORE: u64 = 1_000;
const DURING: u64 = 5_000;

/// What was seen during the trouble.
pub(crate) struct Seen {
    pub(crate) told: Vec<LedgerTrouble>,
    pub(crate) degraded: Option<LedgerErrorKind>,
    /// How long handing over took, in order.
    pub(crate) handing_over: Vec<Duration>,
}

impl Seen {
    /// The time that this share of all events did not exceed.
    pub(crate) fn at(&self, per_mille: usize) -> Duration {
        self.handing_over[(self.handing_over.len() - 1) * per_mille / 1_000]
    }
}

/// Hands events over while `begin` has begun and `end` has not ended a trouble of at least `length`; checks that nothing
/// was acknowledged that was not written, that nobody waited, and that all is there afterwards, without a restart.
pub(crate) fn live_through(
    path: &Path,
    length: Duration,
    begin: impl FnOnce(),
    end: impl FnOnce(),
) -> Seen {
    let (tell, told) = channel();
    let options = LedgerOptions::new(path).tell(move |trouble| drop(tell.send(trouble)));
    let ledger = Ledger::open(options, Clock::system()).unwrap();
    let ids = Ids::random();
    for number in 0..BEFORE {
        let id = ids.next(Timestamp::now());
        ledger.record(&Event::Call(Box::new(event(id, number))));
    }
    assert!(ledger.flush(SOON));

    begin();
    let began = Instant::now();
    let entry = Entry::new("waits", event(ids.next(Timestamp::now()), 1));
    let answer = ledger.append(&[entry]);
    let mut handing_over = Vec::new();
    for number in 0..DURING {
        let call = Event::Call(Box::new(event(ids.next(Timestamp::now()), number)));
        let started = Instant::now();
        ledger.record(&call);
        handing_over.push(started.elapsed());
        std::thread::sleep(length / DURING as u32);
    }
    while began.elapsed() < length {
        std::thread::sleep(Duration::from_millis(10));
    }
    let early = answer.wait(Duration::from_millis(50));
    assert_eq!(early, None, "acknowledged and not written");
    let degraded = ledger.degraded();
    end();

    assert_eq!(answer.wait(SOON), Some(Ok(vec![Appended::Created])));
    assert!(ledger.flush(SOON));
    assert_eq!(ledger.degraded(), None);
    let reader = Reader::open(path).unwrap();
    let calls = reader.report(&Query::default()).unwrap().total.calls;
    assert_eq!(calls, BEFORE + DURING + 1);
    assert_eq!(reader.verify().unwrap(), []);
    assert!(ledger.close(SOON));
    handing_over.sort_unstable();
    let told: Vec<_> = told.try_iter().collect();
    assert!(
        told.len() <= 1 + length.as_secs() as usize / 60,
        "told {} times",
        told.len()
    );
    Seen {
        told,
        degraded,
        handing_over,
    }
}
