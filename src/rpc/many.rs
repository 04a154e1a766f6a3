//! Several calls of one request, in parallel: a batch of JSON-RPC, and `system.multicall`.
//!
//! Answers keep the order of their calls. One session is loaded for all of them and saved once. The configuration
//! limits the number of calls (`max_batch`) and the size of all answers together (`max_batch_answer`), so that a client
//! cannot make a server write gigabytes with a few kilobytes.

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;

use actix_web::HttpResponse;
use futures_util::{StreamExt, stream};
use skitai_actors::CoverageReport;

use super::fault::RpcFault;
use crate::app::coverage::Audience;
use crate::app::coverage::prefer::Preferences;
use crate::app::{Error, Request, RequestBuilder, Session, Was};
use crate::edge::respond::Fixed;
use crate::edge::thread::ServingThread;
use crate::edge::{partial, respond, sessions};

/// Calls of one request that run at a time. Each has its own copy of the request's head, and there may be thousands.
const AT_ONCE: usize = 64;

/// The state that the calls of one request share.
pub(super) struct Many<'w> {
    thread: &'w ServingThread,
    builder: RequestBuilder,
    session: Session,
    visit: sessions::Visit,
    is_full: Cell<bool>,
    /// The first call has its request.
    has_begun: Cell<bool>,
}

/// One finished call.
pub(super) struct BatchEntry {
    pub(super) was: Option<Was>,
    /// Its part of the document; `None` for a notification.
    pub(super) answer: Option<Vec<u8>>,
}

impl<'w> Many<'w> {
    /// Loads the shared state.
    pub(super) async fn of(thread: &'w ServingThread, builder: RequestBuilder) -> Result<Many<'w>, Error> {
        // Before the request is copied for each of them: all have one id and one login.
        builder.request().request_id();
        builder.request().login.get_or_init(Arc::default);
        let use_session =
            thread.site.router.mounts().iter().any(|mount| mount.app.as_ref().is_some_and(|app| app.use_session));
        let (session, visit) = sessions::load(&thread.services, use_session, builder.cookie()).await?;
        Ok(Many { thread, builder, session, visit, is_full: Cell::new(false), has_begun: Cell::new(false) })
    }

    /// The request of one call, with its own copy of the head and the shared session.
    pub(super) fn one(&self) -> (RequestBuilder, Session) {
        let request = Request { is_further_call: self.has_begun.replace(true), ..self.builder.request().clone() };
        (RequestBuilder::new(request, self.thread.services.clone()), self.session.clone())
    }

    /// Runs the calls, [`AT_ONCE`] at a time. Each has a key; `refuse` uses it to write a fault for a call whose own
    /// answer would exceed the limit. Returns the answers in the order of the calls, and the reply with the headers and
    /// cookies that the calls set.
    pub(super) async fn run<K, C, F: Future<Output = BatchEntry>>(
        self,
        calls: Vec<(K, C)>,
        call: impl Fn(&Many<'w>, C) -> F,
        refuse: impl Fn(K, &RpcFault) -> Option<Vec<u8>>,
        mut reply: HttpResponse,
    ) -> Result<(Vec<Vec<u8>>, HttpResponse), Error> {
        let (mut answers, mut keeper, mut written) = (Vec::new(), None, 0);
        let (mut report, mut is_allowed) = (CoverageReport::default(), false);
        let most = self.thread.site.server.max_batch_answer;
        {
            let one = async |(key, entry): (K, C)| {
                // Its result could not be reported any more, so it does not run.
                let ended = if self.is_full.get() { None } else { Some(call(&self, entry).await) };
                (key, ended)
            };
            let mut all = stream::iter(calls).map(one).buffered(AT_ONCE);
            while let Some((key, ended)) = all.next().await {
                let Some(BatchEntry { was, answer }) = ended else {
                    answers.extend(refuse(key, &no_room(most, "was not made")));
                    continue;
                };
                if let Some(was) = was {
                    report.merge(was.coverage());
                    is_allowed |= partial::is_allowed(&was);
                    partial::log(&was);
                    reply = respond::finish(&was, reply, Fixed::StatusAndType);
                    if was.app().use_session {
                        keeper = Some(was);
                    }
                }
                let Some(answer) = answer else { continue };
                if !self.is_full.get() && written + answer.len() <= most {
                    written += answer.len();
                    answers.push(answer);
                } else {
                    self.is_full.set(true);
                    answers.extend(refuse(key, &no_room(most, "was made")));
                }
            }
        }
        if let Some(was) = keeper {
            if let Some(unsaved) = sessions::to_save(&was, self.visit) {
                sessions::save(self.thread, &was, unsaved).await?;
            }
            reply = respond::finish(&was, reply, Fixed::StatusAndType);
        }
        if !report.is_empty() {
            // One list for all calls; whose gap it is, stands in the body of each where that is wanted.
            partial::set_header(&mut reply, &report.to_header());
            let preferences = Preferences::of(&self.builder.request().headers);
            partial::apply(&mut reply, preferences.coverage_in_body, is_allowed);
        }
        Ok((answers, reply))
    }
}

fn no_room(most: usize, what: &str) -> RpcFault {
    let text = format!("no room for this answer: those of one request may have {most} bytes together; the call {what}");
    RpcFault::of(&Error::new(413, text), Audience::default())
}
