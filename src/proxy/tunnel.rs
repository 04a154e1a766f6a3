//! What goes both ways behind a 101, octet by octet, each way at the pace of its reader.
//!
//! Of a WebSocket the frames are followed. When the server closes, or when there has been silence for too long, both
//! ends get a Close with 1001 (going away) between two frames of the other end; what either sends after that is not
//! passed on. Where either has sent a Close of its own before, it is left to the two of them. Another protocol has no
//! word for this: it goes on to `drain_timeout`, or is ended.
//!
//! Read in this order: [`reply`]; [`BothWays::poll_client`] and [`BothWays::poll_member`], the two ways; [`Way`].

use std::cell::RefCell;
use std::error::Error;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderValue, UPGRADE};
use bytes::Bytes;
use futures_util::StreamExt as _;
use ring::rand::{SecureRandom, SystemRandom};
use skitai_actors::Outcome;
use skitai_actors::http::pipe::{PipeReader, PipeWriter};
use skitai_actors::kit::Replies;
use skitai_wire::websocket::{FrameFollower, close_frame};
use tokio::time::{Instant, Sleep, sleep_until};

use super::upgrade::UpgradeOffer;
use crate::app::Closing;
use crate::connection::WhileSent;

/// "Going away" (RFC 6455, 7.4.1).
const GOING_AWAY: u16 = 1001;
/// How long the ends may take for their last words once one of them has ended, or both are told.
const FAREWELL: Duration = Duration::from_secs(2);

/// Both ways of a tunnel.
struct BothWays {
    /// `None` once the client has ended.
    client: Option<Payload>,
    /// `None` once the member takes nothing any more, or is to get nothing.
    to_member: Option<PipeWriter>,
    from_client: Way,
    member: PipeReader,
    from_member: Way,
    closing: Closing,
    is_closing: bool,
    idle: Option<Duration>,
    moved: Instant,
    /// When a tunnel that closes ends, whatever is missing.
    until: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
    _exchange: Replies<Outcome>,
}

/// One way.
struct Way {
    /// Of a WebSocket.
    frames: Option<FrameFollower>,
    /// What comes from now on is not passed on.
    is_cut: bool,
    /// Its reader has got our Close.
    is_told: bool,
}

/// Turns the head of a member's 101 into a reply with the tunnel behind it.
pub(super) fn reply(
    mut reply: HttpResponse,
    offer: UpgradeOffer,
    (to_member, member): (PipeWriter, PipeReader),
    exchange: Replies<Outcome>,
    closing: Closing,
    idle: Option<Duration>,
) -> HttpResponse {
    if let Ok(protocol) = HeaderValue::from_str(&offer.protocol) {
        reply.headers_mut().insert(UPGRADE, protocol);
    }
    let way = || Way { frames: offer.is_websocket().then(FrameFollower::default), is_cut: false, is_told: false };
    let now = Instant::now();
    let tunnel = BothWays {
        from_client: way(),
        from_member: way(),
        client: Some(offer.octets),
        to_member: Some(to_member),
        member,
        closing,
        is_closing: false,
        idle,
        moved: now,
        until: None,
        alarm: Box::pin(sleep_until(now + idle.unwrap_or(FAREWELL))),
        _exchange: exchange,
    };
    let tunnel = Rc::new(RefCell::new(tunnel));
    let of_client = tunnel.clone();
    // A client that does not read may send all the same.
    reply.extensions_mut().insert(WhileSent(Box::new(move |context| {
        of_client.borrow_mut().poll_client(context);
        Poll::Pending
    })));
    reply.set_body(BoxBody::new(TunnelBody(tunnel)))
}

/// What comes from the member.
struct TunnelBody(Rc<RefCell<BothWays>>);

impl MessageBody for TunnelBody {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.0.borrow_mut().poll_member(context).map(|piece| piece.map(|piece| piece.map_err(Into::into)))
    }
}

impl BothWays {
    /// From the client to the member, as far as there is something, and room.
    fn poll_client(&mut self, context: &mut Context<'_>) {
        if !self.is_closing && self.from_client.frames.is_some() && Pin::new(&mut self.closing).poll(context).is_ready()
        {
            self.is_closing = true;
        }
        while let Some(client) = &mut self.client {
            match self.to_member.as_ref().map(|pipe| pipe.poll_room(context)) {
                Some(Poll::Pending) => break,
                Some(Poll::Ready(None)) => self.to_member = None,
                Some(Poll::Ready(Some(_))) | None => {}
            }
            match client.poll_next_unpin(context) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(piece))) => {
                    self.moved = Instant::now();
                    let closes = self.closes();
                    let piece = self.from_client.through(piece, closes);
                    if let Some(pipe) = &self.to_member {
                        pipe.push(piece);
                    }
                }
                Poll::Ready(Some(Err(_)) | None) => {
                    self.client = None;
                    if let Some(pipe) = self.to_member.take() {
                        pipe.finish();
                    }
                }
            }
        }
        let closes = self.closes();
        if let Some(pipe) = self.to_member.as_ref().filter(|_| self.from_client.is_to_be_told(closes)) {
            let mut key = [0; 4];
            // Zeros mask as well: the key hides nothing in what is known to all.
            let _ = SystemRandom::new().fill(&mut key);
            pipe.push(close_frame(GOING_AWAY, Some(key)).into());
            self.from_client.told();
        }
    }

    /// The next piece from the member to the client.
    fn poll_member(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, String>>> {
        if let Poll::Ready(ended) = self.poll_times(context) {
            return Poll::Ready(ended.err().map(Err));
        }
        loop {
            let closes = self.closes();
            if self.from_member.is_to_be_told(closes) {
                self.from_member.told();
                return Poll::Ready(Some(Ok(close_frame(GOING_AWAY, None).into())));
            }
            match self.member.poll_piece(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(piece))) => {
                    self.moved = Instant::now();
                    let piece = self.from_member.through(piece, closes);
                    if !piece.is_empty() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(None),
                // Some servers reset what they have said goodbye to.
                Poll::Ready(Some(Err(_))) if self.has_closed() || self.from_member.is_told => return Poll::Ready(None),
                Poll::Ready(Some(Err(broken))) => return Poll::Ready(Some(Err(broken.to_string()))),
            }
        }
    }

    /// Whether a word of ours is due at the next end of a frame.
    fn closes(&self) -> bool {
        self.is_closing && !self.has_closed()
    }

    /// Whether either end has said that it closes.
    fn has_closed(&self) -> bool {
        [&self.from_client, &self.from_member]
            .into_iter()
            .filter_map(|way| way.frames.as_ref())
            .any(|frames| frames.has_closed())
    }

    /// Ready when time is up: for a silent tunnel, and for one that closes. An error if its octets are not all.
    fn poll_times(&mut self, context: &mut Context<'_>) -> Poll<Result<(), String>> {
        let now = Instant::now();
        let is_silent = self.idle.is_some_and(|idle| now >= self.moved + idle);
        if is_silent && !self.is_closing {
            if self.from_client.frames.is_none() {
                return Poll::Ready(Err("it was silent for longer than `proxy_idle`".to_owned()));
            }
            self.is_closing = true;
            self.until = Some(now + FAREWELL);
            // The member is told when the client's way is polled next.
            context.waker().wake_by_ref();
        }
        // A client that was told and has answered, or has left, wants no more than the member's own end.
        let has_answered = || self.from_client.frames.as_ref().is_some_and(FrameFollower::has_closed);
        let is_answered = self.client.is_none() || (self.from_member.is_told && has_answered());
        if self.is_closing && self.until.is_none() && is_answered {
            self.until = Some(now + FAREWELL);
        }
        if self.until.is_some_and(|until| now >= until) {
            return Poll::Ready(Ok(()));
        }
        let silent_at = self.idle.filter(|_| !self.is_closing).map(|idle| self.moved + idle);
        if let Some(due) = self.until.or(silent_at) {
            if self.alarm.deadline() != due {
                self.alarm.as_mut().reset(due);
            }
            if self.alarm.as_mut().poll(context).is_ready() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

impl Way {
    /// What of a piece goes on: all of it, or in a tunnel that closes what ends a frame that has begun.
    fn through(&mut self, mut piece: Bytes, closes: bool) -> Bytes {
        let Some(frames) = &mut self.frames else { return piece };
        let mut until = (self.is_cut || (closes && frames.is_between())).then_some(0);
        let mut at = 0;
        while at < piece.len() {
            at += frames.follow(&piece[at..]);
            if until.is_none() && closes && frames.is_between() && !frames.has_closed() {
                until = Some(at);
            }
        }
        if let Some(until) = until {
            self.is_cut = true;
            piece.truncate(until);
        }
        piece
    }

    /// Whether its reader can be told now.
    fn is_to_be_told(&self, closes: bool) -> bool {
        !self.is_told && self.frames.as_ref().is_some_and(|frames| self.is_cut || (closes && frames.is_between()))
    }

    fn told(&mut self) {
        (self.is_cut, self.is_told) = (true, true);
    }
}
