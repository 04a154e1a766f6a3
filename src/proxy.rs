//! The reverse proxy: a request to a mount that leads to a cluster is passed on to one of its members.
//!
//! The member is chosen, limited and judged by the same actor as for a call of `was.lb`; what it answers is passed back
//! as it comes. Bodies go both ways at the pace of the slower side, through pipes with a bound (decision 0031). Read in
//! this order:
//!
//! - here: [`pass`], one request from its head to the head of its answer;
//! - [`target`]: the path at the member;
//! - [`head`]: which headers go on; [`forwarding`]: what the member is told of the client and the proxies; [`via`]: the
//!   guard against loops;
//! - [`affinity`]: what keeps a client at its member;
//! - [`upload`]: the body of the request; [`answer`]: the answer, with [`rewriting`] of what points to the member;
//! - [`upgrade`]: which other protocol a member is offered; [`tunnel`]: what goes both ways once it has taken it.

mod affinity;
mod answer;
mod forwarding;
pub(crate) mod head;
mod rewriting;
mod target;
mod tunnel;
mod upgrade;
mod upload;
mod via;

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{Method, header};
use bytes::Bytes;
use skitai_actors::Outcome;
use skitai_actors::cluster::PassOn;
use skitai_actors::http::passed::{PassedBody, PassedRequest, PassedUpgrade};
use skitai_actors::http::pipe::pipe;
use skitai_actors::kit::Rule;
use skitai_actors::spec::Spread;
use tokio::sync::oneshot;

use self::affinity::Keeper;
use self::upload::{Arriving, ClientBody};
use crate::app::calls::budget;
use crate::app::calls::budget::Budget;
use crate::app::calls::results::AllFailed;
use crate::app::routing::mount::{Mount, PassTo};
use crate::app::trail::noted::{CallSource, What};
use crate::app::trail::trace_context::{TRACE_PARENT, TRACE_STATE, TraceContext};
use crate::app::{Error, Request, RequestContext};
use crate::config::{Affinity, PassedHost};
use crate::connection::Tunnel;

/// The latest end of an exchange: a stream may go on for as long as both sides want.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// Octets of a request's body between the client and the member.
const UPLOAD_ROOM: usize = 64 * 1024;
/// The member takes the protocol that it was offered.
const SWITCHING: u16 = 101;

/// Passes a request on, and returns the answer, whose body follows. `path` is the request's, without needless escapes.
pub(crate) async fn pass(
    (mount, to): (&Mount, &PassTo),
    path: &str,
    context: &RequestContext,
    payload: Payload,
    tunnel: Option<Tunnel>,
) -> Result<HttpResponse, Error> {
    let (services, request) = (context.services(), &context.request);
    if request.method == Method::TRACE {
        return Err(Error::new(405, "TRACE is not passed on: its answer would show what proxies have added"));
    }
    if is_grpc(request) {
        return Err(Error::new(
            501,
            "gRPC is not passed on: it needs HTTP/2 and trailers, and this proxy speaks HTTP/1.1",
        ));
    }
    let (actor, roster) = services
        .cluster(&to.route.cluster)
        .ok_or_else(|| Error::new(502, format!("the cluster @{} is not declared", to.route.cluster)))?;
    let budget = Budget::new(
        to.rules.deadline.unwrap_or(services.site.server.deadline),
        Instant::now(),
        budget::asked(&request.headers),
        request.begun,
    );
    let target = target::at_member(mount.rest_of(path).unwrap_or(""), request.uri.query(), &to.route.folder)?;
    let mut fields = head::fields(request, mount.path(), budget.remaining_ms(Instant::now()), &to.rules.of_requests)?;
    let offer = upgrade::offer(request, tunnel, &to.rules.upgrades)?;
    let (to_member, upgrade) = match &offer {
        None => (None, None),
        Some(offer) => {
            let (writer, octets) = pipe(UPLOAD_ROOM);
            let upgrade = PassedUpgrade { protocol: offer.protocol.clone(), accept: offer.accept.clone(), octets };
            (Some(writer), Some(upgrade))
        }
    };
    let (body, mut upload) = match upload::begin(request, payload, to.rules.max_body).await? {
        Arriving::Nothing => {
            let is_said = matches!(request.method, Method::POST | Method::PUT | Method::PATCH);
            (PassedBody::None { is_said }, None)
        }
        Arriving::Whole(body) => (PassedBody::Whole(body), None),
        Arriving::Coming(length, payload) => {
            let (upload, pieces) = ClientBody::new(payload, UPLOAD_ROOM, to.rules.max_body);
            (PassedBody::Coming { length, pieces }, Some(upload))
        }
    };
    let affinity = to.rules.affinity.as_ref();
    let keeper = Keeper::of(&services.member_sealer, &to.route.cluster);
    let mut kept = keeper.look(request, affinity);
    // The members' spans lie below this server's.
    let own_trace = context.trace_context().and_then(TraceContext::of_call);
    if let Some(state) = own_trace.and_then(|_| context.trace_context()).map(|context| context.state.clone()) {
        fields.remove(TRACE_PARENT.as_str());
        fields.remove(TRACE_STATE.as_str());
        if let Some(state) = state {
            let put = fields.put(TRACE_STATE.as_str(), state.as_bytes());
            put.map_err(|why| Error::new(400, format!("a header cannot be passed on: {why}")))?;
        }
    }
    let passed = PassedRequest {
        method: request.method.as_str().to_owned(),
        target,
        host: host(request, &to.rules.host),
        fields,
        body,
        upgrade,
        is_idempotent: matches!(
            request.method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
        ),
        key: kept.key.take(),
        prefers: kept.node.clone(),
        patience: budget.latest_wait().saturating_duration_since(Instant::now()),
        silence: to.rules.silence,
        buffer: to.rules.buffer,
        trace: own_trace,
    };
    let lineup = roster.lineup();
    let slots = lineup.slots(Spread::One);
    let (sender, mut head) = oneshot::channel();
    let what = || What::Passed(format!("@{}", to.route.cluster).into(), request.method.as_str().into());
    let mark = context.trail.is_wanted().then(what);
    let mark = mark.and_then(|what| context.trail.call(Instant::now(), what, Rule::All, CallSource::Members));
    let pass = PassOn { lineup, request: passed, answer: sender };
    let mut replies = actor.ask_for(request.party, pass, slots, None, Instant::now() + LONGEST);
    let answered = poll_fn(|context| {
        if let Some(upload) = &mut upload {
            upload.poll(context);
        }
        Pin::new(&mut head).poll(context)
    });
    match answered.await {
        Ok(passed) => {
            let node = passed.node.clone();
            // As far as it has come: its body follows.
            let so_far = replies.look(0, Outcome::without_data);
            let so_far = so_far.map(|outcome| outcome.answering(&node, passed.code));
            context.trail.came(mark, so_far.as_slice());
            let mut reply = match (offer, to_member) {
                (Some(offer), Some(to_member)) if passed.code == SWITCHING => {
                    let (head, member) = answer::head(passed, mount.path(), to);
                    let ways = (to_member, member.ok_or_else(|| Error::new(502, "a 101 has no way back"))?);
                    tunnel::reply(head, offer, ways, replies, services.lifecycle.closing(), to.rules.idle)
                }
                _ => answer::reply(passed, upload, replies, mount.path(), to),
            };
            if affinity == Some(&Affinity::Sealed) {
                keeper.tell(&mut reply, &node, &kept, request, mount.path());
            }
            Ok(reply)
        }
        Err(_) => {
            if let Some(error) = upload.and_then(ClientBody::into_error) {
                return Err(error);
            }
            // Its sender is gone, so that the outcome is here or about to be.
            let mut outcomes = replies.gather(Instant::now() + LONGEST).await;
            context.trail.came(mark, &outcomes);
            let outcome = outcomes.pop().ok_or_else(|| Error::new(502, "no answer"))?;
            Err(AllFailed::of(vec![outcome]).into())
        }
    }
}

/// What the member gets as `Host`; `None` for its own.
fn host(request: &Request, rule: &PassedHost) -> Option<Bytes> {
    match rule {
        PassedHost::Kept => request.headers.get(header::HOST).map(|host| Bytes::copy_from_slice(host.as_bytes())),
        PassedHost::Members => None,
        PassedHost::Named(name) => Some(Bytes::copy_from_slice(name.as_bytes())),
    }
}

fn is_grpc(request: &Request) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let kind = request.headers.get(header::CONTENT_TYPE).map_or(&[][..], |kind| kind.as_bytes());
    // gRPC-Web is made for proxies that speak HTTP/1.1.
    let is_begun = kind.len() >= GRPC.len() && kind[..GRPC.len()].eq_ignore_ascii_case(GRPC);
    is_begun && kind.get(GRPC.len()) != Some(&b'-')
}
