//! Receives a request: converts its head, detects its protocol, and counts and logs the result.
//!
//! The steps in between are the [`pipeline`] of the web and the [`endpoint`] of RPC.

use std::mem::take;
use std::sync::Arc;
use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::{Method, Uri, header};

use crate::app::request::client;
use crate::app::request::id::{RequestId, X_REQUEST_ID};
use crate::app::{Request, RequestBuilder};
use crate::config::TrustedProxies;
use crate::connection::{Incoming, Peer};
use crate::edge::compress::Offer;
use crate::edge::moves::Moved;
use crate::edge::thread::ServingThread;
use crate::edge::{browsers, names, pipeline, respond};
use crate::observe::access::AccessLine;
use crate::observe::route_counts::{ServedBy, Serving};
use crate::rpc::endpoint;
use crate::tls::client::TlsClient;

/// Serves one request.
pub(crate) async fn serve(
    thread: &ServingThread,
    incoming: &mut Incoming,
    peer: Option<Peer>,
    tls: Option<Arc<TlsClient>>,
) -> HttpResponse {
    let started = Instant::now();
    let payload = incoming.take_payload();
    let mut request = Request { party: thread.next_party(), peer, tls, ..take_head(incoming, started) };
    // The log has the target as the client sent it; all else, the gate too, the one that it stands for.
    let (mut sent_uri, mut redirect) = (None, None);
    match thread.moves.lead(&request) {
        Some(Moved::Rewrite(uri)) => sent_uri = Some(std::mem::replace(&mut request.uri, uri)),
        Some(Moved::Redirect(reply)) => redirect = Some(reply),
        None => {}
    }
    let serving = Serving::new(ServedBy::UNMATCHED);
    let builder = RequestBuilder::new(request, thread.services.clone());
    // Known now, because the request moves on.
    let offer = Offer::of(builder.request());
    let hsts = thread.site.server.hsts.as_ref().filter(|_| builder.request().is_secure());
    let mut account = Account { thread, started, serving: &serving, head: None, status: CLIENT_LEFT, bytes: Some(0) };
    // A page that succeeds, of which no log speaks, needs none.
    let needs_id = thread.log.is_some() || builder.request().given_id().is_some();
    let mut id = needs_id.then(|| builder.request().request_id().clone());
    if thread.log.is_some() {
        // Kept for the log, because the head moves on with the request.
        let (request, id) = (builder.request(), builder.request().request_id().clone());
        let (client, method, uri) =
            (request.client_addr(), request.method.clone(), sent_uri.unwrap_or_else(|| request.uri.clone()));
        account.head = Some(Box::new(LoggedHead { client, method, uri, id }));
    }
    let gate = thread.gates.at(builder.request());
    let admitted = match (names::check(thread, builder.request()), &gate) {
        (Err(error), _) => Err(respond::before_apps(&error, builder.request(), thread.site.server.devel)),
        (Ok(()), Err(error)) => Err(respond::before_apps(error, builder.request(), thread.site.server.devel)),
        (Ok(()), Ok(None)) => Ok(None),
        (Ok(()), Ok(Some(gate))) => Box::pin(gate.let_in(thread, &builder)).await.map(Some),
    };
    // What a member says of its answer is its own.
    let mut is_of_member = false;
    let mut response = match admitted {
        Err(refusal) => refusal,
        Ok(admitted) => {
            // Calls below a mount of a cluster are for its members.
            let is_passed = thread.site.router.is_passed(builder.request().uri.path());
            is_of_member = is_passed;
            if is_passed {
                // The member is told the id, and a client must not get another one from it.
                id.get_or_insert_with(|| builder.request().request_id().clone());
            }
            let protocol = if is_passed { None } else { endpoint::protocol(&thread.site, builder.request()) };
            let answer = match (redirect, protocol) {
                (Some(reply), _) => reply,
                (None, Some(protocol)) => {
                    // An error of RPC is an answer like any other.
                    id.get_or_insert_with(|| builder.request().request_id().clone());
                    match Box::pin(endpoint::serve(thread, protocol, builder, payload, &serving)).await {
                        Ok(reply) => reply,
                        // XML that is no call; its body has been read.
                        Err(builder) => {
                            Box::pin(pipeline::web(thread, builder, Payload::None, incoming, false, &serving)).await
                        }
                    }
                }
                (None, None) => {
                    // An RPC endpoint accepts POST alone and has no route, but OPTIONS must not answer 404 for it.
                    let is_rpc = !is_passed
                        && builder.request().method == Method::OPTIONS
                        && endpoint::is_endpoint(&thread.site, builder.request().uri.path());
                    pipeline::web(thread, builder, payload, incoming, is_rpc, &serving).await
                }
            };
            let compresses = gate.is_ok_and(|gate| gate.is_none_or(|gate| gate.compress));
            let answer = if compresses { offer.apply(answer) } else { answer };
            match admitted {
                None => answer,
                Some(admitted) => admitted.leave(answer),
            }
        }
    };
    account.status = response.status().as_u16();
    account.bytes = respond::length(&response);
    drop(account);
    if let Some(id) = id {
        // Files and probes are sent without a handle of the request.
        response.headers_mut().insert(X_REQUEST_ID, id.to_header());
    }
    respond::restart_needed(&mut response, &thread.site.restart_needed);
    if let Some(hsts) = hsts {
        browsers::hsts(&mut response, hsts);
    }
    if !is_of_member {
        browsers::nosniff(&mut response);
    }
    response
}

/// Answers a request to a site whose changed configuration has errors.
pub(crate) fn unfit(why: &str, incoming: &Incoming, peer: Option<Peer>, trusted: &TrustedProxies) -> HttpResponse {
    let headers = &incoming.head().headers;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let is_local = peer.is_some_and(|peer| client::client(peer, headers, trusted).is_here);
    let mut reply = respond::unfit(why, accept, is_local);
    reply.headers_mut().insert(X_REQUEST_ID, RequestId::new().to_header());
    reply
}

/// For the log and the counters alone: the client disconnected before the answer (nginx uses the same number).
const CLIENT_LEFT: u16 = 499;

/// Counts and logs a request when it ends. If the client disconnects, the request's future is dropped, and this with
/// it.
struct Account<'t> {
    thread: &'t ServingThread,
    started: Instant,
    /// Who serves it, once that is known.
    serving: &'t Serving,
    head: Option<Box<LoggedHead>>,
    status: u16,
    bytes: Option<u64>,
}

/// What the access log says of a request.
struct LoggedHead {
    client: Option<Peer>,
    method: Method,
    uri: Uri,
    id: RequestId,
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        self.thread.count(self.serving.get(), self.status, self.started.elapsed());
        if let (Some(log), Some(head)) = (&self.thread.log, &self.head) {
            let LoggedHead { client, method, uri, id } = &**head;
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            let (bytes, since, id) = (self.bytes, self.started, Some(id.as_str()));
            let line = AccessLine { method: method.as_str(), uri: target, status: self.status, bytes, since, id };
            log.line(*client, &line);
        }
    }
}

/// Takes the head out of actix's request, so that it can be sent to another thread.
pub(super) fn take_head(incoming: &mut Incoming, now: Instant) -> Request {
    let head = incoming.head_mut();
    Request {
        method: head.method.clone(),
        version: head.version,
        uri: take(&mut head.uri),
        headers: take(&mut head.headers),
        ..Request::empty(now)
    }
}
