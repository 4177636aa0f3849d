//! Power cuts: the image of the disk as it is at one moment, whatever the file system above still holds in memory.

use crate::{
    child::{child_of, quantity},
    disk::Disk,
};
use campanile_sinks::ledger::Reader;
use std::{
    collections::{HashMap, HashSet},
    io::{BufRead, BufReader},
    ops::ControlFlow,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

fn signal(process: u32, name: &str) {
    let mut kill = Command::new("kill");
    let status = kill.args([name, &process.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[test]
fn nothing_acknowledged_is_lost_by_a_power_cut() {
    let Some(disk) = Disk::ext4(96 << 20) else {
        return;
    };
    let path = disk.path().join("ledger/campanile.db");
    let mut writer = child_of("append", &path, 0);
    let acknowledged = Arc::new(Mutex::new(HashSet::new()));
    let out = writer.stdout.take().unwrap();
    let reader = std::thread::spawn({
        let acknowledged = Arc::clone(&acknowledged);
        move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let number: Option<u64> = line
                    .split("ack ")
                    .nth(1)
                    .and_then(|text| text.trim().parse().ok());
                acknowledged.lock().unwrap().extend(number);
            }
        }
    });

    let rounds = crate::number("CAMPANILE_POWER_ROUNDS", 3);
    let (mut most, mut unacknowledged) = (0, 0);
    for round in 0..rounds {
        std::thread::sleep(Duration::from_millis(300 + round * 37 % 400));
        // It stands still while the image is copied, so that the copy is of one moment, and while that is looked at.
        signal(writer.id(), "-STOP");
        let known: HashSet<u64> = acknowledged.lock().unwrap().clone();
        let copy = tempfile::tempdir().unwrap();
        let image = copy.path().join("image");
        std::fs::copy(disk.image(), &image).unwrap();

        let after = Disk::mount_image(&image).unwrap();
        let found = dump(&after);
        let missing = known
            .iter()
            .filter(|number| !found.contains_key(number))
            .count();
        assert_eq!(missing, 0, "round {round}: of {} acknowledged", known.len());
        most = known.len();
        unacknowledged += found.len() - known.len();
        signal(writer.id(), "-CONT");
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    reader.join().unwrap();
    println!(
        "{rounds} power cuts, {most} acknowledged at the last one, none lost; {unacknowledged} more were there"
    );
    assert!(
        most > 1_000,
        "only {most} were acknowledged: proves nothing"
    );
}

/// Numbers and quantities of the ledger on a disk; each once and unaltered.
fn dump(disk: &Disk) -> HashMap<u64, u64> {
    let mut found = HashMap::new();
    let path = disk.path().join("ledger/campanile.db");
    let Ok(reader) = Reader::open(path) else {
        return found;
    };
    let damaged = reader.dump(|line| {
        let number: u64 = line["id"].as_str().unwrap()[1..].parse().unwrap();
        assert_eq!(
            line["qty"].as_u64(),
            Some(quantity(number)),
            "altered: {line}"
        );
        assert_eq!(
            found.insert(number, quantity(number)),
            None,
            "doubled: {line}"
        );
        ControlFlow::Continue(())
    });
    // A torn tail of the log is usual, and is told.
    assert!(damaged.is_ok());
    found
}
