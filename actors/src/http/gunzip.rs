//! Decompresses an answer piece by piece: the output never exceeds the limit, however small the input, and other calls
//! run between the pieces.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use super::failure::ExchangeFailure;
use crate::outcome::Reason;

/// Output of one piece: some tenths of a millisecond, the time it takes to parse a large answer.
const PIECE: usize = 64 * 1024;

/// The decompressed content, of at most `limit` bytes.
pub(super) async fn gunzip(packed: &[u8], limit: usize) -> Result<Vec<u8>, ExchangeFailure> {
    let mut reader = MultiGzDecoder::new(packed);
    let mut content = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let count = match reader.read(&mut piece) {
            Ok(0) => return Ok(content),
            Ok(count) => count,
            Err(error) => {
                return Err(ExchangeFailure::new(
                    Reason::Malformed,
                    format!("the body of the answer is not gzip: {error}"),
                ));
            }
        };
        if content.len() + count > limit {
            let msg = format!("the answer is larger than the limit of {limit} bytes once it is unpacked");
            return Err(ExchangeFailure::new(Reason::TooLarge, msg));
        }
        content.extend_from_slice(&piece[..count]);
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::FutureExt as _;

    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut writer = GzEncoder::new(Vec::new(), Compression::best());
        writer.write_all(content).expect("a Vec takes everything");
        writer.finish().expect("a Vec takes everything")
    }

    fn unpacked(packed: &[u8], limit: usize) -> Result<Vec<u8>, ExchangeFailure> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(gunzip(packed, limit))
    }

    #[test]
    fn what_was_packed_comes_out_and_no_more_than_is_accepted() {
        let content = vec![b'x'; 1 << 20];
        assert_eq!(unpacked(&packed(&content), 1 << 20).as_ref(), Ok(&content));
        let failure = unpacked(&packed(&content), (1 << 20) - 1).expect_err("it is a byte too many");
        assert_eq!(failure.reason, Reason::TooLarge);
        // Concatenated gzip members are one content (RFC 1952).
        let two = [packed(b"a"), packed(b"b")].concat();
        assert_eq!(unpacked(&two, 10).as_deref(), Ok(&b"ab"[..]));
    }

    #[test]
    fn a_bomb_is_refused_after_what_is_accepted() {
        // 64 MiB in 64 KiB.
        let bomb = packed(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(unpacked(&bomb, 1 << 20).expect_err("it is too large").reason, Reason::TooLarge);
    }

    #[test]
    fn what_is_cut_short_or_no_gzip_is_malformed() {
        let whole = packed(b"hello");
        for bad in [&whole[..whole.len() - 1], &whole[..12], b"hello", b"\x1f\x8b"] {
            assert_eq!(unpacked(bad, 100).expect_err("it is not whole").reason, Reason::Malformed, "{bad:?}");
        }
    }

    #[test]
    fn others_get_their_turn() {
        assert!(gunzip(&packed(&vec![0; 1 << 20]), 1 << 20).now_or_never().is_none());
    }
}
