//! Recovery under a model of the disk: every write, sync and answer of a real run in order, cut anywhere, and of what was
//! not synced any part there or not.
//!
//! ```text
//!  strace: write db-wal ▸ write db-wal ▸ sync ▸ "ack 7" ▸ write db ▸ ✂   ─▶ a disk that may be there after the cut ─▶ open, look
//! ```
//!
//! What was synced is there. Of the writes since, each is there, or not, or some of its sectors are; a file that was not
//! synced may be missing, one that was removed may be back.

use crate::child::{SOON, event, playing, quantity};
use campanile_core::{Clock, Ids, Timestamp};
use campanile_sinks::ledger::{Appended, Durability, Entry, Ledger, LedgerOptions, Reader};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::Write,
    ops::ControlFlow,
    path::Path,
    process::{Command, Stdio},
};

const SECTOR: usize = 512;
const LIVES: u64 = 3;
const GROUPS: u64 = 12;

/// The child: opens a ledger some times, and says what was acknowledged.
pub(crate) fn live_some_times(path: &Path, durability: Durability) {
    let (mut next, ids) = (0, Ids::random());
    for life in 0..LIVES {
        let options = LedgerOptions::new(path).durability(durability);
        let ledger = Ledger::open(options, Clock::system()).unwrap();
        for group in 0..GROUPS {
            let numbers = next..next + 1 + group * 7 % 23;
            next = numbers.end;
            let entry = |number| {
                let call = event(ids.next(Timestamp::now()), number);
                Entry::new(format!("e{number}"), call)
            };
            let entries: Vec<Entry> = numbers.clone().map(entry).collect();
            ledger.append(&entries).wait(SOON).unwrap().unwrap();
            let lines: String = numbers.map(|number| format!("ack {number}\n")).collect();
            std::io::stdout().write_all(lines.as_bytes()).unwrap();
            std::io::stdout().flush().unwrap();
        }
        match life % 2 {
            0 => assert!(ledger.close(SOON)),
            _ => drop(ledger),
        }
    }
}

/// What a run did to the files of its ledger, and said.
#[derive(Debug, PartialEq)]
enum Step {
    Make(String),
    Write(String, usize, Vec<u8>),
    SetLen(String, usize),
    Sync(String),
    Remove(String),
    Say(Vec<u64>),
}

/// Steps of a run, from what strace wrote of it.
struct Trace {
    db: String,
    /// Names of open files.
    files: HashMap<u64, String>,
    steps: Vec<Step>,
}

/// A string of strace: `"\x2f\x74"`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix('"')?;
    let text = &text[..text.find('"')?];
    let hex = text.split("\\x").skip(1);
    Some(
        hex.map(|hex| u8::from_str_radix(hex, 16).unwrap())
            .collect(),
    )
}

impl Trace {
    fn read(trace: &str, db: &Path) -> Vec<Step> {
        let db = db.to_str().unwrap().to_owned();
        let mut read = Self {
            db,
            files: HashMap::new(),
            steps: Vec::new(),
        };
        // Calls that were interrupted by one of another thread.
        let mut begun: HashMap<&str, String> = HashMap::new();
        for line in trace.lines() {
            let Some((thread, call)) = line.split_once(' ') else {
                continue;
            };
            let call = call.trim_start();
            if let Some(first) = call.strip_suffix(" <unfinished ...>") {
                // What is written may be there from now on; a sync is one when it is over.
                begun.insert(thread, first.to_owned());
                read.written(first);
            } else if let Some(rest) = call.strip_prefix("<... ") {
                let rest = rest.split_once("resumed>").map_or("", |(_, rest)| rest);
                if let Some(first) = begun.remove(thread) {
                    read.done(&format!("{first}{rest}"));
                }
            } else {
                read.written(call);
                read.done(call);
            }
        }
        read.steps
    }

    fn is_ours(&self, name: &str) -> bool {
        name.starts_with(&self.db)
    }

    fn file(&self, arguments: &str) -> Option<String> {
        let number = arguments.split([',', ')']).next()?.trim().parse().ok()?;
        self.files.get(&number).cloned()
    }

    /// What a call does as soon as it begins.
    fn written(&mut self, call: &str) {
        let Some((name, arguments)) = call.split_once('(') else {
            return;
        };
        if name == "write" && arguments.starts_with("1,") {
            let text = bytes(&arguments[3..]).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let numbers = text
                .lines()
                .filter_map(|line| line.strip_prefix("ack ")?.parse().ok());
            self.steps.push(Step::Say(numbers.collect()));
        }
        if name != "pwrite64" {
            return;
        }
        let Some(file) = self.file(arguments).filter(|file| self.is_ours(file)) else {
            return;
        };
        let data = bytes(&arguments[arguments.find('"').unwrap()..]).unwrap();
        // The last argument; a call that was interrupted has no end yet.
        let at = arguments.rsplit(", ").next().unwrap();
        let at = at.split([')', ' ']).next().unwrap();
        self.steps
            .push(Step::Write(file, at.parse().unwrap(), data));
    }

    /// What a call has done when it is over.
    fn done(&mut self, call: &str) {
        let Some((name, arguments)) = call.split_once('(') else {
            return;
        };
        let Some((_, result)) = call.rsplit_once(" = ") else {
            return;
        };
        let Ok(result) = result.split(' ').next().unwrap_or_default().parse::<u64>() else {
            return;
        };
        let named = |arguments: &str| -> Option<String> {
            String::from_utf8(bytes(&arguments[arguments.find('"')?..])?).ok()
        };
        match name {
            "openat" => {
                let Some(file) = named(arguments) else { return };
                self.files.insert(result, file.clone());
                if self.is_ours(&file) && arguments.contains("O_CREAT") {
                    self.steps.push(Step::Make(file));
                }
            }
            "unlink" | "unlinkat" => {
                let file = named(arguments).filter(|file| self.is_ours(file));
                self.steps.extend(file.map(Step::Remove));
            }
            "fsync" | "fdatasync" => self.steps.extend(self.file(arguments).map(Step::Sync)),
            "ftruncate" => {
                let file = self.file(arguments).filter(|file| self.is_ours(file));
                let len = arguments.split([',', ')']).nth(1).unwrap().trim();
                let len = len.parse().unwrap();
                self.steps.extend(file.map(|file| Step::SetLen(file, len)));
            }
            _ => {}
        }
    }
}

/// One file: what was synced, and what came since.
#[derive(Clone, Default)]
struct Inode {
    synced: Vec<u8>,
    since: Vec<(usize, Option<Vec<u8>>)>,
    /// Its name is there for certain.
    linked: bool,
}

fn write(file: &mut Vec<u8>, at: usize, data: &[u8]) {
    file.resize(file.len().max(at + data.len()), 0);
    file[at..at + data.len()].copy_from_slice(data);
}

/// The disk: names and files.
#[derive(Default)]
struct Disk {
    files: BTreeMap<String, Inode>,
    /// Files that were removed, and may be back.
    removed: BTreeMap<String, Inode>,
}

impl Disk {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Make(name) => {
                if !self.files.contains_key(name) {
                    self.removed.remove(name);
                    self.files.insert(name.clone(), Inode::default());
                }
            }
            Step::Write(name, at, data) => {
                let file = self.files.get_mut(name).unwrap();
                file.since.push((*at, Some(data.clone())));
            }
            Step::SetLen(name, len) => {
                let file = self.files.get_mut(name).unwrap();
                file.since.push((*len, None));
            }
            Step::Sync(name) => match self.files.get_mut(name) {
                Some(file) => {
                    file.synced = file.all();
                    file.since.clear();
                    file.linked = true;
                }
                // Of the folder: names are there, or gone, for certain.
                None => {
                    self.removed.clear();
                    self.files.values_mut().for_each(|file| file.linked = true);
                }
            },
            Step::Remove(name) => {
                if let Some(file) = self.files.remove(name).filter(|file| file.linked) {
                    self.removed.insert(name.clone(), file);
                }
            }
            Step::Say(_) => {}
        }
    }

    /// Writes what may be there after a cut.
    fn cut(&self, how: How, dice: &mut Dice, db: &str, folder: &Path) {
        let place = |name: &str| folder.join(format!("campanile.db{}", &name[db.len()..]));
        for (name, file) in &self.files {
            if how == How::Killed || file.linked || dice.throw(2) == 0 {
                std::fs::write(place(name), file.cut(how, dice)).unwrap();
            }
        }
        for (name, file) in &self.removed {
            if how != How::Killed && dice.throw(2) == 0 {
                std::fs::write(place(name), file.cut(how, dice)).unwrap();
            }
        }
    }
}

impl Inode {
    fn all(&self) -> Vec<u8> {
        let mut all = self.synced.clone();
        for (at, data) in &self.since {
            match data {
                Some(data) => write(&mut all, *at, data),
                None => all.resize(*at, 0),
            }
        }
        all
    }

    fn cut(&self, how: How, dice: &mut Dice) -> Vec<u8> {
        let mut left = self.synced.clone();
        for (at, data) in &self.since {
            match (how, data) {
                (How::Nothing, _) => {}
                (How::Killed, Some(data)) => write(&mut left, *at, data),
                (How::Some, Some(data)) => match dice.throw(3) {
                    0 => {}
                    1 => write(&mut left, *at, data),
                    _ => torn(&mut left, *at, data, dice),
                },
                (_, None) => left.resize(*at, 0),
            }
        }
        left
    }
}

/// Writes some sectors of a write.
fn torn(file: &mut Vec<u8>, at: usize, data: &[u8], dice: &mut Dice) {
    let mut from = 0;
    while from < data.len() {
        let sector = SECTOR - (at + from) % SECTOR;
        let until = data.len().min(from + sector);
        if dice.throw(2) == 0 {
            write(file, at + from, &data[from..until]);
        }
        from = until;
    }
}

/// What is left of writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    /// All: the process was killed, the machine goes on.
    Killed,
    Nothing,
    Some,
}

struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

/// The steps of a child that lived some times. `None`: nothing can be traced here.
fn traced(role: &str) -> Option<(String, Vec<Step>)> {
    let dir = tempfile::tempdir().unwrap();
    let (trace, path) = (
        dir.path().join("trace"),
        dir.path().join("ledger/campanile.db"),
    );
    let mut strace = Command::new("strace");
    let calls = "trace=openat,pwrite64,write,fsync,fdatasync,ftruncate,unlink,unlinkat";
    strace
        .args(["-f", "-xx", "-s", "2000000", "-e", calls, "-o"])
        .arg(&trace);
    strace.arg(std::env::current_exe().unwrap());
    let lived = playing(&mut strace, role, &path, 0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !lived.is_ok_and(|status| status.success()) {
        println!("skipped: strace is not there, or may not trace");
        return None;
    }
    let steps = Trace::read(&std::fs::read_to_string(&trace).unwrap(), &path);
    Some((path.to_str().unwrap().to_owned(), steps))
}

/// Cuts a run at so many places; gives how many acknowledged events were not there any more.
fn cut(db: &str, steps: &[Step], rounds: u64) -> usize {
    let mut missing = 0;
    let mut most = 0;
    for round in 0..rounds {
        let mut dice = Dice(round.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let end = dice.throw(steps.len() as u64 + 1) as usize;
        let how = [How::Some, How::Some, How::Killed, How::Nothing][dice.throw(4) as usize];
        let mut disk = Disk::default();
        let mut said = HashSet::new();
        for step in &steps[..end] {
            disk.step(step);
            if let Step::Say(numbers) = step {
                said.extend(numbers);
            }
        }
        let dir = tempfile::tempdir().unwrap();
        disk.cut(how, &mut dice, db, dir.path());
        let found = recovered(&dir.path().join("campanile.db"), round);
        missing += said.difference(&found).count();
        most = most.max(said.len());
    }
    println!(
        "{rounds} cuts of {} steps, {most} acknowledged at most, {missing} missing",
        steps.len()
    );
    assert!(most > 100, "only {most} were acknowledged: proves nothing");
    missing
}

/// Opens what is left, goes on with it, and says what is in it.
fn recovered(path: &Path, round: u64) -> HashSet<u64> {
    let ledger = Ledger::open(LedgerOptions::new(path), Clock::system()).unwrap();
    let ids = Ids::random();
    let new = Entry::new("e1000000", event(ids.next(Timestamp::now()), 1_000_000));
    let answer = ledger.append(&[new]).wait(SOON).unwrap().unwrap();
    assert_eq!(answer, [Appended::Created]);
    assert!(ledger.close(SOON));
    let reader = Reader::open(path).unwrap();
    assert_eq!(reader.verify().unwrap(), [], "round {round}");
    let mut found = HashSet::new();
    let damaged = reader.dump(|line| {
        let number: u64 = line["id"].as_str().unwrap()[1..].parse().unwrap();
        assert_eq!(
            line["qty"].as_u64(),
            Some(quantity(number)),
            "altered: {line}"
        );
        assert!(found.insert(number), "doubled: {line}");
        ControlFlow::Continue(())
    });
    assert_eq!(damaged.unwrap(), 0);
    assert!(found.remove(&1_000_000), "round {round}");
    let all = LIVES * (0..GROUPS).map(|group| 1 + group * 7 % 23).sum::<u64>();
    assert!(found.iter().all(|number| *number < all), "invented");
    found
}

#[test]
fn nothing_acknowledged_is_missing_wherever_a_run_is_cut() {
    let Some((db, steps)) = traced("live") else {
        return;
    };

    assert_eq!(
        cut(&db, &steps, crate::number("CAMPANILE_CUT_ROUNDS", 40)),
        0
    );
}

/// The model can see a loss: without a sync before each answer there is one.
#[test]
fn the_cuts_find_what_is_answered_before_it_is_synced() {
    let Some((db, steps)) = traced("live_fast") else {
        return;
    };

    assert!(cut(&db, &steps, 20) > 0);
}
