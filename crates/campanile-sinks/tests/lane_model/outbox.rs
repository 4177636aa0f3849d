//! A courier that is ended anywhere, a ledger that fails, a remote that fails: what was committed arrives, once, in order.

#[expect(
    dead_code,
    unreachable_pub,
    reason = "the model uses a part of what the crate does"
)]
#[path = "../../src/ledger/outbox/round.rs"]
mod round;

use round::{CourierOptions, Delivery, Read, Round, Shared, Source};
use shuttle::{
    rand::{Rng, thread_rng},
    sync::{Arc, Mutex},
    thread,
};

const ROWS: u64 = 5;

/// What stands in the ledger.
#[derive(Default)]
struct Table {
    last: u64,
    cursor: u64,
}

/// A ledger, and a remote, that fail so many times.
#[derive(Clone, Default)]
struct World {
    table: Arc<Mutex<Table>>,
    arrived: Arc<Mutex<Vec<u64>>>,
    moods: Arc<Mutex<u32>>,
}

impl World {
    /// Whether something goes wrong now.
    fn fails(&self) -> bool {
        let mut moods = self.moods.lock().unwrap();
        let fails = *moods > 0 && thread_rng().gen_bool(0.5);
        *moods -= u32::from(fails);
        fails
    }
}

impl Source for World {
    fn read(&mut self, batch: usize) -> Result<Read, String> {
        if self.fails() {
            return Err("the disk".to_owned());
        }
        let table = self.table.lock().unwrap();
        let delivery = |seq: u64| Delivery {
            seq,
            id: seq.to_string(),
            event: seq.into(),
        };
        // The third is an open call: its number is passed.
        let seqs = (table.cursor + 1..=table.last).take(batch);
        Ok(Read {
            end: seqs.clone().last().map(|seq| seq as i64),
            deliveries: seqs.filter(|seq| *seq != 3).map(delivery).collect(),
            waiting: table.last - table.cursor,
        })
    }

    fn note(&mut self, seq: i64) -> Result<(), String> {
        if self.fails() {
            return Err("the disk".to_owned());
        }
        let mut table = self.table.lock().unwrap();
        table.cursor = table.cursor.max(seq as u64);
        Ok(())
    }
}

/// Starts a courier.
fn courier(world: &World) -> (Arc<Shared>, thread::JoinHandle<()>) {
    let remote = world.clone();
    let deliver = move |deliveries: &[Delivery]| {
        let take = |count: usize| {
            let mut arrived = remote.arrived.lock().unwrap();
            arrived.extend(deliveries[..count].iter().map(|delivery| delivery.seq));
            count
        };
        match (remote.fails(), thread_rng().gen_range(0..4)) {
            (false, _) => Ok(take(deliveries.len())),
            (true, 0) => Err("refused".to_owned()),
            (true, 1) => {
                take(deliveries.len());
                Err("timed out".to_owned())
            }
            (true, 2) => Ok(take(deliveries.len() / 2)),
            (true, _) => std::panic::resume_unwind(Box::new("as planned")),
        }
    };
    let round = Round {
        source: world.clone(),
        remote: Box::new(deliver),
        options: CourierOptions::default().batch(2),
    };
    let shared = Arc::new(Shared::default());
    let working = Arc::clone(&shared);
    let thread = thread::spawn(move || round.work(&working));
    (shared, thread)
}

fn end((shared, thread): (Arc<Shared>, thread::JoinHandle<()>)) {
    shared.lock().stop = true;
    shared.changed.notify_all();
    thread.join().unwrap();
    assert!(shared.lock().gone);
}

/// One that is told to end while rows are written, another that goes on, perhaps before the first has ended.
fn two_couriers() {
    let world = World::default();
    *world.moods.lock().unwrap() = 4;
    let writing = world.clone();
    let writer = thread::spawn(move || {
        for _ in 0..ROWS {
            writing.table.lock().unwrap().last += 1;
        }
    });

    let first = courier(&world);
    let early = thread_rng().gen_bool(0.5);
    let (first, second) = match early {
        true => {
            end(first);
            (None, courier(&world))
        }
        false => {
            first.0.lock().stop = true;
            (Some(first), courier(&world))
        }
    };
    first.into_iter().for_each(end);
    writer.join().unwrap();
    while world.table.lock().unwrap().cursor < ROWS {
        thread::yield_now();
    }
    let told = Arc::clone(&second.0);
    end(second);

    let arrived = world.arrived.lock().unwrap().clone();
    let all: Vec<u64> = (1..=ROWS).filter(|seq| *seq != 3).collect();
    let mut first_times = Vec::new();
    for seq in arrived {
        if !first_times.contains(&seq) {
            first_times.push(seq);
        }
    }
    assert_eq!(first_times, all, "each, in order");
    let lag = told.lock().lag.clone();
    assert!(lag.errors <= 4 && lag.delivered <= ROWS * 2, "{lag:?}");
}

#[test]
fn what_was_committed_arrives_whoever_is_ended_or_fails() {
    shuttle::check_random(two_couriers, crate::rounds());
}
