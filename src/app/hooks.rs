//! What runs around every handler of an app and of its packages: before, after, teardown.
//!
//! ```
//! use skitai::prelude::*;
//!
//! let app = App::new("webapp")
//!     .before_request(|was: Was| async move {
//!         was.session.get::<String>("username").is_none().then(|| Response::redirect("/login"))
//!     })
//!     .after_request(|was: Was| async move { was.response.set("x-served-by", "webapp") })
//!     .teardown_request(|_: Was, failure: Failure| async move { Some(Page::new("sorry.html").with("id", failure.id)) });
//! ```
//!
//! The app is the outermost level, then each package that the route's own is nested in. Hooks run for pages and for RPC
//! alike, once for each call:
//!
//! 1. `before_request`, from the outermost level to the innermost. A reply of one ends the request: nothing further
//!    runs. An error of one goes on as if the handler had failed.
//! 2. the handler, with its arguments.
//! 3. from the innermost level to the outermost, of each that was entered exactly one of `after_request`, while all is
//!    well, and `teardown_request`, once something has failed: a handler's or a hook's error or panic, an argument that
//!    does not fit, a missed deadline. A reply of the nearest teardown that gives one stands in place of the error's
//!    page, with the error's status; over RPC an error stays a fault. The error is told in the log in any case.
//!
//! Where the client leaves, the request is dropped with what it waits for, and no further hook runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::error::failure::Failure;
use super::error::{Error, IntoError, Result};
use super::reply::{Answer, Reply};
use super::was::Was;

/// A hook under way.
type Under<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

type Before = dyn Fn(Was) -> Under<Option<Answer>> + Send + Sync;
type After = dyn Fn(Was) -> Under<()> + Send + Sync;
type Teardown = dyn Fn(Was, Failure) -> Under<Option<Answer>> + Send + Sync;

/// What an app or a package runs around its handlers.
#[derive(Clone, Default)]
pub(crate) struct Level {
    pub(crate) before: Vec<Arc<Before>>,
    pub(crate) after: Vec<Arc<After>>,
    pub(crate) teardown: Vec<Arc<Teardown>>,
}

impl std::fmt::Debug for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (before, after, teardown) = (self.before.len(), self.after.len(), self.teardown.len());
        f.debug_struct("Level").field("before", &before).field("after", &after).field("teardown", &teardown).finish()
    }
}

impl Level {
    pub(crate) fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty() && self.teardown.is_empty()
    }
}

/// What `before_request` and `teardown_request` may give: nothing, a reply or none, or a `Result` of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a hook gives",
    note = "give (), an Option of a reply (a page, a Response, anything a handler may return), or a Result of these"
)]
pub trait Verdict {
    /// A reply, none, or an error.
    fn into_verdict(self, was: &Was) -> Result<Option<Answer>>;
}

impl Verdict for () {
    fn into_verdict(self, _: &Was) -> Result<Option<Answer>> {
        Ok(None)
    }
}

impl<R: Reply> Verdict for Option<R> {
    fn into_verdict(self, was: &Was) -> Result<Option<Answer>> {
        match self.map(|reply| reply.into_answer(was)) {
            Some(Answer::Failed(error)) => Err(error),
            answer => Ok(answer),
        }
    }
}

impl<V: Verdict, E: IntoError> Verdict for Result<V, E> {
    #[track_caller]
    fn into_verdict(self, was: &Was) -> Result<Option<Answer>> {
        self.map_err(IntoError::into_error)?.into_verdict(was)
    }
}

/// What `after_request` may give: nothing, or a `Result` of nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what after_request gives",
    note = "the handler's reply stands: give () or a Result<(), E>"
)]
pub trait Done {
    /// Whether all is well.
    fn into_done(self) -> Result<()>;
}

impl Done for () {
    fn into_done(self) -> Result<()> {
        Ok(())
    }
}

impl<E: IntoError> Done for Result<(), E> {
    #[track_caller]
    fn into_done(self) -> Result<()> {
        self.map_err(IntoError::into_error)
    }
}

/// An answer of a teardown, in place of its error's page.
#[derive(Debug)]
pub struct ErrorOverride {
    pub(crate) error: Error,
    pub(crate) answer: Answer,
}

/// The three ways to add a hook, which apps and packages have in common.
macro_rules! hooks {
    () => {
        /// Runs before every handler in here, once its route is known and before its arguments are looked at. A reply
        /// ends the request: `.before_request(|was| async move { … Some(Response::redirect("/login")) })`; `None` or
        /// `()` lets it go on. Of several the first added runs first. [The order of all hooks](crate::app::hooks).
        #[must_use]
        pub fn before_request<F, V>(mut self, hook: impl Fn(Was) -> F + Send + Sync + 'static) -> Self
        where
            F: Future<Output = V> + 'static,
            V: Verdict,
        {
            self.level.before.push(Arc::new(move |was| {
                let verdict = hook(was.clone());
                Box::pin(async move { verdict.await.into_verdict(&was) })
            }));
            self
        }

        /// Runs after every handler in here that did well. The handler's reply stands; status, headers, cookies and the
        /// session may still be changed. An error is the request's. Of several the last added runs first.
        #[must_use]
        pub fn after_request<F, D>(mut self, hook: impl Fn(Was) -> F + Send + Sync + 'static) -> Self
        where
            F: Future<Output = D> + 'static,
            D: Done,
        {
            self.level.after.push(Arc::new(move |was| {
                let done = hook(was);
                Box::pin(async move { done.await.into_done() })
            }));
            self
        }

        /// Runs in place of `after_request` where something has failed, with what a client would be told of it. A reply
        /// stands in place of the error's page, with the error's status unless `was.response.reply` sets another; its
        /// own error goes to the log. Of several the last added runs first.
        #[must_use]
        pub fn teardown_request<F, V>(mut self, hook: impl Fn(Was, Failure) -> F + Send + Sync + 'static) -> Self
        where
            F: Future<Output = V> + 'static,
            V: Verdict,
        {
            self.level.teardown.push(Arc::new(move |was, failure| {
                let verdict = hook(was.clone(), failure);
                Box::pin(async move { verdict.await.into_verdict(&was) })
            }));
            self
        }
    };
}
pub(super) use hooks;
