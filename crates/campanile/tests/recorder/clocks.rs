//! Clocks that jump: durations come from the monotonic clock, order from the order in which things happened, and wall time is
//! for display and days only.

use campanile::sinks::ledger::{Dimension, Durability, Ledger, LedgerOptions, Query, Reader};
use campanile::sinks::{Jsonl, Notices};
use campanile::{
    CallLayer, Clock, Event, Events, Facts, Ids, Meter, Monitor, Sink as _, Span, Tally, Tick,
    TimeSource, Timestamp, TimingLayer, Turn, Unary, UsageLayer, client, memory,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tower::Service as _;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Two clocks that know nothing of each other.
#[derive(Clone)]
struct Hands {
    tick: Arc<AtomicU64>,
    wall: Arc<AtomicI64>,
}

impl Hands {
    fn at(wall: i64) -> Self {
        Self {
            tick: Arc::new(AtomicU64::new(1_000_000_000)),
            wall: Arc::new(AtomicI64::new(wall)),
        }
    }

    /// Time goes on, and somebody sets the wall clock.
    fn step(&self, step: &Step) {
        self.tick.fetch_add(step.elapsed_us * 1_000, Relaxed);
        let on = i64::try_from(step.elapsed_us).unwrap();
        self.wall.fetch_add(on + step.jump_us, Relaxed);
    }
}

impl TimeSource for Hands {
    fn tick(&self) -> Tick {
        Tick(self.tick.load(Relaxed))
    }
    fn now(&self) -> Timestamp {
        Timestamp(self.wall.load(Relaxed))
    }
}

/// One call: how long it takes, and how far the wall clock jumps meanwhile.
#[derive(Clone, Debug)]
struct Step {
    elapsed_us: u64,
    jump_us: i64,
}

struct Ask(Turn, u64);

impl Facts for Ask {
    fn usage(&self, tally: &Tally) {
        tally.total(Meter::OutputTokens, self.1);
    }
}

/// What was written of one run.
struct Run {
    events: Events,
    folder: tempfile::TempDir,
    /// The days on which the calls were opened.
    days: BTreeMap<String, u64>,
}

/// One session with a call for each step; the n-th uses n tokens, from 1.
fn run(start: i64, steps: &[Step]) -> Run {
    let (hands, folder) = (Hands::at(start), tempfile::tempdir().unwrap());
    let clock = Clock::new(hands.clone());
    let (kept, events) = memory();
    let ledger = LedgerOptions::new(folder.path().join("ledger.db")).durability(Durability::Fast);
    let ledger = Ledger::open(ledger, clock.clone()).unwrap();
    let jsonl = Jsonl::new(folder.path().join("logs"))
        .max_file(3_000)
        .compress(false)
        .clock(clock.clone())
        .notices(Notices::silent());
    let sinks = kept.and(jsonl.open().unwrap()).and(ledger);
    let monitor = Monitor::builder(sinks)
        .clock(clock)
        .ids(Ids::seeded(7))
        .by_hand()
        .start();

    let session = monitor.session_named("call-7").unwrap();
    let mut days = BTreeMap::new();
    let mut context = Context::from_waker(Waker::noop());
    for (n, step) in steps.iter().enumerate() {
        let day = Timestamp(hands.wall.load(Relaxed)).to_string()[..10].to_owned();
        *days.entry(day).or_default() += 1;
        let mut stage = tower::ServiceBuilder::new()
            .layer(CallLayer::new("llm", &monitor).scope(|ask: &Ask| Some(ask.0.clone())))
            .layer(UsageLayer::new().provider("openai").model("gpt-x"))
            .layer(TimingLayer::new())
            .layer(client::unary())
            .service_fn(async |_: Ask| {
                hands.step(step);
                Ok::<_, Infallible>(())
            });
        let ask = Ask(session.turn(), n as u64 + 1);
        let _ = stage.poll_ready(&mut context);
        let mut call = std::pin::pin!(stage.call(ask));
        let Poll::Ready(Ok(Unary(()))) = call.as_mut().poll(&mut context) else {
            panic!("it is ready at once");
        };
        assert!(monitor.flush(Duration::from_secs(20)));
    }
    session.end("over");
    assert!(monitor.close_blocking());
    drop(monitor);
    Run {
        events,
        folder,
        days,
    }
}

/// The tokens of each call in the log files, read in the order of their names.
fn logged(folder: &Path) -> Vec<u64> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join("logs"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    // The last two parts of a name are numbers.
    files.sort_by_key(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let (begun, sequence) = name.rsplit_once('-').unwrap();
        (begun.to_owned(), sequence.parse::<u64>().unwrap())
    });
    let texts = files
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    let lines: String = texts.collect();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines
        .filter(|line| line["event"] == "call")
        .map(|line| line["usage"]["output_tokens"].as_u64().unwrap())
        .collect()
}

fn assert_holds(run: &Run, steps: &[Step]) {
    let calls = run.events.calls();
    assert_eq!(calls.len(), steps.len());
    for (call, step) in calls.iter().zip(steps) {
        let elapsed = call.timing.unwrap().elapsed;
        assert_eq!(elapsed, Span(step.elapsed_us * 1_000), "{step:?}");
    }
    let all = run.events.all();
    let mut ends = all.iter().filter_map(|event| match event {
        Event::Session(session) => session.totals.as_ref(),
        _ => None,
    });
    let totals = ends.next_back().unwrap();
    let elapsed: u64 = steps.iter().map(|step| step.elapsed_us).sum();
    assert_eq!(totals.elapsed, Span(elapsed * 1_000));

    let many = steps.len() as u64;
    let logged = logged(run.folder.path());
    assert_eq!(
        logged,
        (1..=many).collect::<Vec<_>>(),
        "each once, in order"
    );

    let reader = Reader::open(run.folder.path().join("ledger.db")).unwrap();
    let report = reader
        .report(&Query::default().by([Dimension::Day]))
        .unwrap();
    let by_day = report
        .rows
        .iter()
        .map(|row| (row.keys[0].clone(), row.calls));
    assert_eq!(by_day.collect::<BTreeMap<_, _>>(), run.days);
    assert_eq!(report.rows.len(), run.days.len(), "a day has one row");
    let tokens = |usage: &campanile::Usage| usage.at_least(Meter::OutputTokens);
    let sum: u64 = report.rows.iter().map(|row| tokens(&row.usage)).sum();
    assert_eq!(sum, tokens(&report.total.usage), "days sum to the total");
    assert_eq!(sum, many * (many + 1) / 2);
}

/// Ends of years, months and days with and without a leap day, and nights in which zones and seconds are set.
const STARTS: [i64; 6] = [
    1_798_761_598 * SECOND, // 2026-12-31T23:59:58Z
    1_835_395_198 * SECOND, // 2028-02-28T23:59:58Z, before a leap day
    1_835_481_598 * SECOND, // 2028-02-29T23:59:58Z
    1_483_228_799 * SECOND, // 2016-12-31T23:59:59Z, before a leap second
    1_774_745_998 * SECOND, // 2026-03-29T00:59:58Z, when summer time begins in Europe
    1_792_889_998 * SECOND, // 2026-10-25T00:59:58Z, when it ends
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // A leap second repeats one; the larger ones are somebody's.
    let jump = prop_oneof![
        3 => Just(0),
        1 => Just(-SECOND),
        2 => -DAY / 2..DAY / 2,
        1 => Just(DAY),
    ];
    let step = (0_u64..5_000_000, jump).prop_map(|(elapsed_us, jump_us)| Step {
        elapsed_us,
        jump_us,
    });
    prop::collection::vec(step, 1..12).prop_filter("back by less than a day in all", |steps| {
        let mut highest = 0;
        let mut wall = 0;
        steps.iter().all(|step| {
            wall += step.jump_us;
            highest = highest.max(wall);
            highest - wall < DAY - 60 * SECOND
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn whatever_the_wall_clock_does_each_call_is_in_one_day_and_takes_its_time(
        start in prop::sample::select(STARTS.to_vec()),
        steps in steps(),
    ) {
        assert_holds(&run(start, &steps), &steps);
    }
}

#[test]
fn a_clock_that_is_put_back_over_midnight_moves_no_call_and_shortens_none() {
    let step = |elapsed_us, jump_us| Step {
        elapsed_us,
        jump_us,
    };
    let steps = [
        step(1_000_000, 0),
        step(3_000_000, 0), // Over midnight.
        step(1_000_000, -10 * SECOND),
        step(20_000_000, 0),
        step(0, -3_600 * SECOND),
        step(1, DAY / 2),
    ];

    for start in STARTS {
        assert_holds(&run(start, &steps), &steps);
    }
}
