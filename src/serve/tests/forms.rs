//! Properties: in whatever pieces a client sends its arguments, they arrive unchanged or are refused as a whole.

use std::path::Path;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::test::TestRequest;
use bytes::Bytes;
use futures_util::stream;
use proptest::collection::vec;
use proptest::prelude::*;
use skitai_wire::{Map, Value};

use crate::app::{Bind, Error, Form, Given, Kind, Param, Request};
use crate::config::ServerSettings;
use crate::edge::large::BodyMemory;
use crate::edge::shelf::Shelf;
use crate::edge::{arguments, upload};

const fn param(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, required: false, default: None, doc: "" }
}

/// A route that takes everything.
const REST: &[Param] = &[param("form", Kind::Rest)];

fn request(content_type: &str) -> Request {
    let mut made = TestRequest::post().insert_header(("content-type", content_type)).to_request();
    super::taken(&mut made)
}

/// Receives a body in pieces of these sizes.
async fn receive(
    body: Vec<u8>,
    sizes: Vec<usize>,
    folder: &Path,
    params: &[Param],
) -> Result<Vec<(String, Given)>, Error> {
    let mut rest = Bytes::from(body);
    let mut sizes = sizes.into_iter().cycle();
    let pieces = std::iter::from_fn(move || {
        let size = sizes.next().unwrap_or(usize::MAX).clamp(1, rest.len().max(1));
        (!rest.is_empty()).then(|| Ok::<_, PayloadError>(rest.split_to(size)))
    });
    let payload: Payload = Payload::Stream { payload: Box::pin(stream::iter(pieces)) };
    let shelf = Arc::new(Shelf::open(Some(folder)).expect("a folder"));
    upload::receive(
        &request("multipart/form-data; boundary=b0und"),
        payload,
        &ServerSettings::default(),
        &shelf,
        BodyMemory::alone(),
        params,
    )
    .await
}

#[derive(Clone, Debug)]
struct Sent {
    name: String,
    file: Option<String>,
    content: Vec<u8>,
}

fn sent() -> impl Strategy<Value = Sent> {
    // Contents that resemble a boundary.
    let piece = prop_oneof![
        vec(any::<u8>(), 0..40),
        Just(b"\r\n".to_vec()),
        Just(b"\r\n--".to_vec()),
        Just(b"\r\n--b0un".to_vec()),
        Just(b"--b0und".to_vec()),
        Just(vec![b'x'; 70_000]),
    ];
    let content = vec(piece, 0..5).prop_map(|pieces| pieces.concat());
    let content = content.prop_filter("a boundary is what no content has", |content| {
        // The parser also accepts a boundary after a bare carriage return, which RFC 2046 does not.
        let within = |boundary: &[u8]| content.windows(boundary.len()).any(|window| window == boundary);
        !within(b"\r\n--b0und") && !within(b"\r--b0und") && !content.starts_with(b"--b0und")
    });
    ("[a-z\u{e4}-\u{f6} ]{1,8}", proptest::option::of("[a-z0-9.\u{ac00}-\u{ac10}]{1,8}x"), content)
        .prop_map(|(name, file, content)| Sent { name, file, content })
}

fn written(parts: &[Sent]) -> Vec<u8> {
    let mut body = Vec::new();
    for Sent { name, file, content } in parts {
        let (file, kind) = match file {
            Some(file) => (format!("; filename=\"{file}\""), ""),
            None => (String::new(), "Content-Type: application/octet-stream\r\n"),
        };
        body.extend_from_slice(
            format!("--b0und\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n{kind}\r\n").as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b0und--\r\n");
    body
}

fn run<T>(work: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(work)
}

fn left(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("a folder").count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_part_arrives_as_it_was_sent(parts in vec(sent(), 0..6), sizes in vec(1_usize..100_000, 1..5)) {
        let folder = tempfile::tempdir().expect("a folder");
        let given = run(receive(written(&parts), sizes, folder.path(), REST));
        let given = given.unwrap_or_else(|error| panic!("{error}"));
        prop_assert_eq!(given.len(), parts.len());
        for ((name, given), part) in given.iter().zip(&parts) {
            prop_assert_eq!(name, &part.name);
            match (given, &part.file) {
                (Given::File(file), Some(file_name)) => {
                    prop_assert_eq!(file.name(), file_name);
                    prop_assert_eq!(std::fs::read(file.path()).expect("it is there"), &part.content[..]);
                }
                (Given::Typed(Value::Bytes(octets)), None) => prop_assert_eq!(octets, &part.content),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        drop(given);
        prop_assert_eq!(left(folder.path()), 0);
    }

    #[test]
    fn a_damaged_form_is_refused_or_taken_and_leaves_nothing(
        parts in vec(sent(), 0..4),
        cut in any::<prop::sample::Index>(),
        slips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        sizes in vec(1_usize..5_000, 1..4),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut body = written(&parts);
        for (at, byte) in slips {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body.truncate(cut.index(body.len()) + 1);
        match run(receive(body, sizes, folder.path(), REST)) {
            Ok(given) => drop(given),
            Err(error) => prop_assert!((400..500).contains(&error.status()), "{}", error),
        }
        prop_assert_eq!(left(folder.path()), 0);
    }
}

#[test]
fn files_that_no_argument_is_for_are_never_written() {
    let part = |name: &str| Sent { name: name.to_owned(), file: Some("x".to_owned()), content: vec![b'x'; 600_000] };
    let body = written(&[part("other"), part("wanted"), part("another")]);
    let folder = tempfile::tempdir().expect("a folder");
    let wanted = [param("wanted", Kind::File)];
    let given = run(receive(body, vec![50_000], folder.path(), &wanted)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((given.len(), given[0].0.as_str(), left(folder.path())), (1, "wanted", 1));
}

/// A client's arguments by name, in the binder's order.
#[derive(Clone, Debug)]
struct Pairs {
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    path: Option<i64>,
}

fn pairs() -> impl Strategy<Value = Pairs> {
    let list = || vec(("[abc\u{e4}&=%+ ]{1,2}", "[ -~\u{e4}\u{ac00}]{0,3}"), 0..8);
    (list(), list(), proptest::option::of(any::<i64>())).prop_map(|(query, form, path)| Pairs { query, form, path })
}

fn encoded(pairs: &[(String, String)]) -> String {
    let text = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    pairs.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect::<Vec<_>>().join("&")
}

/// A route of three arguments and a catch-all.
const THREE: &[Param] =
    &[param("a", Kind::List(&Kind::Any)), param("b", Kind::Int), param("c", Kind::String), param("rest", Kind::Rest)];

proptest! {
    #[test]
    fn arguments_are_what_was_sent_in_the_order_query_form_path(sent in pairs()) {
        let (a, b, c, rest, faults) = super::with_thread(async |thread| {
            let uri = format!("/x?{}", encoded(&sent.query));
            let head = TestRequest::post().uri(&uri).insert_header(("content-type", "application/x-www-form-urlencoded"));
            let mut head = head.to_request();
            let mut request = super::taken(&mut head);
            request.body = encoded(&sent.form).into();
            let mut bind = Bind::new(super::was(&thread), THREE);
            let path = sent.path.map(|number| ("a".to_owned(), Value::Int(number))).into_iter().collect();
            arguments::collect(&mut bind, &request, None, Vec::new(), path).expect("it is well encoded");
            let taken = (bind.take::<Vec<Value>>(0), bind.take::<Option<i64>>(1), bind.take::<Option<String>>(2));
            let rest = bind.take::<Form>(3).expect("it takes everything").values;
            (taken.0, taken.1, taken.2, rest, bind.faults().0)
        });
        let all = || sent.query.iter().chain(&sent.form);
        let of = |wanted: &str| all().filter(|(name, _)| name == wanted).map(|(_, value)| value.clone()).collect::<Vec<_>>();
        let mut expected: Vec<Value> = of("a").into_iter().map(Value::String).collect();
        expected.extend(sent.path.map(Value::Int));
        prop_assert_eq!(a, Some(expected));
        let (bs, cs) = (of("b"), of("c"));
        let number = |text: &String| text.trim().parse::<i64>().ok();
        let b_fits = match bs.as_slice() { [] => true, [one] => one.trim().is_empty() || number(one).is_some(), _ => false };
        prop_assert_eq!(b, b_fits.then(|| bs.first().and_then(number)));
        prop_assert_eq!(c, (cs.len() < 2).then(|| cs.first().cloned()));
        // Every fault is reported exactly once.
        prop_assert_eq!(faults.len(), usize::from(!b_fits) + usize::from(cs.len() > 1), "{:?}", faults);
        let others: usize = all().filter(|(name, _)| !["a", "b", "c"].contains(&name.as_str())).count();
        prop_assert_eq!(count(&rest), others);
    }
}

/// Any value that JSON can write.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1_000..1_000_i32).prop_map(|quarters| Value::Double(f64::from(quarters) / 4.0)),
        "[ -~\u{e4}]{0,3}".prop_map(Value::String),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let pairs = vec(("[ab]", inner.clone()), 0..3);
        let map = pairs.prop_map(|pairs| Map(pairs.into_iter().map(|(name, value)| (name.into(), value)).collect()));
        prop_oneof![vec(inner, 0..3).prop_map(Value::List), map.prop_map(Value::Map)]
    })
}

/// The expected scalar: none if nothing or only nil was given, else the one value if it can be read.
fn scalar<T>(given: &[Value], read: impl Fn(&Value) -> Option<T>) -> Option<Option<T>> {
    match given {
        [] | [Value::Nil] => Some(None),
        [one] => read(one).map(Some),
        _ => None,
    }
}

proptest! {
    #[test]
    fn arguments_of_a_json_body_keep_their_types(
        query in vec(("[abcd]", "[ -~]{0,3}"), 0..4),
        body in vec(("[abcd\u{e4}]", json()), 0..6),
    ) {
        let (a, b, c, rest, faults) = super::with_thread(async |thread| {
            let uri = format!("/x?{}", encoded(&query));
            let mut head = TestRequest::post().uri(&uri).insert_header(("content-type", "application/json")).to_request();
            let mut request = super::taken(&mut head);
            let body = Map(body.iter().map(|(name, value)| (name.as_str().into(), value.clone())).collect());
            request.body = skitai_wire::json::to_vec(&Value::Map(body)).expect("it is JSON").into();
            let mut bind = Bind::new(super::was(&thread), THREE);
            arguments::collect(&mut bind, &request, None, Vec::new(), Vec::new()).expect("it is well encoded");
            let taken = (bind.take::<Vec<Value>>(0), bind.take::<Option<i64>>(1), bind.take::<Option<String>>(2));
            let rest = bind.take::<Form>(3).expect("it takes everything").values;
            (taken.0, taken.1, taken.2, rest, bind.faults().0)
        });
        let texts = |wanted: &str| query.iter().filter(|(name, _)| name == wanted).map(|(_, text)| text.clone()).collect::<Vec<_>>();
        let typed = |wanted: &str| body.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.clone()).collect::<Vec<_>>();
        let of = |wanted: &str| texts(wanted).into_iter().map(Value::String).chain(typed(wanted)).collect::<Vec<_>>();
        // A list counts as its entries.
        let expected: Vec<Value> = texts("a").into_iter().map(Value::String).chain(typed("a").into_iter().flat_map(|value| match value {
            Value::List(items) => items,
            one => vec![one],
        })).collect();
        prop_assert_eq!(a, Some(expected));
        let is_text = !texts("b").is_empty();
        let number = match of("b").as_slice() {
            // A blank input, where a number is asked for.
            [Value::String(text)] if is_text && text.trim().is_empty() => Some(None),
            given => scalar(given, |value| match value {
                Value::Int(number) => Some(*number),
                Value::Double(number) if number.fract() == 0.0 => Some(*number as i64),
                Value::String(text) if is_text => text.trim().parse().ok(),
                _ => None,
            }),
        };
        prop_assert_eq!(b, number);
        let text = scalar(&of("c"), |value| if let Value::String(text) = value { Some(text.clone()) } else { None });
        prop_assert_eq!(&c, &text);
        prop_assert_eq!(faults.len(), usize::from(number.is_none()) + usize::from(text.is_none()), "{:?}", faults);
        for name in ["d", "\u{e4}"] {
            let expected = match of(name) {
                none if none.is_empty() => None,
                mut one if one.len() == 1 => one.pop(),
                several => Some(Value::List(several)),
            };
            prop_assert_eq!(rest.get(name), expected.as_ref());
        }
    }
}

fn count(rest: &Map) -> usize {
    rest.0.iter().map(|(_, value)| if let Value::List(list) = value { list.len() } else { 1 }).sum()
}
