//! Addresses and identifiers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::bytes::{ByteFields, hex};

const IPV4: u8 = 2;
const IPV6: u8 = 3;

/// `inet` omits the prefix length of a full address, `cidr` always includes it.
pub(super) fn inet(field: &mut ByteFields<'_>) -> Option<String> {
    let (family, bits, is_cidr, length) = (field.u8()?, field.u8()?, field.u8()? != 0, field.u8()?);
    let raw = field.take(length.into())?;
    let (address, whole) = match family {
        IPV4 => (Ipv4Addr::from(<[u8; 4]>::try_from(raw).ok()?).to_string(), 32),
        IPV6 => (Ipv6Addr::from(<[u8; 16]>::try_from(raw).ok()?).to_string(), 128),
        _ => return None,
    };
    Some(if is_cidr || bits != whole { format!("{address}/{bits}") } else { address })
}

pub(super) fn mac(raw: &[u8]) -> String {
    raw.iter().map(|byte| hex(&[*byte])).collect::<Vec<_>>().join(":")
}

pub(super) fn uuid(field: &mut ByteFields<'_>) -> Option<String> {
    let text = hex(field.take(16)?);
    Some([&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-"))
}
