//! Addresses that are not public: of this machine, of the networks behind it, of nobody. A proxy that led there would
//! open what a firewall keeps closed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The networks of IPv4 that are not public, with their kind (RFC 6890 and the registry that it began).
const OF_V4: [([u8; 4], u32, &str); 18] = [
    ([0, 0, 0, 0], 8, "this network"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "private (shared by a provider)"),
    ([127, 0, 0, 0], 8, "loopback"),
    // The services of clouds that hand out secrets are here, 169.254.169.254.
    ([169, 254, 0, 0], 16, "link-local or metadata"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "reserved"),
    ([192, 0, 2, 0], 24, "reserved"),
    ([192, 88, 99, 0], 24, "reserved"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "reserved"),
    ([198, 51, 100, 0], 24, "reserved"),
    ([203, 0, 113, 0], 24, "reserved"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved or broadcast"),
    // Azure's.
    ([168, 63, 129, 16], 32, "metadata"),
    // Oracle's and Alibaba's are in networks above; these two are kept by name all the same.
    ([192, 0, 0, 192], 32, "metadata"),
    ([100, 100, 100, 200], 32, "metadata"),
];

/// The same of IPv6 within 2000::/3, beyond which nothing is public.
const OF_V6: [([u16; 4], u32, &str); 4] = [
    // With Teredo, which is looked at before, and ORCHID.
    ([0x2001, 0, 0, 0], 23, "reserved"),
    ([0x2001, 0x0db8, 0, 0], 32, "reserved"),
    ([0x3fff, 0, 0, 0], 20, "reserved"),
    ([0x2620, 0x004f, 0x8000, 0], 48, "reserved"),
];

/// The kind of an address that is not public; `None` for a public one.
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

fn of_v4(address: Ipv4Addr) -> Option<&'static str> {
    let known = OF_V4.iter().rev();
    known.filter(|(first, prefix, _)| is_in_v4(address, Ipv4Addr::from(*first), *prefix)).map(|(.., kind)| *kind).next()
}

fn is_in_v4(address: Ipv4Addr, first: Ipv4Addr, prefix: u32) -> bool {
    (address.to_bits() ^ first.to_bits()).checked_shr(32 - prefix).unwrap_or(0) == 0
}

fn of_v6(address: Ipv6Addr) -> Option<&'static str> {
    let bits = address.to_bits();
    let segments = address.segments();
    // The IPv4 address in 32 bits that begin at this one.
    let embedded = |at: u32| Ipv4Addr::from_bits(u32::try_from(bits << at >> 96).unwrap_or_default());
    match segments {
        _ if address.is_unspecified() => Some("this network"),
        _ if address.is_loopback() => Some("loopback"),
        [0, 0, 0, 0, 0, 0xffff, ..] => Some("an IPv4 address in one of IPv6"),
        [0, 0, 0, 0, 0, 0, ..] => Some("an IPv4 address in one of IPv6"),
        // NAT64 leads to the address within (RFC 6052), the same of a network's own (RFC 8215) to who knows where.
        [0x0064, 0xff9b, 0, 0, 0, 0, ..] => of_v4(embedded(96)),
        [0x0064, 0xff9b, 1, ..] => Some("reserved"),
        [0x2002, ..] => of_v4(embedded(16)),
        // Teredo: the server, and the client with its bits turned round (RFC 4380).
        [0x2001, 0, ..] => of_v4(embedded(32)).or_else(|| of_v4(Ipv4Addr::from_bits(!embedded(96).to_bits()))),
        [0xfe80..=0xfebf, ..] => Some("link-local or metadata"),
        [0xfec0..=0xfeff, ..] => Some("private"),
        [0xfc00..=0xfdff, ..] => Some("private"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        [0x2000..=0x3fff, ..] => {
            let is_in = |first: &[u16; 4], prefix: u32| {
                let [a, b, c, d] = *first;
                let first = Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_bits();
                (bits ^ first) >> (128 - prefix) == 0
            };
            OF_V6.iter().find(|(first, prefix, _)| is_in(first, *prefix)).map(|(.., kind)| *kind)
        }
        _ => Some("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_known() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.1.2.3",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::",
            "2002:a01:203::1",
            "2002:c0a8:1::",
            "2001:0:0a00:1::f7f7:f7f7",
            "2001:0:808:808::80ff:fffe",
            "2001:db8::1",
            "2001:10::1",
            "2001:20::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "5f00::1",
            "1::1",
            "4000::1",
            "e000::1",
        ] {
            assert!(special(text.parse().expect("an address")).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_public_is_open() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.167.1.1",
            "192.169.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
            "2001:0:808:808::f7f7:f7f7",
            "2001:200::1",
        ] {
            assert_eq!(special(text.parse().expect("an address")), None, "{text}");
        }
    }
}
