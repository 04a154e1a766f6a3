//! Static files: a file of a mounted folder always takes precedence over an app.
//!
//! So every GET of an app's page first checks whether there is a file of that name. To spare busy pages a system call
//! each time, every thread remembers for a second that a path is not a file.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use percent_encoding::percent_decode_str;

use super::error_log;
use super::thread::ServingThread;
use crate::app::reply::files::relative;
use crate::app::{Error, Request, Was};

/// How long "no such file" is remembered: a new file appears at most this much later.
const MISS_HOLDS: Duration = Duration::from_secs(1);
/// Paths remembered per thread. When the table is full it is cleared, which costs one check for each path.
const MISSES: usize = 4096;
/// Longer paths, in bytes, are not remembered: a client chooses them, and they take our memory.
const REMEMBERED: usize = 256;
/// The index files of a folder, in order of precedence.
const INDEX: [&str; 2] = ["index.htm", "index.html"];

/// The paths of one mount that a thread knows not to be files.
#[derive(Debug, Default)]
pub(crate) struct Misses {
    known: RefCell<HashMap<String, Instant>>,
    /// True in devel mode, where nothing is remembered: a new file appears at the next request.
    is_off: bool,
}

impl Misses {
    pub(crate) fn new(remembers: bool) -> Misses {
        Misses { is_off: !remembers, ..Misses::default() }
    }

    fn holds(&self, key: &str, now: Instant) -> bool {
        self.known.borrow().get(key).is_some_and(|&since| now.duration_since(since) < MISS_HOLDS)
    }

    fn note(&self, key: &str, now: Instant) {
        if self.is_off || key.len() > REMEMBERED {
            return;
        }
        let mut misses = self.known.borrow_mut();
        if misses.len() >= MISSES {
            misses.clear();
        }
        misses.insert(key.to_owned(), now);
    }
}

/// The result of looking for a path in a folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileMatch {
    File(PathBuf),
    /// A folder without its trailing slash: relative links in its page would break.
    NeedsSlash,
    Nothing,
}

/// Looks for a path (as in the URL, relative to the mount) in the mounted folders.
pub(crate) fn look(folders: &[PathBuf], whole: &str, rest: &str, misses: &Misses, now: Instant) -> FileMatch {
    if folders.is_empty() {
        return FileMatch::Nothing;
    }
    if misses.holds(whole, now) {
        return FileMatch::Nothing;
    }
    let found = safe(rest).map_or(FileMatch::Nothing, |relative| {
        folders
            .iter()
            .map(|folder| in_folder(folder, &relative, whole))
            .find(|found| *found != FileMatch::Nothing)
            .unwrap_or(FileMatch::Nothing)
    });
    if found == FileMatch::Nothing {
        misses.note(whole, now);
    }
    found
}

fn in_folder(folder: &Path, relative: &Path, whole: &str) -> FileMatch {
    let path = folder.join(relative);
    let Ok(meta) = std::fs::metadata(&path) else { return FileMatch::Nothing };
    if meta.is_file() {
        // `/page.html/` is not the file `/page.html`.
        return if whole.ends_with('/') { FileMatch::Nothing } else { FileMatch::File(path) };
    }
    let Some(index) = INDEX.iter().map(|name| path.join(name)).find(|index| index.is_file()) else {
        return FileMatch::Nothing;
    };
    if whole.ends_with('/') || whole.is_empty() { FileMatch::File(index) } else { FileMatch::NeedsSlash }
}

/// The path within the folder, percent-encoded as in a URL.
fn safe(rest: &str) -> Option<PathBuf> {
    relative(&percent_decode_str(rest).decode_utf8().ok()?)
}

/// Sends a file of a folder: content type by name, ETag and Last-Modified, conditional and range requests, `max-age`.
pub(crate) async fn send(thread: &ServingThread, path: PathBuf, request: &Request) -> HttpResponse {
    let server = &thread.site.server;
    match thread.actix.file(path, request).await {
        Ok(mut response) => {
            // In devel mode browsers must not cache files.
            let max_age = if server.devel { Duration::ZERO } else { server.static_max_age };
            if let Ok(value) = HeaderValue::from_str(&format!("max-age={}", max_age.as_secs())) {
                response.headers_mut().insert(CACHE_CONTROL, value);
            }
            response
        }
        Err(error) => {
            // It was there a moment ago: now it is gone, or we may not read it.
            tracing::warn!(uri = request.uri(), "static file: {error}");
            HttpResponse::NotFound().finish()
        }
    }
}

/// The file that a handler replies with.
pub(crate) async fn reply(thread: &ServingThread, path: PathBuf, was: &Was) -> Result<HttpResponse, Error> {
    let shown = path.display().to_string();
    thread.actix.file(path, &was.request).await.map_err(|error| {
        let mut error = match error.kind() {
            std::io::ErrorKind::NotFound => Error::new(404, "there is no such file"),
            _ => Error::internal(format!("the file {shown}: {error}")),
        };
        error_log::log(&was.request, &mut error);
        error
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_their_folder() {
        assert_eq!(safe("a/b.html"), Some(PathBuf::from("a/b.html")));
        assert_eq!(safe("a//b%20c"), Some(PathBuf::from("a/b c")));
        assert_eq!(safe(".well-known/acme-challenge/x"), Some(PathBuf::from(".well-known/acme-challenge/x")));
        for bad in ["../x", "a/../../x", "%2e%2e/x", "a\\..\\x", ".hidden", "a/.git/config", "x%00", "%ff"] {
            assert_eq!(safe(bad), None, "{bad}");
        }
    }

    #[test]
    fn index_htm_stands_before_index_html_and_a_miss_is_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("index.html"), "html").expect("written");
        let folders = [folder.path().to_owned()];
        let (misses, now) = (Misses::default(), Instant::now());
        assert_eq!(look(&folders, "/", "", &misses, now), FileMatch::File(folder.path().join("index.html")));
        std::fs::write(folder.path().join("index.htm"), "htm").expect("written");
        assert_eq!(look(&folders, "/", "", &misses, now), FileMatch::File(folder.path().join("index.htm")));
        assert_eq!(look(&folders, "/new.txt", "new.txt", &misses, now), FileMatch::Nothing);
        std::fs::write(folder.path().join("new.txt"), "new").expect("written");
        assert_eq!(
            look(&folders, "/new.txt", "new.txt", &misses, now),
            FileMatch::Nothing,
            "the miss holds for a second"
        );
        assert_eq!(
            look(&folders, "/new.txt", "new.txt", &Misses::default(), now),
            FileMatch::File(folder.path().join("new.txt"))
        );
    }

    #[test]
    fn a_long_path_is_not_remembered() {
        let (misses, now) = (Misses::default(), Instant::now());
        let long = "x".repeat(REMEMBERED + 1);
        assert_eq!(look(&[PathBuf::from("/nonexistent")], &long, &long, &misses, now), FileMatch::Nothing);
        assert!(misses.known.borrow().is_empty());
    }

    #[test]
    fn a_folder_is_asked_for_with_its_slash() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("sub")).expect("made");
        std::fs::write(folder.path().join("sub/index.html"), "x").expect("written");
        let (folders, now) = ([folder.path().to_owned()], Instant::now());
        assert_eq!(look(&folders, "/sub", "sub", &Misses::default(), now), FileMatch::NeedsSlash);
        assert!(matches!(look(&folders, "/sub/", "sub/", &Misses::default(), now), FileMatch::File(_)));
    }
}
