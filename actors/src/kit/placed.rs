//! What is made in its box.

use std::pin::Pin;

/// A future in a box. `Box::pin(make())` makes it first, then looks for room, and copies all of it there, a kilobyte
/// where it has but a pointer to remember. Here the room comes first, and the compiler makes it in place.
pub(crate) fn placed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(boxed(make))
}

/// The same for anything large.
pub(crate) fn boxed<T>(make: impl FnOnce() -> T) -> Box<T> {
    let room = Box::new_uninit();
    Box::write(room, make())
}
