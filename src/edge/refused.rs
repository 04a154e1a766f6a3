//! The answer to an invalid request: counted and logged like that to a valid one.

use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::respond;
use super::thread::ServingThread;
use crate::app::Error;
use crate::app::coverage::Audience;
use crate::app::request::client;
use crate::app::request::id::{RequestId, X_REQUEST_ID};
use crate::connection::Refused;
use crate::observe::access::AccessLine;
use crate::observe::counts::TurnedAway;
use crate::observe::log::one_line;
use crate::observe::route_counts::ServedBy;
use crate::observe::seldom::Seldom;

/// The reply. Any client can cause it, so it is logged at a level that raises no alarms.
pub(crate) fn reply(thread: &ServingThread, refused: &Refused<'_>) -> HttpResponse {
    let Refused { status, ref why, peer, head } = *refused;
    // Nobody knows when it began.
    thread.count(ServedBy::UNMATCHED, status, Duration::ZERO);
    thread.counts.turned_away(TurnedAway::Head);
    let peer = peer.map(client::canonical);
    let (method, target) = words(head, SHOWN);
    let error = Error::new(status, why.as_str());
    let mut reply = respond::error(&error, None, Audience::default(), None);
    let id = RequestId::new();
    if let Some(log) = &thread.log {
        let (bytes, since, id) = (respond::length(&reply), Instant::now(), Some(id.as_str()));
        log.line(peer, &AccessLine { method: &method, uri: &target, status, bytes, since, id });
    }
    let from = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
    // The access log has each of them.
    if let Some(tail) = TOLD.tail(Instant::now()) {
        tracing::info!(request = %id, peer = from, method, uri = target, "{status} {}{tail}", one_line(why));
    }
    reply.headers_mut().insert(X_REQUEST_ID, id.to_header());
    reply
}

/// Some thousand in a second would fill the disk.
static TOLD: Seldom = Seldom::new(20);
/// The most octets of an invalid target that a log shows.
const SHOWN: usize = 200;

/// Method and target of what may not be a head, safe for a log, the target cut to `most` octets.
pub(crate) fn words(head: &[u8], most: usize) -> (String, String) {
    let line = head.trim_ascii_start().split(|&octet| matches!(octet, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = line.split(|&octet| octet == b' ').filter(|word| !word.is_empty());
    let mut word = |most: usize| match words.next() {
        // Any other octet could end a line or a field of the log.
        Some(word) if word.iter().take(most).all(u8::is_ascii_graphic) => {
            String::from_utf8_lossy(&word[..word.len().min(most)]).into_owned()
        }
        Some(word) => percent_encode(&word[..word.len().min(most)], UNPRINTED).to_string(),
        None => "-".to_owned(),
    };
    (word(20), word(most))
}

/// The characters to escape: all but visible ASCII.
const UNPRINTED: &AsciiSet = &CONTROLS.add(b' ');
