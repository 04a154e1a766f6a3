//! The octets of a file, piece by piece as the client reads them.

use std::fs::File;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use rustix::buffer::spare_capacity;

use super::disk::Disk;

/// How much of a file is read at a time, and so the most that a client who does not read it on takes of our memory.
const PIECE: usize = 64 << 10;

/// A part of a file.
pub(super) struct FileBody {
    file: Arc<File>,
    disk: Rc<Disk>,
    size: u64,
    /// The piece that is read and not sent.
    next: Bytes,
    /// Where the one behind it begins.
    at: u64,
    /// How much there is from there on.
    left: u64,
    reading: Option<LocalBoxFuture<'static, io::Result<Bytes>>>,
}

impl FileBody {
    /// `length` octets from `start` on, of which the first are read.
    pub(super) fn new(file: Arc<File>, disk: Rc<Disk>, start: u64, length: u64, next: Bytes) -> FileBody {
        let read = next.len() as u64;
        FileBody { file, disk, size: length, next, at: start + read, left: length - read, reading: None }
    }
}

/// Reads a piece of a file, and of `left` octets no more.
pub(super) fn piece(file: &File, at: u64, left: u64) -> io::Result<Bytes> {
    let length = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
    let mut piece = Vec::with_capacity(length);
    while piece.len() < length {
        // At least as much as there was room for may be read, never more than was asked for.
        let missing = length - piece.len();
        let read = rustix::io::pread(file, spare_capacity(&mut piece), at + (length - missing) as u64)?;
        if read == 0 {
            // An answer that is shorter than it says is cut, not ended.
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter while it was sent"));
        }
    }
    piece.truncate(length);
    Ok(piece.into())
}

impl MessageBody for FileBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size)
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if !self.next.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.next))));
        }
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let (file, disk, at, left) = (self.file.clone(), self.disk.clone(), self.at, self.left);
        let reading = self.reading.get_or_insert_with(|| {
            Box::pin(async move { disk.run_on(move || piece(&file, at, left)).await.map_err(io::Error::other)? })
        });
        let read = ready!(reading.as_mut().poll(context));
        self.reading = None;
        let read = read.inspect(|piece| {
            self.at += piece.len() as u64;
            self.left -= piece.len() as u64;
        });
        Poll::Ready(Some(read))
    }
}
