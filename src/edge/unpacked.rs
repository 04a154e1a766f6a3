//! `Content-Encoding` of requests: gzip is undone while it arrives, piece by piece; any other coding is a 415 that
//! names it (RFC 9110, 15.5.16).
//!
//! What counts the body behind this counts unpacked octets, and asks for no more once it has enough: a bomb is never
//! larger in memory than the limit and a piece.

use std::io::{self, BufRead, Read};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header;
use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use futures_core::Stream;

use crate::app::{Error, Request, shortened};

/// What actix-web calls a body that is no connection's own.
type BoxedPayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// Octets of one piece of unpacked content.
const PIECE: usize = 16 * 1024;
/// So many pieces, then other requests of the thread have their turn: about a millisecond.
const PIECES_AT_ONCE: usize = 16;

/// The body without its coding. The request then has no `content-encoding`, because its body has none.
pub(super) fn unpacked(request: &mut Request, payload: Payload) -> Result<Payload, Error> {
    if !request.headers.contains_key(header::CONTENT_ENCODING) || matches!(payload, Payload::None) {
        return Ok(payload);
    }
    let lines = request.headers.get_all(header::CONTENT_ENCODING).map(|line| String::from_utf8_lossy(line.as_bytes()));
    let lines: Vec<_> = lines.collect();
    let codings: Vec<&str> = lines
        .iter()
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
        .collect();
    let payload = match codings.as_slice() {
        [] => payload,
        [one] if one.eq_ignore_ascii_case("gzip") || one.eq_ignore_ascii_case("x-gzip") => {
            let content: BoxedPayloadStream = Box::pin(Unpacking::new(payload));
            Payload::Stream { payload: content }
        }
        others => {
            let why =
                format!("the body is packed as {}; this server unpacks gzip alone", shortened(&others.join(", ")));
            return Err(Error::new(415, why));
        }
    };
    request.headers.remove(header::CONTENT_ENCODING);
    Ok(payload)
}

/// A body that is gzip, as its content.
struct Unpacking {
    payload: Payload,
    decoder: MultiGzDecoder<Arrived>,
    is_over: bool,
    /// Since the last turn of others.
    pieces: usize,
}

impl Unpacking {
    fn new(payload: Payload) -> Unpacking {
        Unpacking { payload, decoder: MultiGzDecoder::new(Arrived::default()), is_over: false, pieces: 0 }
    }
}

impl Stream for Unpacking {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        if this.pieces == PIECES_AT_ONCE {
            this.pieces = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let mut piece = vec![0; PIECE];
            match this.decoder.read(&mut piece) {
                Ok(0) => {
                    this.is_over = true;
                    return Poll::Ready(None);
                }
                Ok(count) => {
                    piece.truncate(count);
                    this.pieces += 1;
                    return Poll::Ready(Some(Ok(piece.into())));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    this.is_over = true;
                    let error = io::Error::new(error.kind(), format!("it is not gzip, as its head says: {error}"));
                    return Poll::Ready(Some(Err(PayloadError::Io(error))));
                }
            }
            match ready!(Pin::new(&mut this.payload).poll_next(context)) {
                Some(Ok(chunk)) => this.decoder.get_mut().chunk = chunk,
                Some(Err(error)) => {
                    this.is_over = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.decoder.get_mut().is_whole = true,
            }
        }
    }
}

/// What has arrived and is not unpacked yet. Where that is nothing, a read would block until more comes.
#[derive(Debug, Default)]
struct Arrived {
    chunk: Bytes,
    is_whole: bool,
}

impl Read for Arrived {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Arrived {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.chunk.is_empty() && !self.is_whole {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, count: usize) {
        self.chunk.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut writer = GzEncoder::new(Vec::new(), Compression::best());
        writer.write_all(content).expect("a Vec takes everything");
        writer.finish().expect("a Vec takes everything")
    }

    /// A request with these `content-encoding`, and its body in pieces of this size.
    fn asked(codings: &[&str], body: &[u8], size: usize) -> (Request, Payload) {
        let mut request = Request::empty(std::time::Instant::now());
        for coding in codings {
            let value = header::HeaderValue::from_str(coding).expect("it is ASCII");
            request.headers.append(header::CONTENT_ENCODING, value);
        }
        let pieces: Vec<_> = body.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        (request, Payload::Stream { payload: Box::pin(futures_util::stream::iter(pieces)) as BoxedPayloadStream })
    }

    /// All of the content, or the error at which it ends.
    fn content(body: &[u8], size: usize) -> Result<Vec<u8>, String> {
        let (mut request, payload) = asked(&["gzip"], body, size);
        let mut payload = unpacked(&mut request, payload).expect("it is gzip");
        assert!(request.headers.is_empty(), "the body has no coding any more");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let mut all = Vec::new();
            while let Some(piece) = payload.next().await {
                let piece = piece.map_err(|error| error.to_string())?;
                assert!(piece.len() <= PIECE);
                all.extend_from_slice(&piece);
            }
            Ok(all)
        })
    }

    #[test]
    fn what_was_packed_comes_out_however_it_is_cut() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let whole = packed(&text);
        for size in [1, 7, 1_000, usize::MAX] {
            assert_eq!(content(&whole, size).as_ref(), Ok(&text), "in pieces of {size}");
        }
        // Two members are one content (RFC 1952).
        assert_eq!(content(&[packed(b"a"), packed(b"b")].concat(), 3).as_deref(), Ok(&b"ab"[..]));
        assert_eq!(content(&packed(b""), 1).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn what_is_cut_short_or_no_gzip_is_an_error() {
        let whole = packed(b"hello");
        for bad in [&whole[..whole.len() - 1], &whole[..12], b"hello", b"\x1f\x8b", &[&whole[..], b"x"].concat()] {
            for size in [1, usize::MAX] {
                let error = content(bad, size).expect_err("it is not whole");
                assert!(error.contains("it is not gzip, as its head says"), "{error}");
            }
        }
    }

    #[test]
    fn of_a_bomb_no_more_is_unpacked_than_is_asked_for() {
        let bomb = packed(&vec![0; 64 << 20]);
        let (mut request, payload) = asked(&["gzip"], &bomb, usize::MAX);
        let mut payload = unpacked(&mut request, payload).expect("it is gzip");
        for _ in 0..PIECES_AT_ONCE {
            assert_eq!(payload.next().now_or_never().flatten().expect("a piece").expect("good").len(), PIECE);
        }
        // Then others have their turn.
        assert!(payload.next().now_or_never().is_none());
        assert!(payload.next().now_or_never().is_some());
    }

    #[test]
    fn another_coding_is_refused_by_its_name() {
        for (codings, words) in [
            (&["br"][..], "packed as br;"),
            (&["deflate"], "packed as deflate;"),
            (&["gzip, br"], "packed as gzip, br;"),
            (&["gzip", "gzip"], "packed as gzip, gzip;"),
        ] {
            let (mut request, payload) = asked(codings, b"x", 1);
            let Err(error) = unpacked(&mut request, payload) else { panic!("{codings:?}") };
            assert!(error.status() == 415 && error.to_string().contains(words), "{error}");
        }
        for none in [&["identity"][..], &[""], &[]] {
            let (mut request, payload) = asked(none, b"x", 1);
            let mut payload = unpacked(&mut request, payload).unwrap_or_else(|error| panic!("{none:?}: {error}"));
            assert_eq!(payload.next().now_or_never().flatten().expect("it").expect("good"), "x");
        }
    }
}
