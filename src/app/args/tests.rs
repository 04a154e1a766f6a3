//! Kinds of arguments against what may be given: the value that a handler gets, or the sentence that a client reads.

use std::borrow::Cow;
use std::fmt::Debug;
use std::path::Path;
use std::time::Instant;

use actix_web::dev::AppConfig;
use bytes::Bytes;
use skitai_wire::{Map, Value};

use super::argument::{Argument, Json, Kind};
use super::bind::{Bind, Given};
use super::form::Form;
use super::upload::Upload;
use crate::app::routing::route::Param;
use crate::app::{App, Face, NO_ROUTE, Request, RequestBuilder, Session, Was};
use crate::config::Loaded;
use crate::connection::Peer;
use crate::serve::keys::Keys;
use crate::serve::site::OpenSite;
use crate::serve::slot;

/// Runs something with a handle of a request that nobody sent.
pub(crate) fn with_handle(run: impl FnOnce(Was)) {
    actix_rt::System::new().block_on(async {
        let loaded = Loaded::without_conf(Path::new("/nonexistent"), &["a"]);
        let site = OpenSite::open(&loaded, vec![App::new("a")], &Keys::ephemeral(), None).expect("a good site");
        let thread = slot::start(&site, 0, AppConfig::default());
        let request = Request { peer: Some(Peer::Unix), ..Request::empty(Instant::now()) };
        let builder = RequestBuilder::new(request, thread.services.clone());
        run(builder.ready(Face::Web, Session::default(), &NO_ROUTE, 0));
    });
}

fn text(text: &str) -> Given {
    Given::Text(text.to_owned())
}

fn typed(value: impl Into<Value>) -> Given {
    Given::Typed(value.into())
}

fn file() -> Given {
    Given::File(Upload::of("cv.pdf", "application/pdf", b"%PDF").expect("a file"))
}

/// What comes of these values as this type.
fn taken<T: Argument + Debug>(was: &Was, given: Vec<Given>) -> String {
    match T::take(&mut Bind::new(was.clone(), &[]), given.into_iter().collect()) {
        Ok(value) => format!("{value:?}"),
        Err(sentence) => sentence.to_string(),
    }
}

/// Rows of `values => what comes of them`, for one type.
macro_rules! table {
    ($was:expr, $($ty:ty { $([$($given:expr),*] => $expected:expr,)* })*) => {$($(
        assert_eq!(taken::<$ty>($was, vec![$($given),*]), $expected, "{} {}", stringify!($ty), stringify!([$($given),*]));
    )*)*};
}

#[test]
fn numbers() {
    with_handle(|was| {
        table! { &was,
            i64 {
                [] => "is missing",
                [text("5")] => "5",
                [text(" -7 ")] => "-7",
                [text("9223372036854775807")] => "9223372036854775807",
                [text("9223372036854775808")] => "must be a whole number, got \"9223372036854775808\"",
                [text("5.0")] => "must be a whole number, got \"5.0\"",
                [text("")] => "must be a whole number, got \"\"",
                [text("5"), text("6")] => "was given 2 times and takes one value",
                [typed(5)] => "5",
                [typed(5.0)] => "5",
                [typed(5.5)] => "must be a whole number, got a double",
                [typed(1e300)] => "must be a whole number, got a double",
                [Given::Typed(Value::UInt(u64::MAX))] => "must be a whole number, got an int",
                [typed("5")] => "must be a whole number, got a string",
                [typed(true)] => "must be a whole number, got a bool",
                [Given::Typed(Value::Nil)] => "must be a whole number, got a nil",
                [file()] => "must be a whole number, got the file \"cv.pdf\"",
            }
            u64 {
                [text("18446744073709551615")] => "18446744073709551615",
                [text("-1")] => "must be a whole number, 0 or more, got \"-1\"",
                [typed(-1)] => "must be a whole number, 0 or more, got an int",
                [Given::Typed(Value::UInt(u64::MAX))] => "18446744073709551615",
            }
            u8 {
                [text("255")] => "255",
                [text("256")] => "must be a whole number from 0 to 255, got \"256\"",
                [typed(-1)] => "must be a whole number from 0 to 255, got an int",
            }
            i16 { [typed(-32_769)] => "must be a whole number from -32768 to 32767, got an int", }
            f64 {
                [] => "is missing",
                [text("1e3")] => "1000.0",
                [text("NaN")] => "must be a number, got \"NaN\"",
                [text("inf")] => "must be a number, got \"inf\"",
                [typed(2)] => "2.0",
                [typed(2.5)] => "2.5",
                [typed("2.5")] => "must be a number, got a string",
                [file()] => "must be a number, got the file \"cv.pdf\"",
            }
            f32 {
                [text("1.5")] => "1.5",
                [typed(1e39)] => "must be a number, got a double",
            }
            bool {
                [] => "is missing",
                [text("yes")] => "true",
                [text("ON")] => "true",
                [text("1")] => "true",
                [text(" false ")] => "false",
                [text("off")] => "false",
                [text("perhaps")] => "must be true or false, got \"perhaps\"",
                [text("")] => "must be true or false, got \"\"",
                [typed(false)] => "false",
                [typed(1)] => "must be true or false, got an int",
                [typed("true")] => "must be true or false, got a string",
            }
        }
    });
}

#[test]
fn texts_and_octets() {
    let octets = |octets: &[u8]| Given::Typed(Value::Bytes(octets.to_vec()));
    with_handle(|was| {
        table! { &was,
            String {
                [] => "is missing",
                [text("")] => "\"\"",
                [text("5")] => "\"5\"",
                [typed("a")] => "\"a\"",
                [Given::Typed(Value::DateTime("2026-11-28T12:00:00".into()))] => "\"2026-11-28T12:00:00\"",
                [typed(5)] => "must be text, got an int",
                [octets(b"a")] => "must be text, got a bytes",
                [file()] => "must be text, got the file \"cv.pdf\"",
                [text("a"), text("b"), text("c")] => "was given 3 times and takes one value",
            }
            Bytes {
                [text("é")] => "b\"\\xc3\\xa9\"",
                [octets(b"\x00\xff")] => "b\"\\0\\xff\"",
                [typed("YWI=")] => "b\"ab\"",
                [typed("?")] => "must be octets, or a text of them in base64, got \"?\"",
                [typed(5)] => "must be octets, got an int",
            }
            Value {
                [] => "is missing",
                [text("5")] => "String(\"5\")",
                [typed(5)] => "Int(5)",
                [text("5"), typed(6)] => "List([String(\"5\"), Int(6)])",
                [file()] => "must be a value, got the file \"cv.pdf\"",
            }
        }
        let long = "é".repeat(70);
        let message = taken::<i64>(&was, vec![text(&long)]);
        assert_eq!(message, format!("must be a whole number, got \"{}…\"", "é".repeat(60)), "what is sent back is cut");
    });
}

#[test]
fn what_may_be_left_out_and_what_is_many() {
    let list = |values: Vec<Value>| Given::Typed(Value::List(values));
    with_handle(|was| {
        table! { &was,
            Option<i64> {
                [] => "None",
                [Given::Typed(Value::Nil)] => "None",
                [text("5")] => "Some(5)",
                [text("")] => "None",
                [text(" ")] => "None",
                [text(""), text("")] => "was given 2 times and takes one value",
                [typed("")] => "must be a whole number, got a string",
                [text("5"), text("6")] => "was given 2 times and takes one value",
            }
            Vec<i64> {
                [] => "[]",
                [text("1"), text("2")] => "[1, 2]",
                [list(vec![1.into(), 2.into()]), text("3")] => "[1, 2, 3]",
                [list(vec![])] => "[]",
                [list(vec![1.into(), "x".into()])] => "[1] must be a whole number, got a string",
                [Given::Typed(Value::Nil)] => "[0] must be a whole number, got a nil",
            }
            Option<f64> { [text("")] => "None", [text("1.5")] => "Some(1.5)", }
            Option<bool> { [text("")] => "None", [text("off")] => "Some(false)", }
            // A text may be empty.
            Option<String> { [text("")] => "Some(\"\")", }
            Option<Bytes> { [text("")] => "Some(b\"\")", }
            Vec<Option<bool>> { [list(vec![true.into(), Value::Nil])] => "[Some(true), None]", }
            Json<(i64, String)> {
                [] => "is missing",
                [text("[1,\"a\"]")] => "Json((1, \"a\"))",
                [list(vec![1.into(), "a".into()])] => "Json((1, \"a\"))",
                [file()] => "must be JSON, got the file \"cv.pdf\"",
            }
        }
        for (given, begins) in
            [(text("[1"), "must be JSON: "), (text("[\"a\",1]"), "does not fit: "), (typed(1), "does not fit: ")]
        {
            let message = taken::<Json<(i64, String)>>(&was, vec![given]);
            assert!(message.starts_with(begins) && message.len() > begins.len(), "{message}");
        }
        assert!(taken::<Was>(&was, vec![]).starts_with("Was"), "the handle takes nothing of what was sent");
    });
}

const fn param(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, required: true, default: None, doc: "" }
}

const TWO: &[Param] = &[param("was", Kind::Context), param("a", Kind::Int), param("b", Kind::String)];
const ALL: &[Param] = &[param("a", Kind::Int), param("rest", Kind::Rest)];
const NONE: &[Param] = &[param("was", Kind::Context)];

#[test]
fn values_find_their_argument_by_name_and_by_place() {
    with_handle(|was| {
        let mut bind = Bind::new(was.clone(), TWO);
        bind.add(Cow::Borrowed("b"), text("x"));
        bind.add(Cow::Borrowed("nobody"), text("is told"));
        bind.add(Cow::Borrowed("was"), text("no value of its own"));
        assert_eq!((bind.take::<i64>(1), bind.take::<String>(2)), (None, Some("x".to_owned())));
        assert_eq!(bind.faults().to_string(), "argument `a` is missing");

        let mut bind = Bind::new(was.clone(), TWO);
        bind.add_in_order(vec![7.into(), "x".into()]);
        assert_eq!((bind.take::<i64>(1), bind.take::<String>(2)), (Some(7), Some("x".to_owned())));
        assert!(!bind.has_faults());
        // The default is for what is missing, not for what is wrong.
        assert_eq!(bind.take_or(1, || 9), Some(9));
        bind.add(Cow::Borrowed("a"), text("x"));
        assert_eq!(bind.take_or(1, || 9_i64), None);
        assert_eq!(bind.faults().to_string(), "argument `a` must be a whole number, got \"x\"");
    });
}

#[test]
fn all_that_is_wrong_with_a_call_is_told_at_once() {
    with_handle(|was| {
        let mut bind = Bind::new(was.clone(), TWO);
        bind.add_known("c", 1.into());
        bind.add_known("a", "x".into());
        assert!(bind.has_faults());
        drop((bind.take::<i64>(1), bind.take::<String>(2)));
        assert_eq!(
            bind.faults().0,
            [
                "there is no argument `c`; the method takes a, b",
                "argument `a` must be a whole number, got a string",
                "argument `b` is missing",
            ]
        );
        for (params, values, expected) in [
            (TWO, 3, "3 arguments were given and the method takes 2"),
            (NONE, 1, "1 arguments were given and the method takes 0"),
            (ALL, 2, "2 arguments were given and the method takes 1"),
        ] {
            let mut bind = Bind::new(was.clone(), params);
            bind.add_in_order(vec![1.into(); values]);
            assert_eq!(bind.faults().to_string(), expected);
        }
        let mut bind = Bind::new(was, NONE);
        (0..50).for_each(|nth| bind.add_known(&format!("n{nth}"), Value::Nil));
        let faults = bind.faults().0;
        assert_eq!((faults.len(), &*faults[0]), (10, "there is no argument `n0`; the method takes no arguments"));
    });
}

#[test]
fn what_no_argument_takes_is_the_rest() {
    with_handle(|was| {
        let mut bind = Bind::new(was, ALL);
        for (name, given) in [("x", text("1")), ("a", text("5")), ("y", typed(2)), ("x", typed(3)), ("cv", file())] {
            bind.add(Cow::Borrowed(name), given);
        }
        bind.add_known("z", true.into());
        let Form { values, files } = bind.take_rest();
        let list = Value::List(vec!["1".into(), 3.into()]);
        assert_eq!(values, Map(vec![("x".into(), list), ("y".into(), 2.into()), ("z".into(), true.into())]));
        assert_eq!(
            files.iter().map(|(name, file)| (name.as_str(), file.name())).collect::<Vec<_>>(),
            [("cv", "cv.pdf")]
        );
        assert_eq!(bind.take::<i64>(0), Some(5));
        assert!(bind.take_rest().values.0.is_empty(), "once");
    });
}
