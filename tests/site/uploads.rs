//! Routes that take files, keep them, and end badly while they hold them; and replies of files.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use serde::Serialize;
use skitai::prelude::*;

pub(crate) fn package() -> Package {
    Package::new()
        .routes(routes![one, maybe, many, mixed, form, keep, fields, panics, panics_plain, fails, hangs, tail])
        .routes(routes![pieces, pieces_told, named])
}

/// What became of a file on its way.
#[derive(Serialize)]
struct Got {
    file: Upload,
    bytes: u64,
    sum: u64,
    path: String,
}

fn read(file: Upload) -> Result<Got> {
    let (mut bytes, mut sum, mut piece) = (0, 0, vec![0; 64 << 10]);
    let mut open = file.open()?;
    loop {
        let n = open.read(&mut piece)?;
        if n == 0 {
            break;
        }
        bytes += n as u64;
        sum = piece[..n].iter().fold(sum, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    }
    let path = file.path().display().to_string();
    Ok(Got { file, bytes, sum, path })
}

#[route("/up/one")]
fn one(file: Upload, title: Option<String>, n: Option<i64>) -> Result<(Got, Option<String>, Option<i64>)> {
    Ok((read(file)?, title, n))
}

#[route("/up/maybe")]
async fn maybe(file: Option<Upload>) -> String {
    file.map_or_else(|| "none".to_owned(), |file| file.name().to_owned())
}

#[route("/up/many")]
async fn many(files: Vec<Upload>) -> Vec<Upload> {
    files
}

/// One name that is given in the query, the form and the path.
#[route("/up/mixed/<int:x>")]
async fn mixed(x: Vec<Value>) -> Vec<Value> {
    x
}

#[route("/up/form")]
async fn form(form: Form) -> (Value, Vec<(String, Upload)>) {
    (Value::Map(form.values), form.files)
}

#[route("/up/keep")]
fn keep(file: Upload, path: String) -> Result<String> {
    Ok(file.persist(path)?.display().to_string())
}

/// Takes no file.
#[route("/up/fields")]
async fn fields(title: String, n: i64) -> String {
    format!("{title} {n}")
}

#[route("/up/panics")]
async fn panics(file: Upload) -> String {
    panic!("on purpose, with {} in hand", file.name());
}

#[route("/up/panics-plain")]
fn panics_plain(file: Upload) -> String {
    panic!("on purpose, with {} in hand", file.name());
}

#[route("/up/fails")]
async fn fails(file: Upload) -> Result<String> {
    Err(Error::new(418, format!("on purpose, with {} in hand", file.name())))
}

/// Never ends.
#[route("/up/hangs")]
async fn hangs(file: Upload) -> String {
    futures_util::future::pending::<()>().await;
    file.name().to_owned()
}

/// Sends a file back while it is there.
#[route("/up/tail")]
fn tail(file: Upload) -> Result<Streaming> {
    Ok(Streaming::blocking(Tail { open: file.open()?, _file: file }))
}

struct Tail {
    open: File,
    _file: Upload,
}

impl More for Tail {
    fn more(&mut self) -> Result<Vec<u8>> {
        let mut piece = Vec::new();
        (&mut self.open).take(64 << 10).read_to_end(&mut piece)?;
        Ok(piece)
    }
}

static MADE: AtomicUsize = AtomicUsize::new(0);
static ABORTED: AtomicUsize = AtomicUsize::new(0);
static CLOSED: AtomicUsize = AtomicUsize::new(0);

/// An object that gives so many pieces, and may break or panic instead of the last.
struct Pieces {
    left: usize,
    millis: u64,
    end: String,
}

impl More for Pieces {
    #[expect(clippy::disallowed_methods, reason = "blocking is what it is for")]
    fn more(&mut self) -> Result<Vec<u8>> {
        std::thread::sleep(Duration::from_millis(self.millis));
        if self.left == 0 {
            return match self.end.as_str() {
                "fails" => Err(Error::new(500, "the pieces broke")),
                "panics" => panic!("the pieces broke"),
                _ => Ok(Vec::new()),
            };
        }
        self.left -= 1;
        MADE.fetch_add(1, SeqCst);
        Ok(vec![b'x'; 64 << 10])
    }

    fn abort(&mut self) {
        assert_eq!(CLOSED.load(SeqCst), ABORTED.load(SeqCst), "told before it is closed");
        ABORTED.fetch_add(1, SeqCst);
    }

    fn close(&mut self) {
        CLOSED.fetch_add(1, SeqCst);
    }
}

#[route("/pieces")]
async fn pieces(pieces: usize, #[arg(default = 0)] millis: u64, #[arg(default = "well")] end: String) -> Streaming {
    Streaming::blocking(Pieces { left: pieces, millis, end }).content_type("text/plain")
}

/// Pieces made, aborts, ends.
#[route("/pieces/told")]
async fn pieces_told() -> [usize; 3] {
    [&MADE, &ABORTED, &CLOSED].map(|count| count.load(SeqCst))
}

/// A file of the folder `public`.
#[route("/named")]
async fn named(name: String, content_type: Option<String>) -> Result<Response> {
    let file = Response::file_in("public", &name)?;
    Ok(match content_type {
        Some(content_type) => file.header("content-type", content_type),
        None => file,
    })
}
