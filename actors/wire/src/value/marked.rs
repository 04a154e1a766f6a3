//! Points in time and octets as fields of an app's types.
//!
//! Serde's data model has no points in time, and JSON has no octets. Both are newtype structs with names that no other
//! crate uses: our serializers recognise the names, every other format sees plain text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::engine::{DecodePaddingMode, general_purpose};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

pub(crate) const DATE_TIME: &str = "$wire::DateTime";
pub(crate) const BYTES: &str = "$wire::Bytes";
/// Asks our own deserializer for the value itself, so that a `Value` within a struct keeps its points in time.
pub(crate) const VALUE: &str = "$wire::Value";

/// Accepts absent padding and stray bits after the last octet: both are common and neither is data.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A point in time as ISO 8601 text: `<dateTime.iso8601>` over XML-RPC, a string in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(pub String);

/// Octets: `<base64>` over XML-RPC, a base64 string in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

/// Borrowed octets. Other formats get the text form; our own serializers get the octets.
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl Serialize for Octets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(self.0))
        } else {
            serializer.serialize_bytes(self.0)
        }
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(DATE_TIME, &self.0)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(BYTES, &Octets(&self.0))
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DateTime, D::Error> {
        String::deserialize(deserializer).map(DateTime)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        // JSON would answer a request for bytes with the base64 text itself.
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(BytesVisitor)
        } else {
            deserializer.deserialize_byte_buf(BytesVisitor)
        }
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("octets or a base64 string")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        decode_base64(text).map(Bytes).map_err(E::custom)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = items.next_element()? {
            bytes.push(byte);
        }
        Ok(Bytes(bytes))
    }
}

/// Base64 with or without line breaks and padding.
pub(crate) fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let decoded = if bytes.iter().any(u8::is_ascii_whitespace) {
        let dense: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        TOLERANT.decode(dense)
    } else {
        TOLERANT.decode(bytes)
    };
    decoded.map_err(|error| format!("not base64: {error}"))
}

/// Base64 on one line with padding, appended to `out`.
pub(crate) fn encode_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    // A multiple of three, so that only the last piece has padding.
    const PIECE: usize = 3 * 1024;
    let mut buffer = [0; PIECE / 3 * 4];
    for piece in bytes.chunks(PIECE) {
        let length = general_purpose::STANDARD
            .encode_slice(piece, &mut buffer)
            .expect("the buffer holds four characters for every three bytes of the piece");
        out.extend_from_slice(&buffer[..length]);
    }
}
