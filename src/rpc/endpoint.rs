//! The RPC endpoint: finds the protocol of a request, reads its body, and leaves the rest to the protocol's own module.
//!
//! XML-RPC is a POST of `text/xml` (or `application/xml`) to any path, or of any type to `/RPC2`. JSON-RPC is a POST of
//! `application/json-rpc` to any path, or of any type to `/rpc3`. In a POST below a mount's path the method's name may
//! omit the mount's part: a POST to `/test` finds `hello` as well as `test.hello`. XML that is no call is a route's,
//! where one takes it.

use actix_web::HttpResponse;
use actix_web::dev::Payload;
use actix_web::http::header::HeaderValue;
use actix_web::http::{Method, header};
use skitai_wire::json as json_text;

use super::json::JsonContentType;
use super::{json, xml};
use crate::app::coverage::Audience;
use crate::app::site::Site;
use crate::app::{Protocol, Request, RequestBuilder};
use crate::edge::thread::ServingThread;
use crate::edge::{body, dispatch, respond};
use crate::observe::route_counts::Serving;

/// The protocol of an RPC client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RpcProtocol {
    Xml,
    /// Answered with the content type it used.
    Json(JsonContentType),
}

/// The protocol of a request, if it is RPC.
pub(crate) fn protocol(site: &Site, request: &Request) -> Option<RpcProtocol> {
    if request.method != Method::POST {
        return None;
    }
    // Compared as bytes, because every request passes here.
    let kind = request.headers.get(header::CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    // The spellings that most clients use, without an allocation.
    match kind {
        b"text/xml" => return Some(RpcProtocol::Xml),
        b"application/json-rpc" => return Some(RpcProtocol::Json(JsonContentType::JsonRpc)),
        _ => {}
    }
    let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if kind.eq_ignore_ascii_case(b"text/xml") || kind.eq_ignore_ascii_case(b"application/xml") {
        Some(RpcProtocol::Xml)
    } else if kind.eq_ignore_ascii_case(b"application/json-rpc") {
        Some(RpcProtocol::Json(JsonContentType::JsonRpc))
    } else {
        by_path(site, request.path(), kind)
    }
}

/// True for a path that serves RPC only.
pub(crate) fn is_endpoint(site: &Site, path: &str) -> bool {
    by_path(site, path, b"").is_some()
}

/// `/RPC2` and `/rpc3` of the site and of each mount: many clients let their user set a path but not a content type.
fn by_path(site: &Site, path: &str, kind: &[u8]) -> Option<RpcProtocol> {
    let protocol = match Protocol::of_path(path)? {
        Protocol::XmlRpc => RpcProtocol::Xml,
        Protocol::JsonRpc if std::str::from_utf8(kind).is_ok_and(json_text::is_type) => {
            RpcProtocol::Json(JsonContentType::Json)
        }
        Protocol::JsonRpc => RpcProtocol::Json(JsonContentType::JsonRpc),
        Protocol::Rest => return None,
    };
    let (mount, _) = path.trim_end_matches('/').rsplit_once('/')?;
    (mount.is_empty() || site.router.mounts().iter().any(|known| known.is_at(mount))).then_some(protocol)
}

/// Serves an RPC request. The reply is HTTP 200 with a document, even for a fault; only a body that cannot be received
/// is an HTTP error. A document that is no call, at a path that a route takes, is the route's: the request is returned,
/// with its body.
pub(crate) async fn serve(
    thread: &ServingThread,
    protocol: RpcProtocol,
    mut builder: RequestBuilder,
    payload: Payload,
    serving: &Serving,
) -> Result<HttpResponse, RequestBuilder> {
    if let Err(error) = body::read(thread, builder.request_mut(), payload).await {
        let accept = builder.request().get_header("accept").filter(|accept| !respond::wants_html(Some(accept)));
        let reader = Audience::of(builder.request(), thread.site.server.devel);
        return Ok(respond::mark(respond::error(&error, accept, reader, None), &error));
    }
    if protocol == RpcProtocol::Xml && is_of_route(thread, builder.request()) {
        return Err(builder);
    }
    Ok(match protocol {
        RpcProtocol::Xml => xml::reply(thread, builder, serving).await,
        RpcProtocol::Json(content_type) => json::reply(thread, builder, content_type, serving).await,
    })
}

/// True for XML that its type alone makes a call: a webhook's, a feed, a message of SOAP. Where RPC alone is served it
/// is a fault like any other text that is no call.
fn is_of_route(thread: &ServingThread, request: &Request) -> bool {
    skitai_wire::xmlrpc::is_other_document(&request.body)
        && !is_endpoint(&thread.site, request.uri.path())
        && dispatch::is_taken(thread, request)
}
