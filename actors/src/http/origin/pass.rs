//! An exchange that is passed on: the head of the answer is handed over as soon as it is here, the body follows through
//! a pipe, and the connection is free again once the member has sent all of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{FAREWELL, Origin, OriginClient, REQUEST_TIMEOUT};
use crate::http::dial::{Progress, Trace};
use crate::http::failure::ExchangeFailure;
use crate::http::passed::{PassedAnswer, PassedBody, PassedRequest};
use crate::http::passing::Passage;
use crate::http::pipe::pipe;
use crate::kit::Party;
use crate::outcome::course::Instants;
use crate::outcome::{Outcome, Reason, Status, deadline};
use skitai_wire::http1::Framing;

/// The member speaks another protocol from here on.
pub(crate) const SWITCHING: u16 = 101;

/// Takes the head of the answer, once.
pub(crate) type AnswerTaker = Option<oneshot::Sender<PassedAnswer>>;

/// A failed exchange, and the status of its answer if one had begun.
struct Unpassed(u16, ExchangeFailure);

impl From<ExchangeFailure> for Unpassed {
    fn from(failure: ExchangeFailure) -> Unpassed {
        Unpassed(0, failure)
    }
}

impl Origin {
    /// Passes a request on, to the end of its answer. `silence`: how long the member may be waited for in vain.
    pub(crate) async fn pass(
        &self,
        request: &PassedRequest,
        progress: &Progress,
        (begun, party): (Instant, Party),
        silence: Duration,
        taker: &mut AnswerTaker,
        node: &Arc<str>,
    ) -> Outcome {
        let limit = silence.min(request.patience);
        let passed = match tokio::time::timeout(limit, self.permit(progress, begun, party)).await {
            Ok(Ok((_permit, begun))) => {
                progress.update(|trace| trace.marked(Instants::Permitted, begun));
                self.passed(request, progress, begun, silence, taker, node).await
            }
            Ok(Err(failure)) => Err(failure.into()),
            Err(_) => {
                let what = "not sent: no connection to the member was free";
                Err(ExchangeFailure::from(deadline::unsent_in_time(Reason::NoPermit, what, limit)).into())
            }
        };
        match passed {
            Ok((code, headers)) => {
                let reason = reason_of(code);
                let msg = if reason == Reason::Ok { String::new() } else { format!("HTTP {code}") };
                Outcome { status: Status::Completed, code, headers, ..Outcome::failed(node.clone(), reason, msg) }
            }
            Err(Unpassed(code, failure)) => {
                Outcome { code, ..Outcome::failed(node.clone(), failure.reason, failure.msg) }
            }
        }
    }

    /// One exchange, repeated on a new connection as [`exchange`](Origin::exchange) is. Gives the status, and what the
    /// member says of when to come again.
    async fn passed(
        &self,
        request: &PassedRequest,
        progress: &Progress,
        begun: Instant,
        silence: Duration,
        taker: &mut AnswerTaker,
        node: &Arc<str>,
    ) -> Result<(u16, Vec<(String, String)>), Unpassed> {
        let OriginClient::Leg { dial, host, pool } = &self.client else {
            return Err(ExchangeFailure::new(Reason::Internal, "only members of clusters are passed requests").into());
        };
        let mut first: Option<ExchangeFailure> = None;
        loop {
            if first.is_some() {
                progress.update(|trace| Trace::of(trace.course.reconnecting()));
            }
            let octets = request
                .head(host, progress.get().course.span)
                .map_err(|why| ExchangeFailure::new(Reason::Unsendable, why.to_string()))?;
            let lent = if first.is_none() { pool.lend() } else { None };
            let mut socket = match lent {
                Some(socket) => {
                    progress.update(Trace::lent);
                    socket
                }
                // The member may have run the first request, whatever happens to the second.
                None => Box::pin(dial.open(progress)).await.map_err(|failure| first.take().unwrap_or(failure))?,
            };
            let mut passage = Passage::new(octets, request, silence);
            let head = passage.head(&mut socket, progress, request.is_head()).await;
            let trace = progress.get();
            if first.is_none() && !trace.dialled {
                match &head {
                    Err(failure) => {
                        let never_ran = trace.written == 0 || request.is_replayable();
                        if trace.read == 0 && never_ran && failure.is_broken_connection() {
                            first = Some(failure.clone());
                            continue;
                        }
                    }
                    Ok((head, _)) => {
                        let is_farewell = head.code == REQUEST_TIMEOUT && head.says_close && !trace.interim;
                        let is_here = !matches!(request.body, PassedBody::Coming { .. });
                        if is_farewell && is_here && begun.elapsed() < FAREWELL {
                            first =
                                Some(ExchangeFailure::new(Reason::Closed, "closed by the member, which had waited"));
                            continue;
                        }
                    }
                }
            }
            let (head, fields) = head?;
            if let Some(upgrade) = request.upgrade.as_ref().filter(|_| head.code == SWITCHING) {
                upgrade
                    .check(&fields)
                    .map_err(|why| ExchangeFailure::new(Reason::Malformed, format!("the answer is a 101 {why}")))?;
                passage.switch(&upgrade.octets);
            }
            progress.update(|trace| Trace { answered: Some((Instant::now(), head.code)), ..trace });
            let (code, told) = (head.code, retry_after(&fields));
            if is_event_stream(&fields) {
                passage.may_be_silent();
            }
            let (writer, reader) = pipe(request.buffer);
            let body = passage.take_in(&writer);
            let is_whole = matches!(body, Ok(true));
            if is_whole {
                writer.finish();
            }
            let length = if let Framing::Length(length) = head.framing { Some(length) } else { None };
            let has_body = head.framing != Framing::None;
            // Some send it all the same, later: it would be taken for the next client's answer.
            let may_follow = !has_body && announces_body(&fields);
            let authority = String::from_utf8_lossy(host).trim_start_matches("host: ").trim_end().to_owned();
            let body_of_it = has_body.then_some(reader);
            let answer = PassedAnswer { code, fields, length, body: body_of_it, authority, node: node.clone() };
            if let Some(Err(_)) = taker.take().map(|taker| taker.send(answer)) {
                return Err(Unpassed(code, ExchangeFailure::new(Reason::Cancelled, "the client left")));
            }
            let ended = match body {
                Ok(true) => Ok(()),
                Ok(false) => passage.body(&mut socket, progress, &writer).await,
                Err(failure) => Err(failure),
            };
            return match ended {
                Ok(()) => {
                    progress.update(|trace| trace.wholly_read(is_whole));
                    writer.finish();
                    if head.is_kept && passage.is_clean() && !may_follow {
                        pool.give_back(socket);
                    }
                    Ok((code, told))
                }
                Err(failure) => {
                    writer.break_off(&failure.msg);
                    Err(Unpassed(code, failure))
                }
            };
        }
    }
}

/// What the status of an answer says.
pub(crate) fn reason_of(code: u16) -> Reason {
    if code == SWITCHING || (200..300).contains(&code) { Reason::Ok } else { Reason::HttpStatus }
}

fn retry_after(fields: &[(String, Bytes)]) -> Vec<(String, String)> {
    let told = fields.iter().filter(|(name, _)| name == "retry-after");
    told.map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned())).collect()
}

/// Whether an answer without a body, as to HEAD, has headers of one.
fn announces_body(fields: &[(String, Bytes)]) -> bool {
    let of_body = |(name, value): &&(String, Bytes)| match name.as_str() {
        "content-length" => value.trim_ascii() != b"0",
        "transfer-encoding" => true,
        _ => false,
    };
    fields.iter().find(of_body).is_some()
}

/// Events are silent until something happens.
fn is_event_stream(fields: &[(String, Bytes)]) -> bool {
    let kind = fields.iter().find(|(name, _)| name == "content-type");
    kind.is_some_and(|(_, value)| value.to_ascii_lowercase().starts_with(b"text/event-stream"))
}
