//! Query, body and path as arguments of a route that has every kind: no panic, and a refusal says why.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| skitai::fuzzing::binder(input));
