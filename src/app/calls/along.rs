//! What goes along with every call: the time that is left, the id of the request, and what its client prefers.

use std::time::Instant;

use skitai_actors::http::{Decode, Request};

use crate::app::request::id::X_REQUEST_ID;
use crate::app::trail::trace_context::{TRACE_PARENT, TRACE_STATE};
use crate::app::was::Was;

/// Sends the member the time that is left for its answer. Set at dispatch, so that the time is current, and after the
/// cache key was made, which must not contain it. A header that the caller has set takes precedence.
///
/// The id of the request goes to every member, so that the logs of all can be laid side by side.
///
/// The trace of the request goes along, so that what members record lies below it.
///
/// What the client prefers goes down the tiers: that it takes partial answers, and coverage in the body to JSON-RPC
/// members, which have a place for it. The cache key needs neither: what is kept is whole.
pub(super) fn timed(request: Request, was: &Was, now: Instant) -> Request {
    let mut request = Request { left: Some(was.remaining_ms(now)), ..request };
    if let Some(context) = was.trace_context().filter(|_| !request.has_header(TRACE_PARENT.as_str())) {
        request.trace = context.of_call();
        if request.trace.is_none() {
            // Nobody records a span of this server, so that those of the members lie below the caller's.
            request = request.header(TRACE_PARENT.as_str(), context.value());
        }
        if let Some(state) = context.state.as_deref().filter(|_| !request.has_header(TRACE_STATE.as_str())) {
            request = request.header(TRACE_STATE.as_str(), state);
        }
    }
    let request = match request.has_header(X_REQUEST_ID.as_str()) {
        true => request,
        false => request.header(X_REQUEST_ID.as_str(), was.request.id()),
    };
    let has_place = matches!(request.decode, Decode::JsonRpc { .. });
    let preferred = match (was.preferences().allow_partial, has_place && was.has_coverage_in_body()) {
        (true, true) => "allow-partial, coverage=body",
        (true, false) => "allow-partial",
        (false, true) => "coverage=body",
        (false, false) => return request,
    };
    if request.has_header("prefer") { request } else { request.header("prefer", preferred) }
}
