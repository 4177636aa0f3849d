//! What is followed is what a report says; an alert is raised once and owed until it was told.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use campanile_core::{
    AlertEvent, Attempt, CALL_REV, CallEvent, CallId, Clock, Cost, Event, Evidence, Ids, Meter,
    Money, Name, Outcome, SessionId, Sink, Timestamp, Usage, UsageEvent,
};
use campanile_sinks::ledger::{
    AlertBook, Count, Dimension, Durability, Ledger, LedgerOptions, Query, Reader, Spend, Spending,
    Target,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
/// 2026-11-24T01:50:29Z.
const NOW: Timestamp = Timestamp(1_795_485_029_000_000);
const HOUR: i64 = 3_600_000_000;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ledger/campanile.db");
    (dir, path)
}

fn open(path: &Path) -> Ledger {
    Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap()
}

fn cents(cents: u64) -> Money {
    Money::from_grains(Money::GRAINS_PER_USD / 100)
        .checked_mul(cents)
        .unwrap()
}

/// Lower bounds, and attempts without an upper one, by provider, session and label.
#[derive(Debug, Default)]
struct ByName(BTreeMap<String, (i128, u64)>);

impl Count for ByName {
    type By = ();
    fn count(&mut self, (): &(), spend: &Spend<'_>) {
        let label = spend.labels.iter().map(|(_, value)| *value).next();
        let names = [spend.provider, spend.session, label, Some(spend.stage)];
        for name in names.into_iter().flatten() {
            let sum = self.0.entry(name.to_owned()).or_default();
            sum.0 += spend.at_least.grains();
            sum.1 += spend.unbounded;
        }
    }
}

fn sums(spending: &Spending<ByName>) -> BTreeMap<String, (i128, u64)> {
    let mut all = BTreeMap::new();
    for (name, sum) in spending.sums().flat_map(|sums| &sums.0) {
        let (grains, unbounded): &mut (i128, u64) = all.entry(name.clone()).or_default();
        *grains += sum.0;
        *unbounded += sum.1;
    }
    all.retain(|_, sum| *sum != (0, 0));
    all
}

fn attempt(provider: &'static str, amount: u64, bounded: bool) -> Attempt {
    let mut attempt = Attempt::new(1);
    attempt.provider = Some(provider.into());
    attempt.usage = Some(Usage::new().with(Meter::OutputTokens, 1, Evidence::Reported));
    let mut cost = Cost::exact(cents(amount));
    if !bounded {
        cost.at_most = None;
    }
    attempt.cost = Some(cost);
    attempt
}

/// One thing that happens to a ledger.
#[derive(Clone, Debug)]
enum Step {
    /// Call number so opens or goes on, so many hours before now.
    Usage(u8, u16, u64),
    /// It ends.
    Close(u8, u16, u64),
    /// Usage comes late.
    Late(u8, u16, u64),
    Look,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let call = || (0..12_u8, 0..60_u16, 0..500_u64);
    let step = prop_oneof![
        3 => call().prop_map(|(call, ago, amount)| Step::Usage(call, ago, amount)),
        4 => call().prop_map(|(call, ago, amount)| Step::Close(call, ago, amount)),
        1 => call().prop_map(|(call, ago, amount)| Step::Late(call, ago, amount)),
        3 => Just(Step::Look),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..24)
}

/// The moment and the id of a call; every fourth has an id that tells nothing of its time.
fn of(number: u8, ago: u16) -> (CallId, Timestamp) {
    let ago = i64::from(number) * 7 + i64::from(ago) % 3;
    let at = Timestamp(NOW.0 - ago * HOUR / 4);
    match number % 4 {
        0 => (CallId(u128::from(number) + 1), at),
        _ => (Ids::seeded(u64::from(number)).next(at), at),
    }
}

fn event(step: &Step, revision: u32) -> Option<Event> {
    let (&number, &ago, &amount, late) = match step {
        Step::Usage(number, ago, amount) => (number, ago, amount, false),
        Step::Close(number, ago, amount) => (number, ago, amount, false),
        Step::Late(number, ago, amount) => (number, ago, amount, true),
        Step::Look | Step::Reopen => return None,
    };
    let (id, at) = of(number, ago / 60);
    let attempt = attempt(
        ["openai", "deepgram"][usize::from(number % 2)],
        amount,
        amount % 7 != 0,
    );
    let session = SessionId::new(&format!("s{}", number % 3)).ok();
    if let Step::Close(..) = step {
        let mut call = CallEvent::new(id, "llm".into(), at, Outcome::Completed);
        call.attempts.push(attempt);
        call.session = session;
        call.labels.push((
            "tenant",
            ["acme", "globex"][usize::from(number / 2 % 2)].into(),
        ));
        return Some(Event::Call(Box::new(call)));
    }
    let revision = if late { CALL_REV + revision } else { revision };
    let mut usage = UsageEvent::new(id, revision, "llm".into(), at, at, attempt);
    usage.session = session;
    Some(Event::Usage(Box::new(usage)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    /// Whatever comes, in whatever order, between looks: what is followed is what is there.
    #[test]
    fn what_is_followed_is_what_is_there(steps in steps()) {
        let (_dir, path) = folder();
        let mut ledger = open(&path);
        let mut follow = Spending::<ByName>::open(&path, ()).unwrap().labels(true);
        let since = Timestamp(NOW.0 - 48 * HOUR);
        // What a dead process left open is over; who closes it all the same may bring labels that nobody looks for any more.
        let mut seen: BTreeSet<u8> = BTreeSet::new();
        let mut dead: BTreeSet<u8> = BTreeSet::new();
        for (revision, step) in (1..).zip(&steps) {
            match step {
                Step::Close(call, ..) if dead.contains(call) => continue,
                Step::Usage(call, ..) | Step::Late(call, ..) => drop(seen.insert(*call)),
                Step::Reopen => dead.extend(&seen),
                _ => {}
            }
            if let Some(event) = event(step, revision) {
                ledger.record(&event);
            }
            if let Step::Reopen = step {
                prop_assert!(ledger.close(SOON));
                ledger = open(&path);
            }
            if let Step::Look = step {
                prop_assert!(ledger.flush(SOON));
                follow.refresh(since, NOW).unwrap();
                let mut fresh = Spending::<ByName>::open(&path, ()).unwrap().labels(true);
                fresh.refresh(since, NOW).unwrap();
                prop_assert_eq!(sums(&follow), sums(&fresh));
            }
        }
        prop_assert!(ledger.flush(SOON));
        follow.refresh(since, NOW).unwrap();
        let query = Query::default().since(Timestamp(since.0 - since.0.rem_euclid(24 * HOUR)));
        let report = Reader::open(&path).unwrap().report(&query.by([Dimension::Provider])).unwrap();
        let followed = sums(&follow);
        for row in report.rows {
            let known = followed.get(&row.keys[0]).copied().unwrap_or_default();
            prop_assert_eq!(known.0, row.cost.at_least.grains(), "{:?}", row.keys);
            prop_assert_eq!(known.1 > 0, row.cost.at_most.is_none());
        }
    }
}

#[test]
fn ones_own_calls_are_told_apart() {
    #[derive(Default)]
    struct Own(i128, i128);
    impl Count for Own {
        type By = ();
        fn count(&mut self, (): &(), spend: &Spend<'_>) {
            let sum = if spend.own { &mut self.0 } else { &mut self.1 };
            *sum += spend.at_least.grains();
        }
    }
    let (_dir, path) = folder();
    let (mine, theirs) = (open(&path), open(&path));
    mine.record(&event(&Step::Close(1, 0, 3), 1).unwrap());
    theirs.record(&event(&Step::Close(2, 0, 4), 1).unwrap());
    assert!(mine.flush(SOON) && theirs.flush(SOON));

    let mut follow = Spending::<Own>::open(&path, ()).unwrap().own(mine.run());
    follow.refresh(Timestamp(NOW.0 - 24 * HOUR), NOW).unwrap();

    let (own, others) = follow.sums().fold((0, 0), |(own, others), sums| {
        (own + sums.0, others + sums.1)
    });
    assert_eq!((own, others), (cents(3).grains(), cents(4).grains()));
}

fn alert(window: &'static str) -> AlertEvent {
    let (rule, share) = ("budget:openai:month".into(), "0.8".into());
    AlertEvent::budget(
        NOW,
        rule,
        share,
        window.into(),
        Cost::exact(cents(4_100)),
        cents(5_000),
    )
}

fn after(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000_000)
}

const PAGER: &[Target] = &[(Name::from_static("pager"), NOW)];

#[test]
fn an_alert_is_raised_by_the_first_and_owed_until_it_was_told() {
    let (_dir, path) = folder();
    let open = || AlertBook::open(&path, Durability::Durable).unwrap();
    let (mut first, mut second) = (open(), open());

    assert!(first.raise(&alert("2026-11"), PAGER).unwrap());
    assert!(!second.raise(&alert("2026-11"), PAGER).unwrap());
    let owed = second.claim("pager", NOW, after(60)).unwrap().unwrap();
    assert_eq!(
        (owed.id.as_str(), owed.tries),
        ("budget:openai:month:2026-11:0.8", 1)
    );
    assert!(owed.json.contains("\"threshold\":\"0.8\""));

    // While one tries, nobody else does; a try that never ended is taken over.
    assert_eq!(first.claim("pager", after(59), after(119)).unwrap(), None);
    let again = first
        .claim("pager", after(60), after(120))
        .unwrap()
        .unwrap();
    assert_eq!(again.tries, 2);
    first.put_off(&again.id, "pager", after(61)).unwrap();
    assert!(
        second
            .claim("pager", after(61), after(121))
            .unwrap()
            .is_some()
    );
    second.told(&again.id, "pager").unwrap();

    assert_eq!(
        first.claim("pager", after(9_999), after(9_999)).unwrap(),
        None
    );
    assert_eq!(Reader::open(&path).unwrap().owed().unwrap(), []);
    assert_eq!(Reader::open(&path).unwrap().verify().unwrap(), []);
}

#[test]
fn an_alert_that_may_come_again_keeps_quiet_in_between() {
    let (_dir, path) = folder();
    let mut book = AlertBook::open(&path, Durability::Durable).unwrap();
    let mut raise = |at: Timestamp, quiet: i64| {
        let mut alert = alert("24h");
        alert.at = at;
        let since = Timestamp(at.0 - quiet * 1_000_000);
        let raised = book.raise_again(alert, since, PAGER).unwrap();
        raised.map(|alert| alert.id.to_string())
    };

    let id = |n| Some(format!("budget:openai:month:24h:0.8#{n}"));
    assert_eq!(raise(NOW, 60), id(1));
    assert_eq!(raise(after(59), 60), None);
    assert_eq!(raise(after(60), 60), id(2));
    assert_eq!(raise(after(61), 60), None);
}
