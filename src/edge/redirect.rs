//! The port of clear text beside a site of HTTPS (`redirect_http`): it answers challenges of ACME from a folder
//! (RFC 8555, 8.3), and sends everybody else to the same place over HTTPS.
//!
//! It sends nobody to a host that is not the site's own: whoever could have a link of ours lead to theirs would have
//! our name for it. The hosts are `server_names`, and where there are none, those of the certificates.

use std::io::{self, Read as _};
use std::path::Path;
use std::time::Instant;

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpMessage as _, HttpResponse};

use super::respond;
use super::thread::ServingThread;
use crate::app::Error;
use crate::app::coverage::Audience;
use crate::app::request::client;
use crate::app::request::host::name_of;
use crate::app::request::id::{RequestId, X_REQUEST_ID};
use crate::connection::{Incoming, Peer};
use crate::observe::access::AccessLine;
use crate::observe::counts::TurnedAway;
use crate::observe::plain_file;
use crate::observe::route_counts::ServedBy;
use crate::observe::seldom::Seldom;
use crate::tls::certificates::Certificates;

const CHALLENGES: &str = "/.well-known/acme-challenge/";
/// The longest answer to a challenge, in octets; one has some ninety.
const LONGEST: u64 = 64 << 10;
/// The longest token, in octets; one has some forty.
const LONGEST_TOKEN: usize = 128;
/// Files that cannot be read, which anybody can ask for.
static TOLD: Seldom = Seldom::new(5);
/// The port that a URL of HTTPS need not name.
const HTTPS: u16 = 443;

/// Answers a request, counts and logs it.
pub(crate) async fn reply(
    thread: &ServingThread,
    incoming: &Incoming,
    peer: Option<Peer>,
    certificates: Option<&Certificates>,
) -> HttpResponse {
    let started = Instant::now();
    let server = &thread.site.server;
    let reads = matches!(*incoming.method(), Method::GET | Method::HEAD);
    let token = incoming.uri().path().strip_prefix(CHALLENGES).filter(|_| reads);
    let reply = match (token, &server.acme_webroot) {
        (Some(token), Some(folder)) => challenge(folder, token).await,
        _ => redirect(thread, incoming, certificates),
    };
    let id = reply.is_err().then(RequestId::new);
    let mut reply = reply.unwrap_or_else(|error| {
        let accept = incoming.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        respond::error(&error, accept, Audience::default(), None)
    });
    if let Some(id) = &id {
        reply.headers_mut().insert(X_REQUEST_ID, id.to_header());
    }
    thread.count(ServedBy::UNMATCHED, reply.status().as_u16(), started.elapsed());
    if let Some(log) = &thread.log {
        let target = incoming.uri().path_and_query().map_or("/", |target| target.as_str());
        let (status, bytes) = (reply.status().as_u16(), respond::length(&reply));
        let method = incoming.method().as_str();
        let line =
            AccessLine { method, uri: target, status, bytes, since: started, id: id.as_ref().map(RequestId::as_str) };
        log.line(peer.map(client::canonical), &line);
    }
    reply
}

/// The answer to a challenge, from the file that the ACME client has written.
async fn challenge(folder: &Path, token: &str) -> Result<HttpResponse, Error> {
    let is_token = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let none = || Error::new(404, "there is no such challenge");
    if token.is_empty() || token.len() > LONGEST_TOKEN || !token.bytes().all(is_token) {
        return Err(none());
    }
    let path = folder.join(&CHALLENGES[1..]).join(token);
    let shown = path.display().to_string();
    match tokio::task::spawn_blocking(move || answer(&path)).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    {
        Ok(octets) if !octets.is_empty() => {
            let mut reply = HttpResponse::with_body(StatusCode::OK, actix_web::body::BoxBody::new(octets));
            let headers = reply.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(reply)
        }
        Ok(_) => Err(none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::debug!("{shown}: {error}; a challenge of ACME is answered with 404");
            Err(none())
        }
        Err(error) => {
            if let Some(tail) = TOLD.tail(Instant::now()) {
                tracing::warn!("{shown}: {error}; a challenge of ACME is answered with 404{tail}");
            }
            Err(none())
        }
    }
}

/// What a file has in it. Who may write there may not be who may read everything, so no link is followed, and nothing
/// is opened that could be waited for.
fn answer(path: &Path) -> io::Result<Vec<u8>> {
    let file = plain_file::read(path, false)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut octets = Vec::new();
    file.take(LONGEST).read_to_end(&mut octets)?;
    Ok(octets)
}

fn redirect(
    thread: &ServingThread,
    incoming: &Incoming,
    certificates: Option<&Certificates>,
) -> Result<HttpResponse, Error> {
    let host = incoming.headers().get(header::HOST).and_then(|host| host.to_str().ok()).map(name_of);
    let server = &thread.site.server;
    // A certificate's `*` is no host, and an escape might be read as another one.
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.' | b':' | b'[' | b']');
    let is_own = |host: &str| match server.server_names.is_empty() {
        true => certificates.is_some_and(|certificates| certificates.cover(host.trim_matches(['[', ']']))),
        false => server.server_names.has(host),
    };
    let Some(host) = host.filter(|host| host.bytes().all(is_name) && is_own(host)) else {
        thread.counts.turned_away(TurnedAway::Name);
        return Err(Error::new(421, "this host is not served here"));
    };
    let port = server.listening.tcp().map_or(HTTPS, |(_, port)| port);
    let port = if port == HTTPS { String::new() } else { format!(":{port}") };
    let target = incoming.uri().path_and_query().map_or("/", |target| target.as_str());
    let target = if target.starts_with('/') { target } else { "/" };
    let location = format!("https://{host}{port}{target}");
    let mut reply = HttpResponse::new(StatusCode::PERMANENT_REDIRECT);
    let location = HeaderValue::try_from(location).map_err(|_| Error::new(400, "the target cannot be sent on"))?;
    reply.headers_mut().insert(header::LOCATION, location);
    Ok(reply)
}
