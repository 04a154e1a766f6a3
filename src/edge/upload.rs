//! Receives a multipart form: text fields into memory, files into temporary files, all within the limits of the conf.
//!
//! A part with a file name is a file, any other a field. The blocking pool writes pieces of [`PIECE`] octets, and
//! nothing more is read from the client meanwhile: the memory of an upload does not grow with its size. Files for which
//! the route has no argument are read and discarded.
//!
//! A temporary file belongs to a value from its first byte on, so that an error, a disconnect or a timeout leaves none
//! behind. For a process that is stopped or killed see [`shelf`](super::shelf).

use std::cell::RefCell;
use std::io::{self, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use skitai_wire::{Value, charset, json};
use tempfile::NamedTempFile;

use super::body::announced;
use super::disposition::Disposition;
use super::large::BodyMemory;
use super::shelf::Shelf;
use super::transfer_coding::TransferCoding;
use crate::app::{Error, Given, Kind, Param, Request, Upload, shortened};
use crate::config::ServerSettings;

/// Bytes per write: a transfer to the blocking pool costs some 20 µs, which is little for a piece of this size.
const PIECE: usize = 256 * 1024;
/// The lowest rate of a client, in bytes per second, once `body_timeout` is over: a poor uplink reaches it.
const SLOWEST: u64 = 16 * 1024;
/// True for a request whose body is a multipart form.
pub(crate) fn is_multipart(request: &Request) -> bool {
    request.get_content_type().is_some_and(|kind| kind.eq_ignore_ascii_case("multipart/form-data"))
}

/// Receives a form for a route with these parameters: fields and files with their names, in the order of arrival.
pub(crate) async fn receive(
    request: &Request,
    payload: Payload,
    server: &ServerSettings,
    shelf: &Arc<Shelf>,
    held: BodyMemory,
    params: &[Param],
) -> Result<Vec<(String, Given)>, Error> {
    let limits = &server.uploads;
    let limit = if params.iter().any(takes_files) { limits.max_all } else { server.max_body as u64 };
    if announced(&request.headers).is_some_and(|announced| announced > limit) {
        return Err(too_large(limit));
    }
    let wire = Wire::new(payload, limit, server.body_timeout);
    let mut form = Multipart::new(&as_mixed(&request.headers), wire.clone());
    let mut given: Vec<(String, Given)> = Vec::new();
    let mut texts = Texts { octets: 0, most: server.max_body, held };
    let mut parts = 0;
    while let Some(part) = wire.within(form.next()).await? {
        let after = given.last().map(|(name, _)| name.as_str());
        let part = part.map_err(|error| wire.unread(&error, PartState::After(after)))?;
        parts += 1;
        if parts > limits.max_parts {
            return Err(Error::new(400, format!("the form has more than {} parts", limits.max_parts)));
        }
        let disposition = part.headers().get(header::CONTENT_DISPOSITION);
        let disposition = disposition.and_then(|value| Disposition::of(value.as_bytes()));
        let malformed = |error| wire.unread(&error, PartState::After(after));
        let Disposition { name, file } =
            disposition.ok_or_else(|| malformed(MultipartError::ContentDispositionMissing))?;
        let name = name.ok_or_else(|| malformed(MultipartError::ContentDispositionNameMissing))?;
        texts.add(&name, name.len())?;
        match file {
            Some(file_name) => {
                let wanted = params.iter().any(|param| wants(param, &name));
                let mut sink = Sink::new(shelf, wanted, texts.held.another());
                let content_type = type_of(&part);
                texts.add(&name, content_type.len())?;
                sink.fill(part, &name, &wire, limits.max_file).await?;
                // A browser sends an empty file without a name for a file input without a choice.
                let chosen = !(file_name.is_empty() && sink.size == 0);
                if let Some(file) = sink.end(&file_name, content_type).await?.filter(|_| chosen) {
                    given.push((name, Given::File(file)));
                }
            }
            None => {
                let value = field(part, &name, &wire, &mut texts).await?;
                given.push((name, value));
            }
        }
    }
    // Octets after the last boundary are ignored, but must be read to the end of the body: an answer before that would
    // close the connection.
    let mut rest = wire.clone();
    while let Some(read) = wire.within(rest.next()).await? {
        read.map_err(|error| wire.unread(&MultipartError::Payload(error), PartState::After(None)))?;
    }
    Ok(given)
}

fn takes_files(param: &Param) -> bool {
    matches!(param.kind, Kind::File | Kind::List(Kind::File) | Kind::Rest)
}

/// Whether a file of this name belongs to this parameter. One that takes no files will report the error.
fn wants(param: &Param, name: &str) -> bool {
    param.kind == Kind::Rest || (param.is_wire() && param.name == name)
}

/// The head of the request for actix's parser, which has no say in the names of parts: of a form it would refuse those
/// that it cannot read, such as `C:\new\` in quotation marks. [`Disposition`] reads them.
fn as_mixed(headers: &HeaderMap) -> HeaderMap {
    let mut mixed = HeaderMap::new();
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        let whole = kind.to_str().unwrap_or_default();
        let parameters = whole.split_once(';').map_or("", |(_, parameters)| parameters);
        let changed = HeaderValue::from_str(&format!("multipart/mixed;{parameters}"));
        mixed.insert(header::CONTENT_TYPE, changed.unwrap_or_else(|_| kind.clone()));
    }
    mixed
}

fn type_of(part: &Field) -> String {
    part.content_type().map_or_else(|| "application/octet-stream".to_owned(), ToString::to_string)
}

/// What a form holds in memory: its fields, and the names and types of all its parts. Together they have the size limit
/// of any other body.
struct Texts {
    octets: usize,
    most: usize,
    held: BodyMemory,
}

impl Texts {
    /// Adds octets of the part of this name.
    fn add(&mut self, name: &str, octets: usize) -> Result<(), Error> {
        self.octets += octets;
        if self.octets > self.most {
            let (most, name) = (self.most, shortened(name));
            let why = format!("the form's fields are larger than the {most} bytes this server takes, at `{name}`");
            return Err(Error::new(413, why));
        }
        self.held.grow(octets)
    }
}

/// Reads a field into memory.
async fn field(mut part: Field, name: &str, wire: &Wire, texts: &mut Texts) -> Result<Given, Error> {
    let mut coding = TransferCoding::of(&part, name)?;
    let mut octets = Vec::new();
    while let Some(chunk) = wire.within(part.next()).await? {
        let chunk = chunk.map_err(|error| wire.unread(&error, PartState::In(name)))?;
        texts.add(name, chunk.len())?;
        octets.extend_from_slice(&coding.content(chunk, name)?);
    }
    octets.extend_from_slice(&coding.end(name)?);
    let kind = part.content_type().map_or("text/plain", |kind| kind.as_ref());
    if json::is_type(kind) {
        return json::parse_body(&octets, kind)
            .map(Given::Typed)
            .map_err(|error| Error::new(400, format!("the field `{}` is malformed JSON: {error}", shortened(name))));
    }
    if !kind.get(..5).is_some_and(|main| main.eq_ignore_ascii_case("text/")) {
        return Ok(Given::Typed(Value::Bytes(octets)));
    }
    match charset::of_type(kind) {
        None => String::from_utf8(octets)
            .map(Given::Text)
            .map_err(|_| Error::new(400, format!("the field `{}` is not UTF-8 text", shortened(name)))),
        label => charset::decode(&octets, label)
            .map(|text| Given::Text(text.into_owned()))
            .map_err(|error| Error::new(400, format!("the field `{}`: {error}", shortened(name)))),
    }
}

/// A file being received.
struct Sink {
    shelf: Arc<Shelf>,
    /// False if no parameter takes it: then its size is only counted.
    wanted: bool,
    file: Option<NamedTempFile>,
    piece: Vec<u8>,
    /// The memory of the piece.
    held: BodyMemory,
    size: u64,
}

impl Sink {
    fn new(shelf: &Arc<Shelf>, wanted: bool, held: BodyMemory) -> Sink {
        Sink { shelf: shelf.clone(), wanted, file: None, piece: Vec::new(), held, size: 0 }
    }

    async fn fill(&mut self, mut part: Field, name: &str, wire: &Wire, most: u64) -> Result<(), Error> {
        let mut coding = TransferCoding::of(&part, name)?;
        while let Some(chunk) = wire.within(part.next()).await? {
            let chunk = chunk.map_err(|error| wire.unread(&error, PartState::In(name)))?;
            self.take(&coding.content(chunk, name)?, name, most).await?;
        }
        self.take(&coding.end(name)?, name, most).await
    }

    /// Takes the next octets of the file.
    async fn take(&mut self, octets: &[u8], name: &str, most: u64) -> Result<(), Error> {
        self.size += octets.len() as u64;
        if self.size > most {
            let name = shortened(name);
            return Err(Error::new(
                413,
                format!("the file of `{name}` is larger than the {most} bytes this server takes"),
            ));
        }
        if self.wanted {
            self.held.grow(octets.len())?;
            self.piece.extend_from_slice(octets);
            if self.piece.len() >= PIECE {
                self.write().await?;
            }
        }
        Ok(())
    }

    /// Writes the collected piece. The file moves to the pool with the piece: if the request ends meanwhile, it is
    /// dropped there.
    async fn write(&mut self) -> Result<(), Error> {
        let (file, mut piece, shelf) = (self.file.take(), std::mem::take(&mut self.piece), self.shelf.clone());
        let write = move || {
            let mut file = file.map_or_else(|| shelf.create(), Ok)?;
            file.write_all(&piece)?;
            piece.clear();
            Ok((file, piece))
        };
        let (file, piece) = tokio::task::spawn_blocking(write)
            .await
            .map_err(|_| Error::new(503, "the server is stopping"))?
            .map_err(|error| unwritten(&error))?;
        (self.file, self.piece) = (Some(file), piece);
        self.held.clear();
        Ok(())
    }

    async fn end(mut self, file_name: &str, content_type: String) -> Result<Option<Upload>, Error> {
        if self.wanted && (self.file.is_none() || !self.piece.is_empty()) {
            self.write().await?;
        }
        let size = self.size;
        // Closes the descriptor: a handler that reads the file opens it again.
        Ok(self.file.map(|file| Upload::new(file_name, content_type, size, file.into_temp_path())))
    }
}

/// The client's file was good, but our disk was not.
fn unwritten(error: &io::Error) -> Error {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    tracing::error!("an upload could not be written: {error}");
    let why = if full { "the server has no room for the upload" } else { "the upload could not be stored" };
    Error::new(if full { 507 } else { 500 }, why)
}

/// The request's body: counted, limited and with a timeout.
#[derive(Clone)]
struct Wire(Rc<RefCell<Received>>);

struct Received {
    payload: Payload,
    bytes: u64,
    limit: u64,
    is_over: bool,
    began: Instant,
    timeout: Duration,
}

/// The place of an error in a form.
#[derive(Clone, Copy)]
enum PartState<'n> {
    In(&'n str),
    After(Option<&'n str>),
}

impl Wire {
    fn new(payload: Payload, limit: u64, timeout: Duration) -> Wire {
        let received = Received { payload, bytes: 0, limit, is_over: false, began: Instant::now(), timeout };
        Wire(Rc::new(RefCell::new(received)))
    }

    /// Waits for the client, at most until its timeout.
    async fn within<F: Future>(&self, wait: F) -> Result<F::Output, Error> {
        let (began, time) = {
            let received = self.0.borrow();
            let earned = Duration::from_secs(received.bytes / SLOWEST);
            (received.began, received.timeout + earned)
        };
        let waited = tokio::time::timeout_at((began + time).into(), wait).await;
        waited.map_err(|_| {
            let bytes = self.0.borrow().bytes;
            Error::new(408, format!("the upload did not arrive in time: {bytes} bytes in {} s", time.as_secs()))
        })
    }

    /// The error for a malformed form.
    fn unread(&self, error: &MultipartError, place: PartState<'_>) -> Error {
        let place = match place {
            PartState::In(name) => format!(" in the part `{}`", shortened(name)),
            PartState::After(Some(name)) => format!(" after the part `{}`", shortened(name)),
            PartState::After(None) => String::new(),
        };
        let what = match error {
            MultipartError::Payload(_) if self.0.borrow().is_over => return too_large(self.0.borrow().limit),
            MultipartError::Payload(PayloadError::Overflow) => "the head of a part is larger than 64 KiB",
            MultipartError::Payload(error) => {
                return Error::new(400, format!("the multipart form could not be read{place}: {error}"));
            }
            MultipartError::ContentTypeMissing
            | MultipartError::ContentTypeParse
            | MultipartError::ContentTypeIncompatible => "its content type cannot be read",
            MultipartError::BoundaryMissing if self.0.borrow().bytes == 0 => "its content type names no boundary",
            MultipartError::BoundaryMissing => "a line that should be the boundary is not",
            MultipartError::ContentDispositionMissing => "a part has no `Content-Disposition: form-data`",
            MultipartError::ContentDispositionNameMissing => "a part has no name",
            MultipartError::Nested => "a multipart form within another is not taken",
            MultipartError::Incomplete => "it ends before its last boundary",
            MultipartError::Parse(_) => "the head of a part cannot be read",
            other => return Error::new(400, format!("the multipart form is malformed{place}: {other}")),
        };
        Error::new(400, format!("the multipart form is malformed{place}: {what}"))
    }
}

fn too_large(limit: u64) -> Error {
    Error::new(413, format!("the multipart form is larger than the {limit} bytes this route takes"))
}

impl Stream for Wire {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut received = self.0.borrow_mut();
        let polled = Pin::new(&mut received.payload).poll_next(context);
        if let Poll::Ready(Some(Ok(chunk))) = &polled {
            received.bytes += chunk.len() as u64;
            if received.bytes > received.limit {
                received.is_over = true;
                return Poll::Ready(Some(Err(PayloadError::Overflow)));
            }
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let status = |kind: io::ErrorKind| unwritten(&kind.into()).status();
        assert_eq!([io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded].map(status), [507, 507]);
        assert_eq!(status(io::ErrorKind::PermissionDenied), 500);
    }
}
