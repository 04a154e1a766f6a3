//! The headers that go from end to end, and those that concern one connection alone (RFC 9110, 7.6.1).

use std::borrow::Cow;

use actix_web::http::header::{self, HeaderMap};
use skitai_actors::http::passed::FieldLines;
use skitai_wire::http1::UnsendableHead;

use super::{forwarding, via};
use crate::app::calls::budget;
use crate::app::{Error, Request};
use crate::config::HeaderRule;

/// Headers of one connection, whether or not `Connection` lists them. `expect` and what frames a body are each side's
/// own; `proxy` is no header of HTTP, and CGI programs take it for a setting of theirs.
const OF_ONE_CONNECTION: [&str; 13] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
    "proxy",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-authentication-info",
];

/// The words that the lines of `Connection` list, in lower case.
pub(crate) fn listed<'v>(lines: impl Iterator<Item = &'v [u8]>) -> Vec<String> {
    let mut words = Vec::new();
    for line in lines {
        for word in line.split(|&octet| octet == b',') {
            words.push(String::from_utf8_lossy(word.trim_ascii()).to_ascii_lowercase());
        }
    }
    words
}

/// Whether a header, whose name is in lower case, stays on its connection.
pub(crate) fn stays(name: &str, listed: &[String]) -> bool {
    OF_ONE_CONNECTION.contains(&name) || listed.iter().any(|word| word == name)
}

/// All lines of a header as one, as a List may be written (RFC 9110, 5.3).
pub(super) fn joined(headers: &HeaderMap, name: &str) -> String {
    let mut joined = String::new();
    for line in headers.get_all(name) {
        if !joined.is_empty() {
            joined.push_str(", ");
        }
        joined.push_str(&String::from_utf8_lossy(line.as_bytes()));
    }
    joined
}

/// The headers for the member, but for `host` and what frames the body. `left_ms`: the time that is left for an answer.
pub(super) fn fields(request: &Request, mount: &str, left_ms: u64, rules: &[HeaderRule]) -> Result<FieldLines, Error> {
    let unsendable = |why: UnsendableHead| Error::new(400, format!("a header cannot be passed on: {why}"));
    let headers = &request.headers;
    let passed = joined(headers, header::VIA.as_str());
    via::check(&passed)?;
    let listed = listed(headers.get_all(header::CONNECTION).map(|line| line.as_bytes()));
    let is_trusted = forwarding::is_by_trusted(request);
    let mut fields = FieldLines::default();
    for (name, value) in headers {
        let name = name.as_str();
        // A disguise to programs that get headers as variables of the environment.
        let read_as = if name.contains('_') { Cow::Owned(name.replace('_', "-")) } else { Cow::Borrowed(name) };
        let is_replaced = matches!(&*read_as, "host" | "content-length" | "via" | budget::HEADER)
            || forwarding::is_replaced(name, is_trusted);
        if !is_replaced && !stays(&read_as, &listed) {
            fields.put(name, value.as_bytes()).map_err(unsendable)?;
        }
    }
    let mut add = |name: &str, value: &str| fields.put(name, value.as_bytes());
    add("via", &via::with_own(&passed, request.version())).map_err(unsendable)?;
    add(budget::HEADER, &left_ms.to_string()).map_err(unsendable)?;
    forwarding::add(&mut fields, request, mount, is_trusted).map_err(unsendable)?;
    for HeaderRule { name, value } in rules {
        fields.remove(name);
        if let Some(value) = value {
            fields.put(name, value.as_bytes()).map_err(unsendable)?;
        }
    }
    Ok(fields)
}
