//! Reads a request's body into memory, within its size and time limit.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use std::{io, mem};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::large::BodyMemory;
use super::thread::ServingThread;
use super::unpacked::unpacked;
use super::upload;
use crate::app::{CSRF_FIELD, Error, Given, Param, Request};

/// Reads the body into its request; the request's deadline starts when the body is complete. Nothing is awaited if
/// there is no body, or if it arrived together with its head, as most do. A packed body is unpacked on the way.
pub(crate) async fn read(thread: &ServingThread, request: &mut Request, payload: Payload) -> Result<(), Error> {
    if matches!(payload, Payload::None) {
        return Ok(());
    }
    let payload = unpacked(request, payload)?;
    // A body that arrived together with its head is delivered whole, in actix's own queue.
    let is_here = matches!(payload, Payload::H1 { .. });
    let server = &thread.site.server;
    let held = BodyMemory::new(&thread.bodies, server.max_bodies_of_process());
    let mut coming = Coming::new(payload, server.max_body, held, &request.headers);
    if is_here {
        request.body = poll_fn(|context| coming.poll(context)).await?;
        return Ok(());
    }
    request.body = Box::pin(coming.awaited(server.body_timeout)).await?;
    request.received = Instant::now();
    Ok(())
}

/// The same for a route of the web. Returns the parts of a multipart form, whose request then has no body.
pub(crate) async fn read_or_receive(
    thread: &ServingThread,
    request: &mut Request,
    payload: Payload,
    params: &[Param],
) -> Result<Vec<(String, Given)>, Error> {
    if matches!(payload, Payload::None) || !upload::is_multipart(request) {
        return read(thread, request, payload).await.map(|()| Vec::new());
    }
    let payload = unpacked(request, payload)?;
    let server = &thread.site.server;
    let held = BodyMemory::new(&thread.bodies, server.max_bodies_of_process());
    let parts = Box::pin(upload::receive(request, payload, server, &thread.shelf, held, params)).await?;
    request.received = Instant::now();
    // The parts become arguments. Hooks run before the arguments are bound and see only the request.
    request.form_token = parts.iter().find_map(|(name, given)| match given {
        Given::Text(text) if name == CSRF_FIELD => Some(text.as_str().into()),
        _ => None,
    });
    Ok(parts)
}

/// The length of the body, if the client announced it.
pub(super) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body being received.
struct Coming<'r> {
    payload: Payload,
    limit: usize,
    length: usize,
    held: BodyMemory,
    headers: &'r HeaderMap,
    /// The first chunk: most bodies are one chunk, which needs no copy.
    first: Bytes,
    /// All chunks, if there are several, in blocks of a fixed size. Not one block of the announced length: the
    /// allocator reuses blocks that other bodies gave back, and no memory is reserved for octets that never come.
    blocks: Vec<BytesMut>,
}

/// The size of a block, in octets.
const BLOCK: usize = 64 * 1024;

impl<'r> Coming<'r> {
    fn new(payload: Payload, limit: usize, held: BodyMemory, headers: &'r HeaderMap) -> Coming<'r> {
        Coming { payload, limit, length: 0, held, headers, first: Bytes::new(), blocks: Vec::new() }
    }

    /// The announced length; 0 if there is none.
    fn announced(&self) -> usize {
        announced(self.headers).map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn too_large(&self) -> Error {
        Error::new(413, format!("the body is larger than the {} bytes this server takes", self.limit))
    }

    /// Takes the octets that have arrived; ready with the whole body.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        loop {
            let chunk = match ready!(self.payload.poll_next_unpin(context)) {
                Some(Ok(chunk)) => chunk,
                Some(Err(PayloadError::Io(error))) if error.kind() == io::ErrorKind::TimedOut => {
                    return Poll::Ready(Err(Error::new(408, error.to_string())));
                }
                Some(Err(error)) => {
                    return Poll::Ready(Err(Error::new(400, format!("the body could not be read: {error}"))));
                }
                None if self.blocks.is_empty() => return Poll::Ready(Ok(mem::take(&mut self.first))),
                None => return Poll::Ready(Ok(mem::take(&mut self.blocks).concat().into())),
            };
            self.length += chunk.len();
            if self.length > self.limit {
                return Poll::Ready(Err(self.too_large()));
            }
            if let Err(full) = self.held.grow(chunk.len()) {
                return Poll::Ready(Err(full));
            }
            if self.length == chunk.len() {
                self.first = chunk;
            } else {
                let first = mem::take(&mut self.first);
                self.add(&first);
                self.add(&chunk);
            }
        }
    }

    fn add(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let room = self.blocks.last().map_or(0, |block| BLOCK - block.len());
            if room == 0 {
                self.blocks.push(BytesMut::with_capacity(BLOCK));
            } else if let Some(block) = self.blocks.last_mut() {
                let (now, later) = octets.split_at(room.min(octets.len()));
                block.extend_from_slice(now);
                octets = later;
            }
        }
    }

    /// Waits for the whole body, within its time. A body whose announced length is too large is refused at once.
    async fn awaited(mut self, within: Duration) -> Result<Bytes, Error> {
        if self.announced() > self.limit {
            return Err(self.too_large());
        }
        match tokio::time::timeout(within, poll_fn(|context| self.poll(context))).await {
            Ok(body) => body,
            Err(_) => Err(Error::new(408, format!("the body did not arrive within {} s", within.as_secs_f64()))),
        }
    }
}
