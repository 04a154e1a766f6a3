//! The states of a connection, one after the other: each waits for one event, with a timeout.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker, ready};

use actix_http::body::MessageBody;
use actix_http::{HttpMessage as _, Payload, Request, StatusCode};
use actix_web::http::header::{HOST, HeaderName, HeaderValue, UPGRADE};
use actix_web::http::{Method, Uri, Version};
use bytes::Bytes;
use skitai_wire::http1::{Denied, Framing, RequestReader, escaped, read_request};
use tokio::time::Instant;

use super::client::poll_client;
use super::clock::Clock;
use super::ending::{End, LINGER};
use super::handover::Handover;
use super::intake::{HELD, Queues, Shared, is_resting, skip_empty_lines};
use super::list::{Listed, Serves};
use super::reply::{Cut, Frame, ReplyTo, Sending};
use super::{ConnectionBounds, Incoming, Outgoing, Peer, Refused, Service, Tunnel, WhileSent, reply};
use crate::tls::client::TlsClient;

/// Octets that a client must take within `send_timeout`; else the connection is cut.
const LEAST: u64 = 1024;
/// Pipelined requests that are answered before other connections of the thread get their turn.
const TURN: usize = 4;

pub(super) struct Driver<S> {
    pub(super) queues: Shared,
    pub(super) peer: Option<Peer>,
    /// What the handshake said of the client, if there was one.
    pub(super) tls: Option<Arc<TlsClient>>,
    pub(super) listed: Listed,
    pub(super) service: S,
    pub(super) clock: Clock,
    bounds: ConnectionBounds,
    /// Requests so far.
    served: u64,
}

/// The result of waiting for a head.
pub(super) enum Next {
    Head(Bytes),
    Refused(Denied),
    End(End),
}

impl<S: Service> Driver<S> {
    pub(super) fn new(queues: Queues, peer: Option<Peer>, listed: Listed, service: S) -> Driver<S> {
        let (queues, bounds) = (Rc::new(RefCell::new(queues)), service.bounds());
        Driver { queues, peer, tls: None, listed, service, clock: Clock::default(), bounds, served: 0 }
    }

    /// Sets the task of this connection, so that a body that is read in another task can wake it, and the server's end.
    pub(super) fn set_task(&self, waker: &Waker) {
        self.queues.borrow_mut().set_task(waker);
        self.listed.set_task(waker);
    }

    /// Serves the requests, and ends the connection.
    pub(super) async fn drive(&mut self) {
        let end = match self.greeted().await {
            Ok(()) => self.requests().await,
            Err(end) => end,
        };
        self.end(end).await;
    }

    /// Serves one request after the other.
    async fn requests(&mut self) -> End {
        // The timeout of the first head starts at the accept.
        let settings = self.service.settings();
        let mut until = Some(Instant::now() + settings.head_timeout);
        let mut turn = 0;
        loop {
            match self.head(until.take()).await {
                Next::Head(head) => {
                    if let Err(end) = self.exchange(head).await {
                        return end;
                    }
                }
                Next::Refused(denied) => return self.refuse(denied, &[]).await,
                Next::End(end) => return end,
            }
            turn += 1;
            if turn % TURN == 0 && !self.queues.borrow().input.is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Waits for the head of a request; `until` is the timeout of the first head of a connection.
    pub(super) async fn head(&mut self, until: Option<Instant>) -> Next {
        let Driver { queues, listed, service, clock, bounds, .. } = self;
        let mut reader = RequestReader::within(bounds.head);
        let mut is_looked_at = false;
        // The instants at which an idle client, and one within a head, time out; and an idle one while the server ends.
        let (mut rests_until, mut head_until, mut parts_at) = (until, until, None);
        poll_fn(|context| {
            let queues = &mut *queues.borrow_mut();
            loop {
                skip_empty_lines(&mut queues.input);
                if !is_looked_at && !is_resting(&queues.input) {
                    is_looked_at = true;
                    match reader.end(&queues.input) {
                        Ok(Some(end)) => return Poll::Ready(Next::Head(queues.input.split_to(end).freeze())),
                        Ok(None) => {}
                        Err(denied) => return Poll::Ready(Next::Refused(denied)),
                    }
                }
                match queues.poll_fill(context, HELD) {
                    Poll::Ready(Ok(1..)) => is_looked_at = false,
                    Poll::Ready(_) => return Poll::Ready(Next::End(End::Closed)),
                    Poll::Pending => break,
                }
            }
            let is_resting = is_resting(&queues.input);
            if is_resting && listed.list.is_ending() {
                let at = *parts_at.get_or_insert_with(|| Instant::now() + service.settings().drain_idle);
                let at = rests_until.map_or(at, |until: Instant| until.min(at));
                return clock.poll(context, at).map(|()| Next::End(End::Parting));
            }
            let (place, time) = match is_resting {
                true => (&mut rests_until, service.settings().keep_alive),
                false => (&mut head_until, service.settings().head_timeout),
            };
            let until = *place.get_or_insert_with(|| Instant::now() + time);
            ready!(clock.poll(context, until));
            if is_resting {
                return Poll::Ready(Next::End(End::Closed));
            }
            let why = format!("the head did not arrive within {} s", service.settings().head_timeout.as_secs_f64());
            Poll::Ready(Next::Refused(Denied { status: 408, why }))
        })
        .await
    }

    /// Serves one request. An error ends the connection.
    async fn exchange(&mut self, head: Bytes) -> Result<(), End> {
        let head = escaped(&head).map_or(head, Bytes::from);
        let (request, reply_to, handover) = match self.request(&head) {
            Ok(request) => request,
            Err(denied) => return Err(self.refuse(denied, &head).await),
        };
        self.served += 1;
        self.listed.begins(&head);
        let response = self.answered(request).await.ok_or(End::Cut)?;
        if let Some(by) = handover.and_then(|handover| handover.taken()) {
            return Err(Box::pin(self.hand_over(by, reply_to)).await);
        }
        let sent = self.send(response, reply_to, &head).await;
        self.listed.rests();
        sent
    }

    /// Makes the request from a head, with its body.
    fn request(&self, head: &Bytes) -> Result<(Incoming, ReplyTo, Option<Handover>), Denied> {
        let mut request = Request::with_payload(Payload::None);
        let parts = request.head_mut();
        let mut bad_field = None;
        let read = read_request(head, self.bounds.head, |name, value| {
            match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_maybe_shared(head.slice_ref(value))) {
                (Ok(name), Ok(value)) => parts.headers.append(name, value),
                _ => bad_field = Some(name.to_owned()),
            }
        });
        let bad = |why: String| Denied { status: 400, why };
        let read = read?.ok_or_else(|| bad("the head has no end".to_owned()))?;
        if let Some(name) = bad_field {
            return Err(bad(format!("the header {name:?} cannot be read")));
        }
        parts.method = Method::from_bytes(read.method.as_bytes())
            .map_err(|_| bad("line 1: the method is none that is known here".to_owned()))?;
        parts.version = if read.is_1_0 { Version::HTTP_10 } else { Version::HTTP_11 };
        parts.uri = Uri::from_maybe_shared(head.slice_ref(read.target.as_bytes()))
            .map_err(|error| bad(format!("line 1: the target cannot be read: {error}")))?;
        parts.peer_addr = self.peer.and_then(Peer::address);
        // The authority in the target takes precedence over the Host header (RFC 9112, 3.2.2).
        if let Some(authority) = parts.uri.authority().filter(|_| parts.method != Method::CONNECT) {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|error| bad(error.to_string()))?;
            parts.headers.insert(HOST, host);
        }
        if read.is_1_0 {
            // An upgrade over HTTP/1.0 must be ignored (RFC 9110, 7.8), by services too.
            parts.headers.remove(UPGRADE);
        }
        let offers_upgrade = read.offers_upgrade && parts.method == Method::GET;
        // A body would belong to nobody: behind the answer comes another protocol (RFC 9110, 9.3.6).
        let is_bare = matches!(read.framing, Framing::None | Framing::Length(0));
        let takes_connect = parts.method == Method::CONNECT && is_bare;
        let reply_to = ReplyTo { is_head: parts.method == Method::HEAD, is_1_0: read.is_1_0, is_kept: read.is_kept };
        let (payload, tunnel) = Queues::begin_body(&self.queues, read.framing, read.expects_continue, offers_upgrade);
        *request.payload() = payload;
        if let Some(tunnel) = tunnel {
            request.extensions_mut().insert(Tunnel(tunnel));
        }
        let handover = (takes_connect && self.service.takes_connect()).then(Handover::default);
        if let Some(handover) = &handover {
            request.extensions_mut().insert(handover.clone());
        }
        Ok((request, reply_to, handover))
    }

    /// The service's answer; `None` if the client disconnects first.
    async fn answered(&mut self, request: Incoming) -> Option<Outgoing> {
        let Driver { queues, service, clock, peer, tls, .. } = self;
        let mut call = pin!(service.call(request, *peer, tls.as_ref()));
        let mut began = None;
        poll_fn(|context| {
            queues.borrow_mut().ask_anew();
            if let Poll::Ready(response) = call.as_mut().poll(context) {
                return Poll::Ready(Some(response));
            }
            let queues = &mut *queues.borrow_mut();
            if matches!(queues.poll_flush(context), Poll::Ready(Err(_))) {
                return Poll::Ready(None);
            }
            poll_client(queues, clock, &mut began, service.settings().body_timeout, context).map(|()| None)
        })
        .await
    }

    /// Sends a reply and prepares the connection for the next request. An error ends the connection.
    async fn send(&mut self, response: Outgoing, reply_to: ReplyTo, head: &[u8]) -> Result<(), End> {
        let (mut response, body) = response.into_parts();
        let beside = response.extensions_mut().remove::<WhileSent>();
        let (status, size) = (response.head().status, body.size());
        let frame = Frame::of(response.head(), size, reply_to);
        let is_wrong = status.is_informational() && (frame != Frame::Tunnel || !self.queues.borrow_mut().open_tunnel());
        if is_wrong {
            // A request with a body offers no upgrade, whatever its headers say: so this is also the client's mistake.
            let why = format!("{} is no answer to this request, which offers no other protocol", status.as_u16());
            return Err(Box::pin(self.refuse(Denied { status: 400, why }, head)).await);
        }
        let keeps = reply_to.is_kept
            && self.bounds.requests.is_none_or(|most| self.served < most)
            && !reply::closes(response.head())
            // After a timeout the connection is not used for another request (RFC 9110, 15.5.9).
            && status != StatusCode::REQUEST_TIMEOUT
            && frame.ends_itself()
            && self.queues.borrow_mut().may_go_on()
            && (!self.listed.list.is_ending() || self.has_more());
        {
            let queues = &mut *self.queues.borrow_mut();
            queues.begin_reply(frame == Frame::Tunnel);
            reply::write_head(queues.output.buffer(), response.head(), size, frame, reply_to, keeps);
        }
        match frame {
            Frame::Tunnel => self.listed.replies(Serves::Socket),
            Frame::Chunked | Frame::ToTheEnd => self.listed.replies(Serves::Stream),
            Frame::None | Frame::Length(_) => {}
        }
        let sending = Sending::begin(&self.queues, body, frame);
        drop(response);
        if let Err(cut) = self.sent(sending, frame, beside).await {
            if let Cut::Broken(why) = cut {
                self.queues.borrow_mut().break_tunnel();
                self.service.cut(head, &*why);
            }
            return Err(End::Cut);
        }
        self.queues.borrow_mut().end_reply();
        self.read_away(keeps).await
    }

    /// While the server ends: whether the client has sent another request behind this one already. It is answered, too,
    /// within the time of a connection that has none.
    fn has_more(&self) -> bool {
        let has_more = !self.queues.borrow().input.is_empty();
        has_more && self.listed.list.has_ended_for().is_some_and(|time| time < self.service.settings().drain_idle)
    }

    /// Sends the rest of a reply that has begun.
    async fn sent(&mut self, mut sending: Sending, frame: Frame, mut beside: Option<WhileSent>) -> Result<(), Cut> {
        let Driver { queues, service, clock, .. } = self;
        // When output began to wait for a client that takes almost nothing; when a tunnel's client stopped sending;
        // when the wait for the request's body began.
        let (mut waits, mut ended, mut began) = (None, None, None);
        poll_fn(|context| {
            queues.borrow_mut().ask_anew();
            // The queues are not borrowed: it may read the body of the request.
            if let Some(WhileSent(work)) = &mut beside
                && let Poll::Ready(why) = work(context)
            {
                return Poll::Ready(Err(Cut::Broken(why.into())));
            }
            if let Poll::Ready(sent) = sending.poll(queues, context) {
                return Poll::Ready(sent);
            }
            let queues = &mut *queues.borrow_mut();
            let time = service.settings().body_timeout;
            if ended.is_none() && poll_client(queues, clock, &mut began, time, context).is_ready() {
                if frame != Frame::Tunnel {
                    return Poll::Ready(Err(Cut::Gone));
                }
                ended = Some(Instant::now());
            }
            if ended.is_some_and(|ended| clock.poll(context, ended + LINGER).is_ready()) {
                return Poll::Ready(Err(Cut::Gone));
            }
            if queues.output.is_sent() {
                waits = None;
                return Poll::Pending;
            }
            let since = waits.get_or_insert_with(Instant::now);
            if queues.output.took(LEAST) {
                *since = Instant::now();
            }
            clock.poll(context, *since + service.settings().send_timeout).map(|()| Err(Cut::Gone))
        })
        .await
    }

    /// Discards the rest of the body if the connection is kept, so that it is not parsed as a request.
    async fn read_away(&mut self, keeps: bool) -> Result<(), End> {
        let Driver { queues, clock, listed, service, .. } = self;
        {
            let queues = &mut *queues.borrow_mut();
            if !keeps || queues.is_held || !queues.leaves_little() {
                return Err(End::Lingering);
            }
            if queues.is_read() {
                return Ok(());
            }
        }
        let until = Instant::now() + LINGER;
        let mut parts_at = None;
        let is_read = poll_fn(|context| {
            if let Poll::Ready(is_read) = queues.borrow_mut().poll_read_away(context) {
                return Poll::Ready(is_read);
            }
            let mut until = until;
            if listed.list.is_ending() {
                until = until.min(*parts_at.get_or_insert_with(|| Instant::now() + service.settings().drain_idle));
            }
            clock.poll(context, until).map(|()| false)
        });
        if is_read.await { Ok(()) } else { Err(End::Lingering) }
    }

    /// Sends the reason for a refusal as the last reply on this connection.
    pub(super) async fn refuse(&mut self, denied: Denied, head: &[u8]) -> End {
        let Denied { status, why } = denied;
        // An incomplete head is still in the input.
        let came = if head.is_empty() { self.queues.borrow().input.clone().freeze() } else { Bytes::new() };
        let head = if head.is_empty() { &came[..] } else { head };
        let response = self.service.refuse(&Refused { status, why, peer: self.peer, head });
        let reply_to = ReplyTo { is_head: head.starts_with(b"HEAD "), is_1_0: false, is_kept: false };
        match self.send(response, reply_to, head).await {
            Err(End::Cut) => End::Cut,
            _ => End::Lingering,
        }
    }
}
