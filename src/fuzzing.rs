//! Entry points of the fuzz targets (`fuzz/`). Each passes untrusted bytes to the code that parses them and asserts the
//! properties that must hold for any input. Compiled with the feature `fuzzing`, which is off by default, and into this
//! crate's tests, which run the corpus.
//!
//! The parts of an input are separated by line feeds, so that a corpus can be written in an editor.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use actix_rt::SystemRunner;
use actix_web::dev::{AppConfig, Payload};
use actix_web::error::PayloadError;
use actix_web::http::Uri;
use actix_web::http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::stream;
use skitai_actors::session::Sealer;
use skitai_wire::Value;

use crate as skitai;
use crate::__private::Routed;
use crate::app::{Bind, Cookies, Face, Form, Given, Json, Request, RequestBuilder, Session, Upload, Was};
use crate::config;
use crate::config::{ForwardedHeader, Loaded, ServerSettings, TrustedProxies};
use crate::connection::Peer;
use crate::connection::heard::{All, heard};
use crate::edge::large::BodyMemory;
use crate::edge::shelf::Shelf;
use crate::edge::thread::ServingThread;
use crate::edge::{arguments, upload};
use crate::prelude::route;
use crate::serve::keys::Keys;
use crate::serve::site::OpenSite;
use crate::serve::slot;

/// A handler with every kind of argument.
#[route("/every/<int:n>/<word>")]
#[allow(clippy::too_many_arguments, reason = "that is what it is for")]
async fn every(
    _was: Was,
    n: i64,
    word: String,
    small: Option<u8>,
    real: Option<f32>,
    truth: Option<bool>,
    octets: Option<Bytes>,
    any: Option<Value>,
    list: Vec<i32>,
    own: Option<Json<Vec<(String, i64)>>>,
    file: Option<Upload>,
    rest: Form,
) -> String {
    format!("{n}{word}{small:?}{real:?}{truth:?}{octets:?}{any:?}{list:?}{own:?}{file:?}{rest:?}")
}

/// An actor system, and what serves on it.
type Serving = ManuallyDrop<(SystemRunner, Rc<ServingThread>)>;

thread_local! {
    /// The actor system and serving state of this thread, made once: making them costs more than an input. They are
    /// not dropped: at the end of a thread an actor system finds tokio's own thread-locals gone.
    static HERE: RefCell<Option<Serving>> = const { RefCell::new(None) };
}

/// Runs a closure on the actor system of this thread.
fn here<T>(run: impl AsyncFnOnce(&ServingThread) -> T) -> T {
    HERE.with_borrow_mut(|here| {
        let (system, thread) = &mut **here.get_or_insert_with(|| {
            let system = actix_rt::System::new();
            let loaded = Loaded::without_conf(Path::new("/nonexistent"), &["a"]);
            let thread = system.block_on(async {
                let app = crate::App::new("a").routes(skitai::routes![every]);
                let site = OpenSite::open(&loaded, vec![app], &Keys::ephemeral(), None).expect("a good site");
                slot::start(&site, 0, AppConfig::default())
            });
            ManuallyDrop::new((system, thread))
        });
        system.block_on(run(thread))
    })
}

/// Splits the input at its first line feed.
fn line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|&byte| byte == b'\n') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[]),
    }
}

/// Input: content type, query and last part of the path, a line each; then the body. Binds them as the edge does.
pub fn binder(input: &[u8]) {
    let (content_type, rest) = line(input);
    let (query, rest) = line(rest);
    let (word, body) = line(rest);
    let Ok(content_type) = HeaderValue::from_bytes(content_type) else { return };
    let Ok(uri) = Uri::try_from([b"/every/1/x?", query].concat()) else { return };
    let mut request = Request::empty(Instant::now());
    request.headers.insert(CONTENT_TYPE, content_type);
    (request.uri, request.body) = (uri, Bytes::copy_from_slice(body));
    let path = vec![
        ("n".to_owned(), Value::Int(1)),
        ("word".to_owned(), Value::String(String::from_utf8_lossy(word).into_owned())),
    ];
    here(async |thread| {
        let route = <every as Routed>::ROUTE;
        let builder = RequestBuilder::new(request.clone(), thread.services.clone());
        let was = builder.ready(Face::Web, Session::default(), route, 0);
        let mut bind = Bind::new(was.clone(), route.params);
        if let Err(error) = arguments::collect(&mut bind, &request, None, Vec::new(), path) {
            assert!(error.to_string().len() < 2_000, "{error}");
            return;
        }
        bind.shown();
        match (route.call)(was, &mut bind) {
            Ok(work) => drop(work.await),
            Err(faults) => assert!(!faults.0.is_empty(), "a refusal says why"),
        }
    });
}

/// Input: the boundary and the sizes of the pieces (one byte each), a line each; then the body. Receives an upload.
pub fn multipart(input: &[u8]) {
    let (boundary, rest) = line(input);
    let (sizes, body) = line(rest);
    let Ok(kind) = HeaderValue::from_bytes(&[b"multipart/form-data; boundary=", boundary].concat()) else { return };
    let mut request = Request::empty(Instant::now());
    request.headers.insert(CONTENT_TYPE, kind);
    let mut server = ServerSettings { max_body: 1_000, ..ServerSettings::default() };
    (server.uploads.max_file, server.uploads.max_all, server.uploads.max_parts) = (2_000, 6_000, 10);
    let sizes: Vec<usize> = if sizes.is_empty() { vec![64] } else { sizes.iter().map(|&size| size.into()).collect() };
    let (mut rest, mut sizes) = (Bytes::copy_from_slice(body), sizes.into_iter().cycle());
    let pieces = std::iter::from_fn(move || {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len().max(1));
        (!rest.is_empty()).then(|| Ok::<_, PayloadError>(rest.split_to(size)))
    });
    let payload: Payload = Payload::Stream { payload: Box::pin(stream::iter(pieces)) };
    let folder = tempfile::tempdir().expect("a folder");
    let shelf = Arc::new(Shelf::open(Some(folder.path())).expect("a folder"));
    let params = <every as Routed>::ROUTE.params;
    let received =
        here(async |_| upload::receive(&request, payload, &server, &shelf, BodyMemory::alone(), params).await);
    if let Ok(parts) = received {
        assert!(parts.len() <= 10, "{} parts", parts.len());
        for (_, given) in parts {
            match given {
                Given::File(file) => {
                    assert!(file.size() <= 2_000, "{file:?}");
                    assert_eq!(std::fs::metadata(file.path()).expect("it is there").len(), file.size());
                }
                Given::Text(text) => assert!(text.len() <= 1_000),
                Given::Typed(_) => {}
            }
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0, "a file is left behind");
}

/// Input: lines of `Cookie`, each also used as a sealed session. Every cookie read can be set and reads back unchanged.
pub fn cookies(input: &[u8]) {
    let sealer = Sealer::new(b"the key of the fuzz targets", &[b"an older one".to_vec()]);
    let mut headers = HeaderMap::new();
    for line in input.split(|&byte| byte == b'\n') {
        let sealed = sealer.open("SESSION", &String::from_utf8_lossy(line), SystemTime::now());
        assert!(sealed.is_err(), "nobody sealed that");
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(COOKIE, value);
        }
    }
    let sent = Cookies::of(&headers);
    for (name, value) in sent.items() {
        assert_eq!(sent.get(&name).as_ref(), Some(&value));
        let set = Cookies::default();
        if set.set(&name, &value).is_ok() {
            let line = set.take().concat();
            let pair = line.split(';').next().expect("a pair");
            let mut again = HeaderMap::new();
            again.insert(COOKIE, HeaderValue::from_str(pair).expect("a header's value"));
            assert_eq!(Cookies::of(&again).get(&name), Some(value), "{line}");
        }
    }
    sent.clear();
}

/// Input: a conf. It is loaded or reported, and every place of a report is within the text, at character boundaries.
pub fn ini(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // Files of secrets and CAs are read from the disk: the fuzzer must not choose them.
    if text.contains("file") {
        return;
    }
    let report = match config::parse("fuzz.conf", text, Path::new("/nonexistent"), &|_| None) {
        Ok(loaded) => loaded.warnings,
        Err(report) => report,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for problem in report.errors().chain(report.warnings()) {
        assert!(problem.span.clone().is_none_or(|span| text.get(span).is_some()), "{problem:?}");
    }
    assert_eq!(report.is_empty(), report.render(false).is_empty());
    report.render(true);
}

/// Input: lines of `X-Forwarded-For`, `Forwarded` and `X-Forwarded-Proto` in turn. Computes the client behind a trusted
/// proxy; behind an untrusted one the client must be the peer.
pub fn forwarded(input: &[u8]) {
    let names = ["x-forwarded-for", "forwarded", "x-forwarded-proto"];
    let mut request = Request::empty(Instant::now());
    for (line, name) in input.split(|&byte| byte == b'\n').zip(names.into_iter().cycle()) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            request.headers.append(HeaderName::from_static(name), value);
        }
    }
    let networks: Vec<_> = ["10.0.0.0/8", "fd00::/8"].iter().map(|text| text.parse().expect("a network")).collect();
    for header in [None, Some(ForwardedHeader::XForwardedFor), Some(ForwardedHeader::Forwarded)] {
        request.proxies = Some(Arc::new(TrustedProxies { networks: networks.clone(), unix: true, header }));
        let addresses = ["10.0.0.1:80", "[fd00::1]:80", "192.0.2.1:80"].map(|text| text.parse().map(Peer::Address));
        for peer in addresses.into_iter().map(|peer| peer.expect("an address")).chain([Peer::Unix]) {
            request.peer = Some(peer);
            let (client, secure) = (request.client_addr(), request.is_secure());
            let address = client.expect("a client").address();
            assert!(address.is_none_or(|client| client.ip() == client.ip().to_canonical()));
            assert!(address.is_some() || peer == Peer::Unix);
            if peer.to_string() == "192.0.2.1:80" {
                assert_eq!((client, secure), (Some(peer), false), "the word of a stranger");
            }
            assert!(!request.is_local() || peer == Peer::Unix, "it has another address");
        }
    }
}

/// Input: a client's octets. Received whole and in pieces that end at `ends`, they must give the same requests, and
/// those must equal the `expected` ones of another parser (method, body, and whether a request may follow).
pub fn connection(octets: &[u8], ends: &[usize], expected: &[(String, Vec<u8>, bool)]) {
    thread_local! {
        static SYSTEM: actix_rt::SystemRunner = actix_rt::System::new();
    }
    SYSTEM.with(|system| {
        let whole = system.block_on(heard(octets, &[]));
        let pieces = system.block_on(heard(octets, ends));
        assert_eq!(pieces.requests, whole.requests);
        // A request that is refused before its line has ended gets a different text.
        let status = |all: &All| all.refused.as_ref().map(|(status, _)| *status);
        assert_eq!(status(&pieces), status(&whole), "{pieces:?}, {whole:?}");
        whole.check(expected);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_of_the_fuzzers() {
        type Target = fn(&[u8]);
        let targets: [(&str, Target); 5] = [
            ("binder", binder),
            ("multipart", multipart),
            ("cookies", cookies),
            ("ini", ini),
            ("forwarded", forwarded),
        ];
        for (name, target) in targets {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
            let inputs = std::fs::read_dir(folder).expect("a corpus").map(|entry| entry.expect("a file").path());
            let tried = inputs.map(|input| target(&std::fs::read(input).expect("readable"))).count();
            assert!(tried >= 4, "{tried} inputs for {name}");
        }
    }
}
