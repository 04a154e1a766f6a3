//! Builds large values in their box.
//!
//! A future has the size of the largest state that it may ever reach, and moving it copies all of that: when it is
//! passed on, collected or spawned. So this crate boxes a future where it is created if it is (a) a rare branch, such
//! as a dial, or (b) stored or collected by others, such as a part of a call. The lint `large_futures` reports
//! omissions; boxes of these kinds have no comment of their own.

use std::pin::Pin;

/// A boxed future. `Box::pin(make())` builds the future on the stack, then allocates, then copies. This function
/// allocates first; an optimised build then usually constructs the future in the box, which the language does not
/// guarantee. Measurements: decision 0016.
pub(crate) fn placed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(boxed(make))
}

/// As [`placed`], for any value.
pub(crate) fn boxed<T>(make: impl FnOnce() -> T) -> Box<T> {
    let room = Box::new_uninit();
    Box::write(room, make())
}
