#![no_main]

mod wire;

use campanile_protocols::family::family;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| wire::feed(|| family("cartesia", "tts.ws").expect("a known endpoint"), data));
