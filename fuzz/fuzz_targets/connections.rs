//! Connections of clients as they are driven: the first octet says how what comes is cut, the rest is what comes. No
//! panic; a service hears the same requests with the same bodies in pieces as in one; and they are the slow reader's.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../actors/wire/tests/it/http1/slow_requests.rs"]
mod slow_requests;

fuzz_target!(|input: &[u8]| {
    let Some((&manner, octets)) = input.split_first() else { return };
    let octets = &[octets, b"\r\n\r\n"].concat()[..];
    // A few pieces: each is a turn of a runtime.
    let piece = octets.len() / (usize::from(manner & 7) + 2) + usize::from(manner >> 3) + 1;
    let ends: Vec<usize> = (1..octets.len() / piece + 1).map(|nth| nth * piece).collect();
    let expected = slow_requests::slow(octets).into_iter().map(|one| (one.method, one.body, one.is_kept));
    skitai::fuzzing::connection(octets, &ends, &expected.collect::<Vec<_>>());
});
