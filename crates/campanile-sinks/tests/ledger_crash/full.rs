//! Disks that are full, fail or go away.

use crate::{
    disk::{Disk, fail},
    trouble::live_through,
};
use campanile_core::Clock;
use campanile_sinks::ledger::{Ledger, LedgerErrorKind, LedgerOptions, Query, Reader};
use std::time::Duration;

/// Long enough for the writer to try, and to fail, some times.
const WHILE: Duration = Duration::from_millis(500);

fn survives_being_full(disk: &Disk) {
    let path = disk.path().join("campanile.db");
    let begin = || drop(disk.fill());
    let end = || std::fs::remove_file(disk.path().join("filler")).unwrap();

    let seen = live_through(&path, WHILE, begin, end);

    assert_eq!(seen.degraded, Some(LedgerErrorKind::Full));
    assert_eq!(seen.told.len(), 1);
    assert!(
        seen.told[0].message.contains("the disk is full"),
        "{:?}",
        seen.told
    );
}

#[test]
fn a_full_disk_in_memory_is_told_and_survived() {
    if let Some(disk) = Disk::tmpfs("8m") {
        survives_being_full(&disk);
    }
}

#[test]
fn a_full_ext4_is_told_and_survived() {
    if let Some(disk) = Disk::ext4(24 << 20) {
        survives_being_full(&disk);
    }
}

#[test]
fn a_file_system_that_fails_is_told_and_survived_when_it_is_mounted_anew() {
    let Some(disk) = Disk::ext4(24 << 20) else {
        return;
    };
    let path = disk.path().join("campanile.db");
    let failed = std::cell::Cell::new(false);

    let begin = || failed.set(fail(&disk));
    let seen = live_through(&path, WHILE, begin, || disk.mount_again());

    if !failed.get() {
        println!("skipped: this ext4 cannot be made to fail");
        return;
    }
    let known = [Some(LedgerErrorKind::ReadOnly), Some(LedgerErrorKind::Io)];
    assert!(known.contains(&seen.degraded), "{:?}", seen.degraded);
    assert_eq!(seen.told.len(), 1);
}

#[test]
fn a_folder_that_is_moved_away_is_told_and_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (dir.path().join("ledger"), dir.path().join("elsewhere"));
    let path = here.join("campanile.db");

    let begin = || std::fs::rename(&here, &there).unwrap();
    let end = || std::fs::rename(&there, &here).unwrap();
    let seen = live_through(&path, WHILE, begin, end);

    assert_eq!(seen.degraded, Some(LedgerErrorKind::Missing));
    assert_eq!(seen.told.len(), 1);
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_with_its_path() {
    let Some(disk) = Disk::tmpfs("4m") else {
        return;
    };
    let path = disk.path().join("deep/campanile.db");
    disk.remount("ro");

    let refused = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap_err();

    assert_eq!(refused.kind(), LedgerErrorKind::Folder);
    assert!(refused.to_string().contains("deep"), "{refused}");

    disk.remount("rw");
    drop(Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap());
    std::thread::sleep(Duration::from_millis(200));
    disk.remount("ro");
    let refused = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap_err();
    assert_eq!(refused.kind(), LedgerErrorKind::ReadOnly, "{refused}");
    // What is there can be read all the same.
    assert_eq!(
        Reader::open(&path)
            .unwrap()
            .report(&Query::default())
            .unwrap()
            .total
            .calls,
        0
    );
}
