//! Where an error comes from, in the author's sources.
//!
//! `#[track_caller]` leads from most errors to the line of the handler that caused them. It does not reach through
//! closures and the polls of a future, so an asynchronous function keeps the place of its call ([`placed`]). Where the
//! place is still one of ours, of the standard library or of a dependency, the handler is named in its stead.

use std::future::Future;
use std::panic::Location;

use super::{Error, Result};
use crate::observe::panics::Panicked;

/// This file, as the compiler names it.
const THIS: &str = file!();

/// True for a file that is none of the author's.
pub(crate) fn is_foreign(file: &str) -> bool {
    // Cargo's folders of dependencies, and the two names that a compiler gives to its own sources.
    let is_of_others =
        ["/rustc/", "/rustlib/src/", "/registry/src/", "/git/checkouts/"].iter().any(|part| file.contains(part));
    is_of_others || is_ours(file)
}

/// True for a file of this crate or of the crates that it consists of.
pub(crate) fn is_ours(file: &str) -> bool {
    THIS.strip_suffix("src/app/error/place.rs")
        .and_then(|root| file.strip_prefix(root))
        .is_some_and(|file| file.starts_with("src/") || file.starts_with("actors/"))
}

/// Runs an asynchronous function of ours. An error of it has the place of the call.
#[track_caller]
pub(crate) fn placed<T>(work: impl Future<Output = Result<T>>) -> impl Future<Output = Result<T>> {
    let place = Location::caller();
    async move { work.await.map_err(|error| error.moved(place)) }
}

impl Error {
    /// The same error, at the place of the author's call if it came from elsewhere.
    fn moved(mut self, place: &'static Location<'static>) -> Error {
        if is_foreign(self.place.file()) {
            self.place = place;
        }
        self
    }

    /// File, line and column of the author's code: where the error was made or the panic began; else file and line of
    /// the handler. `None` without a handler.
    pub(crate) fn at(&self) -> Option<String> {
        let panicked = self.cause().and_then(|cause| cause.downcast_ref::<Panicked>());
        let place = panicked.map_or_else(|| self.place.to_string(), |panicked| panicked.place.clone());
        if !is_foreign(&place) {
            return Some(place);
        }
        self.handler.map(|route| format!("{}:{}", route.file, route.line))
    }
}
