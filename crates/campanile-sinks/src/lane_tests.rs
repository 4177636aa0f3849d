use crate::{
    Notices,
    lane::{Lane, Lines, Load, Priority, Writer},
};
use campanile_core::{Clock, LossEvent, LossReason};
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

const SOON: Duration = Duration::from_secs(10);

/// A writer that does what it is told, line by line.
struct Hostile<F> {
    taken: Arc<Mutex<Vec<String>>>,
    each: F,
}

impl<F: FnMut(&str) -> io::Result<()> + Send + 'static> Writer<Lines> for Hostile<F> {
    fn write(&mut self, lines: &mut Lines) -> io::Result<()> {
        while let Some(end) = memchr::memchr(b'\n', lines.rest()) {
            let text = String::from_utf8_lossy(&lines.rest()[..end]).into_owned();
            (self.each)(&text)?;
            self.taken.lock().unwrap().push(text);
            lines.advance(end + 1);
        }
        Ok(())
    }

    fn tell(&self, loss: &LossEvent, lines: &mut Lines) {
        lines.push(format!("lost {} {}\n", loss.lost, loss.reason).as_bytes());
    }
}

type Taken = Arc<Mutex<Vec<String>>>;

fn lane<F>(budget: usize, each: F) -> (Lane, Taken)
where
    F: Fn(&str) -> io::Result<()> + Clone + Send + 'static,
{
    let taken = Taken::default();
    let kept = taken.clone();
    let make = move || Hostile {
        taken: kept.clone(),
        each: each.clone(),
    };
    let lane = Lane::start("test", budget, Clock::system(), Notices::silent(), make).unwrap();
    (lane, taken)
}

fn push(lane: &Lane, lines: impl IntoIterator<Item = u32>) {
    for n in lines {
        lane.push(Priority::Error, format!("{n}\n").as_bytes());
    }
}

/// Lines of events, and what was told of losses.
fn split(taken: &Taken) -> (Vec<String>, u64) {
    let taken = taken.lock().unwrap().clone();
    let (told, lines): (Vec<String>, _) = taken
        .into_iter()
        .partition(|line| line.starts_with("lost "));
    let count = |line: &String| line.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
    (lines, told.iter().map(count).sum())
}

#[track_caller]
fn assert_adds_up(lane: &Lane, opened: u64) {
    let stats = lane.watch().stats();
    assert_eq!(stats.opened, opened, "{stats:?}");
    assert_eq!(
        stats.opened,
        stats.written + stats.lost() + stats.pending,
        "{stats:?}"
    );
}

/// A gate that a writer waits at, until it is opened by dropping the other end.
fn gate() -> (SyncSender<()>, Arc<Mutex<Receiver<()>>>) {
    let (open, wait) = sync_channel(0);
    (open, Arc::new(Mutex::new(wait)))
}

#[test]
fn a_flush_waits_for_every_line_in_order() {
    let (lane, taken) = lane(1 << 20, |_| Ok(()));

    push(&lane, 0..10_000);
    assert!(lane.flush(SOON));

    let (lines, told) = split(&taken);
    assert_eq!(
        lines,
        (0..10_000).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    assert_eq!(told, 0);
    assert_eq!(lane.watch().stats().queued_bytes, 0);
    assert_adds_up(&lane, 10_000);
}

#[test]
fn errors_lose_nothing_while_there_is_room() {
    let tries = Arc::new(AtomicU64::new(0));
    let (lane, taken) = lane(1 << 20, move |_| {
        match tries.fetch_add(1, Relaxed).is_multiple_of(3) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    });

    push(&lane, 0..10);
    while !lane.flush(SOON) {}

    let (lines, told) = split(&taken);
    assert_eq!(lines, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(told, 0);
    assert!(lane.watch().stats().errors >= 4);
    assert!(!lane.watch().stats().degraded);
}

#[test]
fn a_panic_costs_what_was_in_hand_and_the_writer_is_started_anew() {
    let (lane, taken) = lane(1 << 20, |line| match line {
        "3" => panic!("as planned"),
        _ => Ok(()),
    });

    for n in 0..9 {
        push(&lane, [n]);
        assert!(lane.flush(SOON));
    }
    assert!(lane.close(SOON));

    let (lines, told) = split(&taken);
    assert_eq!(lines, ["0", "1", "2", "4", "5", "6", "7", "8"]);
    assert_eq!(told, 1, "the loss is told in the stream");
    assert_eq!(lane.watch().stats().lost_to(LossReason::Panicked), 1);
    assert_adds_up(&lane, 9);
}

#[test]
fn each_third_batch_panics_and_the_sum_is_exact() {
    let batches = Arc::new(AtomicU64::new(0));
    let (lane, taken) = lane(1 << 20, move |_| {
        if batches.fetch_add(1, Relaxed) % 300 == 299 {
            panic!("as planned");
        }
        Ok(())
    });

    for n in 0..20 {
        push(&lane, n * 100..(n + 1) * 100);
        lane.flush(SOON);
    }
    assert!(lane.close(SOON));

    let stats = lane.watch().stats();
    let (lines, told) = split(&taken);
    assert!(stats.lost_to(LossReason::Panicked) > 0);
    assert_eq!((stats.written, stats.lost()), (lines.len() as u64, told));
    assert_eq!(stats.pending, 0);
    assert_adds_up(&lane, 2_000);
}

#[test]
fn a_writer_that_never_returns_stops_nobody() {
    let (open, wait) = gate();
    let (lane, taken) = lane(1_000, move |_| {
        let _ = wait.lock().unwrap().recv();
        Ok(())
    });

    push(&lane, [1]);
    assert!(!lane.flush(Duration::from_millis(50)));
    push(&lane, 100..1_000);
    assert!(lane.watch().stats().lost_to(LossReason::Full) > 0);
    assert!(!lane.close(Duration::from_millis(10)));

    let stats = lane.watch().stats();
    assert_eq!(
        stats.pending, 1,
        "what is in its hands is neither written nor lost: {stats:?}"
    );
    assert!(stats.lost_to(LossReason::Closed) > 0);
    assert_adds_up(&lane, 901);
    drop(open);
    assert!(lane.close(SOON));
    assert_eq!(lane.watch().stats().pending, 0);
    assert_eq!(lane.watch().stats().written, 1);
    assert_eq!(split(&taken).0, ["1"]);
}

#[test]
fn debug_text_is_shed_first_and_errors_last() {
    let (open, wait) = gate();
    let (lane, taken) = lane(1_000, move |_| {
        let _ = wait.lock().unwrap().recv();
        Ok(())
    });
    let order = [
        Priority::Text,
        Priority::Detail,
        Priority::Notable,
        Priority::Error,
    ];

    // Ten bytes a line, and the first is in the writer's hands or in the buffer: both count.
    let mut room = Vec::new();
    for priority in order {
        let lost = || lane.watch().stats().lost();
        let before = lost();
        let mut taken = 0;
        while lost() == before {
            lane.push(priority, b"123456789\n");
            taken += 1;
        }
        room.push(taken - 1);
    }

    assert_eq!(room, [50, 25, 12, 13]);
    drop(open);
    assert!(lane.close(SOON));
    let stats = lane.watch().stats();
    assert_eq!((stats.written, stats.lost_to(LossReason::Full)), (100, 4));
    assert_eq!(split(&taken).1, 4);
}

#[test]
fn losses_while_writing_fails_are_put_down_to_that() {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let tries = Arc::new(AtomicU64::new(0));
    let (state, tried) = (broken.clone(), tries.clone());
    let (lane, taken) = lane(100, move |_| match state.load(Relaxed) {
        true => {
            tried.fetch_add(1, Relaxed);
            Err(io::ErrorKind::StorageFull.into())
        }
        false => Ok(()),
    });

    push(&lane, [1]);
    // Whoever tries again has noted that it failed before.
    while tries.load(Relaxed) < 2 {
        assert!(!lane.flush(Duration::from_millis(1)));
    }
    push(&lane, 100..200);
    broken.store(false, Relaxed);
    while !lane.flush(SOON) {}
    assert!(lane.close(SOON));

    let stats = lane.watch().stats();
    let (lines, told) = split(&taken);
    assert_eq!(stats.lost_to(LossReason::Full), 0, "{stats:?}");
    assert_eq!(stats.lost_to(LossReason::IoError), told);
    assert_eq!(lines.len() as u64, stats.written);
    assert_adds_up(&lane, 101);
}

#[test]
fn what_cannot_be_written_until_the_end_is_counted() {
    let (lane, _) = lane(1 << 20, |_| Err(io::ErrorKind::BrokenPipe.into()));

    push(&lane, 0..10);
    assert!(lane.close(SOON), "it gives up by itself");
    push(&lane, [10]);

    let stats = lane.watch().stats();
    assert_eq!(stats.lost_to(LossReason::IoError), 10);
    assert_eq!(stats.lost_to(LossReason::Closed), 1);
    assert_adds_up(&lane, 11);
}

#[test]
fn many_threads_lose_count_of_nothing() {
    let (lane, taken) = lane(64 << 10, |_| Ok(()));

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| push(&lane, 0..50_000));
        }
    });
    assert!(lane.close(SOON));

    let stats = lane.watch().stats();
    let (lines, told) = split(&taken);
    assert_eq!((stats.written, stats.lost()), (lines.len() as u64, told));
    assert_adds_up(&lane, 200_000);
}
