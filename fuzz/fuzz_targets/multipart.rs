//! Any body under any boundary in any pieces as an upload: no panic, within the limits, no file left behind.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| skitai::fuzzing::multipart(input));
