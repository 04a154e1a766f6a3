//! Any text as a conf: no panic, and the report of it renders, with every place within the text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| skitai::fuzzing::ini(input));
