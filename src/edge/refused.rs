//! What a connection could not take for a request: counted, logged and answered as one all the same.

use std::time::Instant;

use actix_web::HttpResponse;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

use super::respond;
use super::thread::ServingThread;
use crate::app::Error;
use crate::app::request::client;
use crate::connection::Refused;
use crate::observe::log::one_line;

/// The reply. Whoever sent it may be anybody, so it is told at a level that fills nobody's pager.
pub(crate) fn reply(thread: &ServingThread, refused: &Refused<'_>) -> HttpResponse {
    let Refused { status, ref why, peer, head } = *refused;
    thread.counts.request(status);
    let peer = peer.map(client::canonical);
    let (method, target) = words(head, SHOWN);
    let error = Error::new(status, why.as_str());
    let reply = respond::error(&error, false, false);
    if let Some(log) = &thread.log {
        log.line(peer, &method, &target, status, respond::length(&reply), Instant::now());
    }
    let from = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
    if status < 500 {
        tracing::info!(peer = from, method, uri = target, "{status} {}", one_line(why));
    } else {
        tracing::warn!(peer = from, method, uri = target, "{status} {}", one_line(why));
    }
    reply
}

/// Octets of a target that is none that a log shows.
const SHOWN: usize = 200;

/// Method and target of what may be no head at all, as a log may show them, the target up to so many octets.
pub(crate) fn words(head: &[u8], most: usize) -> (String, String) {
    let line = head.trim_ascii_start().split(|&octet| matches!(octet, b'\r' | b'\n')).next().unwrap_or_default();
    let mut words = line.split(|&octet| octet == b' ').filter(|word| !word.is_empty());
    let mut word = |most: usize| match words.next() {
        // Another octet than these could end a line, or a field of it.
        Some(word) if word.iter().take(most).all(u8::is_ascii_graphic) => {
            String::from_utf8_lossy(&word[..word.len().min(most)]).into_owned()
        }
        Some(word) => percent_encode(&word[..word.len().min(most)], UNPRINTED).to_string(),
        None => "-".to_owned(),
    };
    (word(20), word(most))
}

/// What is no visible sign of ASCII.
const UNPRINTED: &AsciiSet = &CONTROLS.add(b' ');
