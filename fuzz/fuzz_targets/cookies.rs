//! Any `Cookie` lines, also as sealed sessions: no panic, nothing forged opens, and what was read can be set again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| skitai::fuzzing::cookies(input));
