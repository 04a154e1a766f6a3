//! Static files: a file of a mounted folder always takes precedence over an app.
//!
//! - [`Folders`]: the folders of one mount, with the paths that are known not to be files ([`misses`]);
//! - [`lookup`]: the look at the disk, on a thread of [`disk`], which bounds how many wait for it; [`beneath`]: opens a
//!   file so that no link leads out of its folder;
//! - [`ranges`], and [`conditional`](super::conditional): what of a file is asked for, and whether the client has it;
//! - [`kinds`]: its content type; [`body`]: its octets.
//!
//! So every GET of an app's page first asks whether there is a file of that name. To spare busy pages a look at the
//! disk each time, every thread remembers for a second that a path is not a file. Nothing here waits for a disk on an
//! event loop.

mod beneath;
mod body;
pub(crate) mod disk;
mod kinds;
pub(crate) mod lookup;
mod misses;
mod ranges;

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, VARY,
};
use actix_web::http::{Method, StatusCode};
use body::FileBody;
use disk::{Disk, DiskError};
use lookup::{Found, FoundFile, Manner, SendPlan, Sought};
use misses::Misses;
use percent_encoding::percent_decode_str;

use super::accepts::Accepted;
use super::conditional::Conditions;
use super::error_log;
use super::thread::ServingThread;
use crate::app::error::RETRY_AFTER;
use crate::app::routing::mount::Mount;
use crate::app::{Error, Request, Was};
use crate::config::{FolderRules, ServerSettings};

/// Longer names are on no file system.
const LONGEST_NAME: usize = 255;
/// A file that never changes under its name is kept for a year, which is the longest that means anything.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A page that names files by what is in them is asked for each time, and mostly answered with 304.
const ASK: HeaderValue = HeaderValue::from_static("no-cache");

/// The folders of one mount, as one thread sees them.
#[derive(Debug)]
pub(crate) struct Folders {
    paths: Arc<[PathBuf]>,
    rules: Arc<FolderRules>,
    max_age: HeaderValue,
    /// In devel mode browsers must not keep files.
    devel: bool,
    misses: Misses,
    disk: Rc<Disk>,
}

impl Folders {
    pub(crate) fn of(mount: &Mount, server: &ServerSettings) -> Folders {
        let ServerSettings { static_max_age, devel, deadline, .. } = *server;
        let rules = mount.folder_rules.clone();
        let max_age = if devel { Duration::ZERO } else { rules.max_age.unwrap_or(static_max_age) };
        let max_age = HeaderValue::try_from(format!("max-age={}", max_age.as_secs()));
        Folders {
            paths: mount.folders.clone().into(),
            rules,
            max_age: max_age.unwrap_or(ASK),
            devel,
            misses: Misses::new(!devel),
            disk: Disk::new(deadline),
        }
    }

    /// The handler's own files, which are in no folder of a mount.
    pub(crate) fn none(server: &ServerSettings) -> Folders {
        Folders::of(&Mount::at("", None), server)
    }

    /// Whether the disk must be looked at for a path: for one that may be a file, and is not known to be none.
    pub(super) fn may_have(&self, path: &str, rest: &str, now: Instant) -> bool {
        !self.paths.is_empty() && !self.misses.holds(path, misses::first(path, rest), now) && safe(rest).is_some()
    }

    /// Looks for a path, of which `rest` is what is below the mount.
    pub(super) async fn find(&self, path: &str, rest: &str, request: &Request) -> Result<Found, Error> {
        let Some(relative) = safe(rest) else { return Ok(Found::Nothing { lacks_first: false }) };
        // The mount's own path is that of its index, with a slash or without.
        let found = self.look(relative, path.ends_with('/') || path.is_empty(), request).await?;
        if let Found::Nothing { lacks_first } = found {
            match misses::first(path, rest).filter(|_| lacks_first) {
                Some(first) => self.misses.note(first, request.begun),
                None => self.misses.note(path, request.begun),
            }
        }
        Ok(found)
    }

    /// Whether the fallback is for a path: one that a person asks for. A script or a picture that is missing is a 404,
    /// or a browser would try to run a page.
    pub(super) fn falls_back(&self, path: &str, request: &Request) -> bool {
        if self.rules.fallback.is_none() || self.paths.is_empty() {
            return false;
        }
        let says = |name: &str, is_page: fn(&str) -> bool| request.get_header(name).is_none_or(is_page);
        let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        let is_page = ending.and_then(kinds::known).is_none_or(|kind| kind == "text/html");
        is_page
            && says("sec-fetch-mode", |mode| mode == "navigate")
            && says("accept", |accept| accept.contains("text/html") || accept.contains("*/*"))
    }

    /// The fallback, if it is there.
    pub(super) async fn fallback(&self, request: &Request) -> Result<Option<Box<FoundFile>>, Error> {
        let Some(name) = &self.rules.fallback else { return Ok(None) };
        match self.look(PathBuf::from(name), false, request).await? {
            Found::File(file) => Ok(Some(file)),
            Found::NeedsSlash | Found::Nothing { .. } => Ok(None),
        }
    }

    async fn look(&self, relative: PathBuf, has_slash: bool, request: &Request) -> Result<Found, Error> {
        let links = self.rules.links.unwrap_or(false);
        let manner = Manner { precompressed: self.rules.precompressed.unwrap_or(true), ..manner(request) };
        let sought = Sought { folders: self.paths.clone(), relative, has_slash, links, manner };
        let found = self.disk.run(move || lookup::look(&sought)).await.map_err(|why| unread(&why))?;
        found.map_err(|why| {
            // Whether there is a file is not known: a 404 would be a lie, and may be kept.
            tracing::error!(uri = request.uri(), "static file: {why}");
            Error::new(503, "the server's files cannot be read at the moment").retry_after(RETRY_AFTER)
        })
    }

    /// Sends a file of the folders.
    pub(super) fn send(&self, file: FoundFile) -> HttpResponse {
        let name = file.name.to_str();
        let is_like = |globs: &Vec<crate::config::Glob>| name.is_some_and(|name| globs.iter().any(|g| g.matches(name)));
        let age = if self.devel {
            self.max_age.clone()
        } else if self.rules.immutable.as_ref().is_some_and(is_like) {
            FOREVER
        } else if self.rules.fallback.is_some() && name == self.rules.fallback.as_deref() {
            ASK
        } else {
            self.max_age.clone()
        };
        let mut reply = reply_with(file, &self.disk);
        if reply.status() != StatusCode::RANGE_NOT_SATISFIABLE && reply.status() != StatusCode::PRECONDITION_FAILED {
            reply.headers_mut().insert(CACHE_CONTROL, age);
        }
        reply
    }
}

fn unread(why: &DiskError) -> Error {
    match why {
        DiskError::Late => Error::new(504, why.to_string()),
        DiskError::Busy | DiskError::Stopping => Error::new(503, why.to_string()).retry_after(RETRY_AFTER),
    }
}

fn manner(request: &Request) -> Manner {
    Manner {
        accepted: Accepted::of(request),
        precompressed: false,
        conditions: Conditions::of(request),
        is_head: request.method == Method::HEAD,
    }
}

/// The name below a folder for a path, percent-encoded as in a URL, whose mount is cut off. One file has one path:
/// `//`, `/./` and an escaped slash lead to none, or what a longer mount guards could be had by another name.
fn safe(rest: &str) -> Option<PathBuf> {
    let Some(names) = rest.strip_prefix('/') else { return rest.is_empty().then(PathBuf::new) };
    let mut path = PathBuf::new();
    if names.is_empty() {
        return Some(path);
    }
    for name in names.strip_suffix('/').unwrap_or(names).split('/') {
        let name = percent_decode_str(name).decode_utf8().ok()?;
        // Certificate authorities read their challenge from this folder (RFC 8615); every other name with a dot is
        // hidden.
        let is_hidden = name.starts_with('.') && name != ".well-known";
        if name.is_empty() || is_hidden || name.contains(['/', '\\', '\0']) || name.len() > LONGEST_NAME {
            return None;
        }
        path.push(&*name);
    }
    Some(path)
}

/// The reply with what is sent of a file.
fn reply_with(file: FoundFile, disk: &Rc<Disk>) -> HttpResponse {
    let (status, part) = match file.plan {
        SendPlan::NotModified => (StatusCode::NOT_MODIFIED, None),
        SendPlan::Failed => (StatusCode::PRECONDITION_FAILED, None),
        SendPlan::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, None),
        SendPlan::Whole => (StatusCode::OK, Some((0, file.length))),
        SendPlan::Part { start, length } => (StatusCode::PARTIAL_CONTENT, Some((start, length))),
    };
    let mut reply = HttpResponse::new(status);
    let headers = reply.headers_mut();
    let mut put = |name, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    match file.plan {
        SendPlan::Unsatisfiable => put(CONTENT_RANGE, format!("bytes */{}", file.length)),
        SendPlan::Part { start, length } => {
            put(CONTENT_RANGE, format!("bytes {start}-{}/{}", start + length - 1, file.length));
        }
        _ => {}
    }
    if file.plan != SendPlan::Unsatisfiable && file.plan != SendPlan::Failed {
        put(ETAG, file.etag);
        if let Some(modified) = file.modified {
            put(LAST_MODIFIED, httpdate::fmt_http_date(modified));
        }
    }
    if file.varies {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    let Some((start, length)) = part else { return reply };
    headers.insert(CONTENT_TYPE, content_type(file.kind));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(coding) = file.coding {
        headers.insert(CONTENT_ENCODING, coding.to_header());
    }
    let body = FileBody::new(file.file, disk.clone(), start, length, file.first);
    reply.set_body(body).map_into_boxed_body()
}

/// Texts are taken for UTF-8.
fn content_type(kind: &'static str) -> HeaderValue {
    match kind {
        "text/html" => HeaderValue::from_static("text/html; charset=utf-8"),
        "text/css" => HeaderValue::from_static("text/css; charset=utf-8"),
        "text/javascript" => HeaderValue::from_static("text/javascript; charset=utf-8"),
        "text/plain" => HeaderValue::from_static("text/plain; charset=utf-8"),
        _ if kind.starts_with("text/") => {
            HeaderValue::try_from(format!("{kind}; charset=utf-8")).unwrap_or(HeaderValue::from_static(kind))
        }
        _ => HeaderValue::from_static(kind),
    }
}

/// The file that a handler replies with.
pub(crate) async fn reply(thread: &ServingThread, path: PathBuf, was: &Was) -> Result<HttpResponse, Error> {
    let shown = path.display().to_string();
    let (manner, disk) = (manner(&was.request), &thread.own_files.disk);
    let found = disk.run(move || lookup::own(&path, &manner)).await.map_err(|why| unread(&why));
    let read = found.and_then(|found| {
        found.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::new(404, "there is no such file"),
            _ => Error::internal(format!("the file {shown}: {error}")),
        })
    });
    match read {
        Ok(file) => Ok(reply_with(*file, disk)),
        Err(mut error) => {
            error_log::log(&was.request, &mut error);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_path() {
        assert_eq!(safe("/a/b.html"), Some(PathBuf::from("a/b.html")));
        assert_eq!(safe("/a/b%20c"), Some(PathBuf::from("a/b c")));
        assert_eq!((safe(""), safe("/"), safe("/a/")), (Some("".into()), Some("".into()), Some("a".into())));
        assert_eq!(safe("/.well-known/acme-challenge/x"), Some(PathBuf::from(".well-known/acme-challenge/x")));
        for bad in [
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/./a",
            "/a/.",
            "/../x",
            "/a/../../x",
            "/%2e%2e/x",
            "/a\\..\\x",
            "/.hidden",
            "/a/.git/config",
            "/x%00",
            "/%ff",
            "/a%2fb",
            "/a%2Fb",
            "/%2fetc",
            "/a%5cb",
            "a",
        ] {
            assert_eq!(safe(bad), None, "{bad}");
        }
        assert_eq!(safe(&format!("/{}", "x".repeat(LONGEST_NAME + 1))), None);
    }
}
