//! Requests of HTTP/1: the first octet says how they are cut, the rest is what comes. No panic; the same in pieces as
//! in one, and the same status where they are refused; and the slow reader understands what is understood here, and no
//! more.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../actors/wire/tests/it/http1/quick_requests.rs"]
mod quick_requests;
#[path = "../../actors/wire/tests/it/http1/slow_requests.rs"]
mod slow_requests;

use quick_requests::quick;
use slow_requests::slow;

fuzz_target!(|input: &[u8]| {
    let Some((&manner, octets)) = input.split_first() else { return };
    // A bad line may wait to be told of until there is more of its head, so there is an end to every head.
    let octets = &[octets, b"\r\n\r\n"].concat()[..];
    let piece = usize::from(manner) + 1;
    let ends: Vec<usize> = (1..octets.len() / piece + 1).map(|nth| nth * piece).collect();
    let whole = quick(octets, &[]);
    assert_eq!(quick(octets, &ends), whole);
    assert_eq!(whole.0, slow(octets));
});
