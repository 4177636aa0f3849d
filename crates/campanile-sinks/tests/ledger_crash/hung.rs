//! A disk that hangs: whoever hands an event over does not notice.

use crate::{disk::Disk, trouble::live_through};
use std::time::Duration;

#[test]
fn a_disk_that_hangs_delays_acknowledgements_and_nobody_else() {
    let Some(disk) = Disk::ext4(24 << 20) else {
        return;
    };
    let length = Duration::from_secs(crate::number("CAMPANILE_HUNG_SECONDS", 1));
    let path = disk.path().join("campanile.db");

    let begin = || assert!(disk.freeze(), "it has just been mounted");
    let seen = live_through(&path, length, begin, || disk.thaw());

    println!(
        "hung for {length:?}: handing over took {:?} (p50), {:?} (p99), {:?} at most",
        seen.at(500),
        seen.at(990),
        seen.at(1_000)
    );
    // Not the measure, only that nobody waited for the disk.
    assert!(seen.at(1_000) < length / 2, "{:?}", seen.at(1_000));
}
