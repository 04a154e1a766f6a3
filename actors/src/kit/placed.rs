//! What is made in its box.
//!
//! A future has room for the largest of whatever it may ever wait for, and is moved with it: when it is handed on,
//! collected or spawned. So in this crate a future is boxed where it is made once it is (a) one of several ways and not
//! the usual one, such as a dial, or (b) handed to others that keep or collect it, such as the part of a call. The lint
//! `large_futures` tells of those that were forgotten; a box of this kind has no comment of its own.

use std::pin::Pin;

/// A future in a box. `Box::pin(make())` makes it first, then looks for room, and copies all of it there. Here the room
/// comes first, and an optimised build usually makes it in place, which no rule of the language promises; decision 0016
/// has what that brought.
pub(crate) fn placed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(boxed(make))
}

/// The same for anything large.
pub(crate) fn boxed<T>(make: impl FnOnce() -> T) -> Box<T> {
    let room = Box::new_uninit();
    Box::write(room, make())
}
