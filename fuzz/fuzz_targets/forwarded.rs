//! Any words of proxies: no panic, and those of a stranger change nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| skitai::fuzzing::forwarded(input));
