//! Several calls of one request, side by side: a batch of JSON-RPC, and `system.multicall`.
//!
//! Answers keep the order of their calls. One session is loaded for all of them and kept once. How many calls there may
//! be and how large all answers together is the configuration's (`max_batch`, `max_batch_answer`): a client of a few
//! kilobytes must not make a server write gigabytes.

use std::cell::Cell;
use std::future::Future;

use actix_web::HttpResponse;
use futures_util::{StreamExt, stream};

use super::fault::RpcFault;
use crate::app::{Error, RequestBuilder, Session, Was};
use crate::edge::respond::Overridable;
use crate::edge::thread::ServingThread;
use crate::edge::{respond, sessions};

/// Calls of one request under way at a time. Each has its own copy of the request's head, and there may be thousands.
const AT_ONCE: usize = 64;

/// What the calls of one request share.
pub(super) struct Many<'w> {
    thread: &'w ServingThread,
    draft: RequestBuilder,
    session: Session,
    visit: sessions::Visit,
    is_full: Cell<bool>,
}

/// One call when it is over.
pub(super) struct BatchEntry {
    pub(super) was: Option<Was>,
    /// Its part of the document; none for a notification.
    pub(super) answer: Option<Vec<u8>>,
}

impl<'w> Many<'w> {
    /// Loads what they share.
    pub(super) async fn of(thread: &'w ServingThread, draft: RequestBuilder) -> Result<Many<'w>, Error> {
        let use_session =
            thread.site.router.mounts().iter().any(|mount| mount.app.as_ref().is_some_and(|app| app.use_session));
        let (session, visit) = sessions::load(&thread.services, use_session, draft.cookie()).await?;
        Ok(Many { thread, draft, session, visit, is_full: Cell::new(false) })
    }

    /// The handle of one call on its way, with its own copy of the request's head and the session of all.
    pub(super) fn one(&self) -> (RequestBuilder, Session) {
        (RequestBuilder::new(self.draft.request().clone(), self.thread.services.clone()), self.session.clone())
    }

    /// Runs the calls, some at a time; each has with it what its refusal is written from. `refuse` writes the answer to
    /// a call for whose own there is no room. Gives the answers in the order of the calls, and a reply that has what
    /// each of them set.
    pub(super) async fn run<K, C, F: Future<Output = BatchEntry>>(
        self,
        calls: Vec<(K, C)>,
        call: impl Fn(&Many<'w>, C) -> F,
        refuse: impl Fn(K, &RpcFault) -> Option<Vec<u8>>,
        mut reply: HttpResponse,
    ) -> Result<(Vec<Vec<u8>>, HttpResponse), Error> {
        let (mut answers, mut keeper, mut written) = (Vec::new(), None, 0);
        let most = self.thread.site.server.max_batch_answer;
        {
            let one = async |(key, entry): (K, C)| {
                // Where nobody could be told what it did, it is not made.
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
                    reply = respond::finish(&was, reply, Overridable::Both);
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
            if let Some(keeping) = sessions::to_keep(&was, self.visit) {
                sessions::keep(self.thread, &was, keeping).await?;
            }
            reply = respond::finish(&was, reply, Overridable::Both);
        }
        Ok((answers, reply))
    }
}

fn no_room(most: usize, what: &str) -> RpcFault {
    let text = format!("no room for this answer: those of one request may have {most} bytes together; the call {what}");
    RpcFault::of(&Error::new(413, text), false)
}
