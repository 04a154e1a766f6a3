//! Futures that are made in their boxes.

use std::pin::Pin;

/// A future in a box. `Box::pin(make())` makes it first, then looks for room, and copies all of it there, a kilobyte where it
/// has but a pointer to remember. Here the room comes first, and the compiler makes it in place.
pub(crate) fn placed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    let room = Box::new_uninit();
    Box::into_pin(Box::write(room, make()))
}
