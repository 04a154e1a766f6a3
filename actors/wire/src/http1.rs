//! The octets of HTTP/1: where a head ends, what it says, how the body behind it is framed. Without a socket and
//! without a clock: whoever reads brings the octets as they come, and is told what they are.
//!
//! An answer is read as RFC 9110 and 9112 ask of a user agent: tolerant where no two readers can differ (equal lengths,
//! folded lines, odd reason phrases, a bare line feed), strict where they can (two lengths, a length that is no
//! number). A request is read as a server must: where a proxy before it may read the same octets otherwise, it is
//! refused. What is refused is named by its header and its line. Read in this order:
//!
//! - `answer`: the head of an answer, behind all the interim ones (1xx) before it;
//! - `framing`: how a body ends: by its status first, then by its transfer coding, then by its length;
//! - `chunks`: a chunked body, read and written;
//! - `request`: the head of a request, read strictly;
//! - `asking`: the same, written from checked parts;
//! - `refusal`: what is told of octets that are no message.

mod answer;
mod asking;
mod chunks;
mod framing;
mod refusal;
mod request;
#[cfg(test)]
mod tests;

pub use answer::{Head, HeadReader, MAX_FIELDS, MAX_HEAD};
pub use asking::{write_field, write_length, write_request_line};
pub use chunks::{ChunkReader, LAST_CHUNK, Piece, write_chunk};
pub use framing::Framing;
pub use refusal::Refusal;
pub use request::{Denied, MAX_REQUEST_FIELDS, MAX_TARGET, RequestHead, RequestReader, escaped, read_request};
