//! `Content-Transfer-Encoding` of the parts of a form: base64 is undone while the part arrives. RFC 7578 (4.7) has
//! deprecated the header; mail libraries that write forms still send it.

use actix_multipart::Field;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use crate::app::{Error, shortened};

/// Some writers leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The coding of one part, and what of it has to wait for more.
#[derive(Debug)]
pub(super) enum TransferCoding {
    /// The octets are the content.
    None,
    /// Up to three characters that have come and are no whole group of four yet; none may follow the last group.
    Base64 { rest: Vec<u8>, has_ended: bool },
}

impl TransferCoding {
    /// The coding that a part says it has. One that is not undone here is an error that names the part.
    pub(super) fn of(part: &Field, name: &str) -> Result<TransferCoding, Error> {
        let coding = part.headers().get("content-transfer-encoding").map(|value| value.as_bytes().trim_ascii());
        TransferCoding::named(coding.unwrap_or_default(), name)
    }

    fn named(coding: &[u8], name: &str) -> Result<TransferCoding, Error> {
        if [&b""[..], b"binary", b"8bit", b"7bit"].iter().any(|known| coding.eq_ignore_ascii_case(known)) {
            return Ok(TransferCoding::None);
        }
        if coding.eq_ignore_ascii_case(b"base64") {
            return Ok(TransferCoding::Base64 { rest: Vec::new(), has_ended: false });
        }
        let coding = String::from_utf8_lossy(coding);
        let (name, coding) = (shortened(name), shortened(&coding));
        Err(Error::new(400, format!("the part `{name}` is encoded as {coding}; this server reads binary and base64")))
    }

    /// The content of the next piece.
    pub(super) fn content(&mut self, piece: Bytes, name: &str) -> Result<Bytes, Error> {
        let TransferCoding::Base64 { rest, has_ended } = self else { return Ok(piece) };
        rest.extend(piece.iter().filter(|octet| !octet.is_ascii_whitespace()));
        let ready = rest.len() / 4 * 4;
        if ready == 0 {
            return Ok(Bytes::new());
        }
        let late: Vec<u8> = rest.split_off(ready);
        let groups = std::mem::replace(rest, late);
        if *has_ended {
            return Err(unlike(name));
        }
        *has_ended = groups.ends_with(b"=");
        BASE64.decode(&groups).map(Bytes::from).map_err(|_| unlike(name))
    }

    /// The content of what is left once the part has come.
    pub(super) fn end(self, name: &str) -> Result<Bytes, Error> {
        match self {
            TransferCoding::None => Ok(Bytes::new()),
            TransferCoding::Base64 { rest, has_ended } if !has_ended || rest.is_empty() => {
                BASE64.decode(&rest).map(Bytes::from).map_err(|_| unlike(name))
            }
            TransferCoding::Base64 { .. } => Err(unlike(name)),
        }
    }
}

fn unlike(name: &str) -> Error {
    Error::new(400, format!("the part `{}` is not base64, as it says of itself", shortened(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &[u8], size: usize) -> Result<Vec<u8>, Error> {
        let mut coding = TransferCoding::named(b"BASE64", "a")?;
        let mut content = Vec::new();
        for piece in text.chunks(size) {
            content.extend_from_slice(&coding.content(Bytes::copy_from_slice(piece), "a")?);
        }
        content.extend_from_slice(&coding.end("a")?);
        Ok(content)
    }

    #[test]
    fn base64_is_undone_however_it_is_cut() {
        for size in [1, 2, 3, 5, 100] {
            for (text, content) in [
                (&b"aGVsbG8gdGhlcmU="[..], &b"hello there"[..]),
                (b"aGVs\r\nbG8g\r\ndGhl\r\ncmU=\r\n", b"hello there"),
                (b"aGVsbG8gdGhlcmU", b"hello there"),
                (b"aA==", b"h"),
                (b"aA", b"h"),
                (b"", b""),
                (b"\r\n", b""),
            ] {
                assert_eq!(decoded(text, size).expect("it is base64"), content, "{text:?} in pieces of {size}");
            }
            for bad in [&b"aA==aA=="[..], b"aA==aA", b"aGVs!G8=", b"a", b"=aGV"] {
                let error = decoded(bad, size).expect_err("it is not base64");
                assert_eq!(error.to_string(), "the part `a` is not base64, as it says of itself", "{bad:?}");
            }
        }
    }

    #[test]
    fn a_coding_that_is_not_undone_is_named() {
        for none in ["", "binary", "8BIT", "7bit"] {
            assert!(matches!(TransferCoding::named(none.as_bytes(), "a"), Ok(TransferCoding::None)), "{none}");
        }
        let error = TransferCoding::named(b"quoted-printable", "title").expect_err("it is not read");
        let words = "the part `title` is encoded as quoted-printable; this server reads binary and base64";
        assert_eq!((error.status(), error.to_string().as_str()), (400, words));
    }
}
