#![no_main]

mod wire;

use campanile_protocols::family::by_shape;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| wire::feed(|| by_shape("newcomer"), data));
