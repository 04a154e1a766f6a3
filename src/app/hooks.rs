//! Hooks: functions of an app or a package that run before and after every handler in it.
//!
//! ```
//! use skitai::prelude::*;
//!
//! #[route("/login")]
//! async fn login() -> &'static str {
//!     "Please sign in"
//! }
//!
//! #[route("/orders")]
//! async fn orders() -> &'static str {
//!     "Your orders"
//! }
//!
//! // The guard is a hook of the package. As a hook of the app it would run for /login, too, and redirect for ever.
//! let account = Package::at("/account").routes(routes![orders]).before_request(|was: Was| async move {
//!     was.session.get::<String>("username").is_none().then(|| Response::redirect("/login"))
//! });
//! let app = App::new("webapp")
//!     .use_session(true)
//!     .routes(routes![login])
//!     .package(account)
//!     .after_request(|was: Was| async move { was.response.set("x-served-by", "webapp") })
//!     .teardown_request(|_: Was, failure: Failure| async move {
//!         Some(Page::new("sorry.html").with("id", failure.id))
//!     });
//! ```
//!
//! The app is the outermost level; each package around the route is a level inside it. Hooks run for pages and for RPC
//! alike, once for each call:
//!
//! 1. `before_request`, from the outermost level to the innermost. If a hook returns a reply, the request ends with it:
//!    neither further hooks nor the handler run. An error has the same effect as an error of the handler.
//! 2. The handler runs with its arguments.
//! 3. Then, from the innermost level to the outermost, one hook of each level that was entered: `after_request` as long
//!    as there is no failure, else `teardown_request`. A failure is an error or panic of a handler or hook, an argument
//!    that does not fit, or a missed deadline. The first reply that a teardown returns replaces the error page and
//!    keeps the error's status; over RPC an error stays a fault. The error is logged in any case.
//!
//! If the client disconnects, the request is dropped with everything it waits for, and no further hook runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::error::failure::Failure;
use super::error::{Error, IntoError, Result};
use super::reply::{Answer, Reply};
use super::was::Was;

/// A running hook.
type Under<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

type Before = dyn Fn(Was) -> Under<Option<Answer>> + Send + Sync;
type After = dyn Fn(Was) -> Under<()> + Send + Sync;
type Teardown = dyn Fn(Was, Failure) -> Under<Option<Answer>> + Send + Sync;

/// The hooks of an app or a package.
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

/// A type that `before_request` and `teardown_request` may return: nothing, a reply or none, or a `Result` of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what a hook gives",
    note = "give (), an Option of a reply (a page, a Response, anything a handler may return), or a Result of these"
)]
pub trait Verdict {
    /// Converts to a reply, none, or an error.
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

/// A type that `after_request` may return: nothing, or a `Result` of nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be what after_request gives",
    note = "the handler's reply stands: give () or a Result<(), E>"
)]
pub trait Done {
    /// Converts to a result: an error fails the request.
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

/// A teardown's reply, which replaces the page of its error.
#[derive(Debug)]
pub struct ErrorOverride {
    pub(crate) error: Error,
    pub(crate) answer: Answer,
}

/// The three ways to add a hook, which apps and packages have in common.
macro_rules! hooks {
    () => {
        /// Runs the hook before every handler of this app or package: after the route is found and before the arguments
        /// are bound. A reply ends the request: `.before_request(|was| async move { …
        /// Some(Response::redirect("/login")) })`; `None` or `()` continues it. Of several hooks the first added runs
        /// first. [The order of all hooks](crate::app::hooks).
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

        /// Runs the hook after every handler of this app or package that succeeded. It cannot replace the handler's
        /// reply, but it can change status, headers, cookies and the session. Its error fails the request. Of several
        /// hooks the last added runs first.
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

        /// Runs the hook in place of `after_request` if something has failed, with the part of the error that a client
        /// may see. A reply replaces the error page and keeps the error's status, unless `was.response.reply` sets
        /// another. An error of the hook is logged. Of several hooks the last added runs first.
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
