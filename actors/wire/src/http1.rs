//! The octets of HTTP/1: where a head ends, what it says, and how the body after it is framed. There is no socket and
//! no clock here: the caller passes in octets as they arrive and gets their meaning.
//!
//! Answers are read as RFC 9110 and 9112 require of a user agent. The reader is tolerant if no two readers can disagree
//! (equal lengths, folded lines, odd reason phrases, a bare line feed) and strict if they can (two lengths, a length
//! that is not a number). Requests are read as a server must: if a proxy in front may read the same octets differently,
//! the request is refused. A refusal names the header and its line. Read in this order:
//!
//! - `answer`: the head of an answer, after any interim (1xx) answers;
//! - `framing`: how a body ends: by status, then by transfer coding, then by length;
//! - `chunks`: a chunked body, read and written;
//! - `request`: the head of a request, read strictly, with its `target`;
//! - `asking`: the head of a request, written from checked parts;
//! - `refusal`: the errors for octets that are not a valid message.

mod answer;
mod asking;
mod chunks;
mod framing;
mod refusal;
mod request;
mod target;
#[cfg(test)]
mod tests;

pub use answer::{Head, HeadReader, MAX_FIELDS, MAX_HEAD};
pub use asking::{UnsendableHead, write_field, write_length, write_request_line};
pub use chunks::{ChunkReader, LAST_CHUNK, Piece, write_chunk};
pub use framing::Framing;
pub use refusal::Refusal;
pub use request::{
    Denied, HeadBounds, MAX_REQUEST_FIELDS, MAX_TARGET, MOST_REQUEST_FIELDS, RequestHead, RequestReader, read_request,
};
pub use target::escaped;
