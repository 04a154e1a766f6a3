//! Answers of HTTP/1: the first octet says how they are asked for and cut, the rest is what comes. No panic; the same
//! in pieces as in one; and what the slow reader understands is understood alike.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../actors/wire/tests/it/http1/slow.rs"]
mod slow;

fuzz_target!(|input: &[u8]| {
    let Some((&manner, octets)) = input.split_first() else { return };
    // A bad line may wait to be told of until there is more of its head, so there is an end to every head.
    let octets = &[octets, b"\r\n\r\n"].concat()[..];
    let (is_head, piece) = (manner & 1 == 1, usize::from(manner >> 1) + 1);
    let ends: Vec<usize> = (1..octets.len() / piece + 1).map(|nth| nth * piece).collect();
    let whole = slow::quick(octets, is_head, &[]);
    let pieces = slow::quick(octets, is_head, &ends);
    match (&whole, &pieces) {
        (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces),
        (Err(whole), Err(pieces)) => {
            assert_eq!(std::mem::discriminant(whole), std::mem::discriminant(pieces));
            assert!(whole.to_string().len() < 700);
        }
        _ => panic!("{whole:?} in one piece, {pieces:?} in many"),
    }
    if let Some(expected) = slow::slow(octets, is_head) {
        assert_eq!(whole, Ok(Some(expected)));
    }
});
