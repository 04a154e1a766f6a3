//! An address or a network, in the form `trusted_proxies` uses: `10.0.0.0/8`, `127.0.0.1`, `fd00::/8`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The addresses that share a prefix. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`), which a dual-stack socket
/// reports, counts as the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether the network contains every address of its family.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }
}

/// The first address of the network of this address.
fn first(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(own) => {
            IpAddr::V4((own.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)).into())
        }
        IpAddr::V6(own) => {
            IpAddr::V6((own.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)).into())
        }
    }
}

/// Why a text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// It is neither an address nor an address with a prefix.
    #[error("expected an address such as 127.0.0.1, or a network such as 10.0.0.0/8")]
    NoAddress,
    /// Its prefix is longer than its address.
    #[error("expected at most {0} bits behind the `/`")]
    TooLong(u8),
    /// The address is not the first of the network: the author may mean one address or another network.
    #[error("that network begins at {first}: write {first}/{prefix}, or the address alone")]
    Within {
        /// The first address of the network.
        first: IpAddr,
        /// The length of the prefix in bits.
        prefix: u8,
    },
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let written: IpAddr = address.trim().parse().map_err(|_| NetworkError::NoAddress)?;
        let address = written.to_canonical();
        let widest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => widest,
            Some(prefix) => {
                let prefix: u8 = prefix.trim().parse().map_err(|_| NetworkError::NoAddress)?;
                // `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
                let prefix = if written == address { Some(prefix) } else { prefix.checked_sub(96) };
                prefix.filter(|prefix| *prefix <= widest).ok_or(NetworkError::TooLong(widest))?
            }
        };
        let first = first(address, prefix);
        if first != address {
            return Err(NetworkError::Within { first, prefix });
        }
        Ok(Network { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
        ] {
            let read: Network = network.parse().unwrap_or_else(|why| panic!("{network}: {why}"));
            assert!(read.contains(inside.parse().expect("an address")), "{network} has {inside}");
            assert!(!read.contains(outside.parse().expect("an address")), "{network} has not {outside}");
        }
    }

    #[test]
    fn what_is_none_says_what_was_expected() {
        for (text, why) in [
            ("", "expected an address"),
            ("localhost", "expected an address"),
            ("10.0.0.0/x", "expected an address"),
            ("10.0.0.0/", "expected an address"),
            ("10.0.0/8", "expected an address"),
            ("10.0.0.0/33", "at most 32"),
            ("::/129", "at most 128"),
            ("::ffff:10.0.0.0/8", "at most 32"),
            ("10.0.0.1/8", "write 10.0.0.0/8"),
            ("fd00::1/8", "write fd00::/8"),
        ] {
            let message = text.parse::<Network>().expect_err(text).to_string();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
