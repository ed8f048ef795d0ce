//! Addresses: which network one is in, and which part of it an attacker can change at will.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// All addresses that share the first `length` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    length: u32,
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                same_prefix(network.to_bits().into(), address.to_bits().into(), 32 - self.length)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                same_prefix(network.to_bits(), address.to_bits(), 128 - self.length)
            }
            _ => false,
        }
    }
}

fn same_prefix(one: u128, other: u128, ignored_bits: u32) -> bool {
    (one ^ other).checked_shr(ignored_bits).unwrap_or(0) == 0
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(length) => length.parse().map_err(|_| ())?,
            None => most,
        };
        match address {
            _ if length > most => Err(()),
            // The IPv4 network that it is, which is how addresses are compared.
            IpAddr::V6(mapped) if length >= MAPPED => match mapped.to_ipv4_mapped() {
                Some(address) => Ok(Self { address: address.into(), length: length - MAPPED }),
                None => Ok(Self { address, length }),
            },
            _ => Ok(Self { address, length }),
        }
    }
}

/// The bits before an IPv4 address in an IPv6 one (RFC 4291 §2.5.5.2).
const MAPPED: u32 = 96;

/// The part of an address that one subscriber holds: all of an IPv4 address, the /64 of an IPv6 one.
pub fn subscriber(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// The network around an address, for records that are kept: the /24 of an IPv4 address, the /48 of an IPv6 one.
pub fn neighbourhood(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("{}/24", Ipv4Addr::from_bits(address.to_bits() >> 8 << 8)),
        IpAddr::V6(address) => format!("{}/48", Ipv6Addr::from_bits(address.to_bits() >> 80 << 80)),
    }
}

/// The /48 of an IPv6 address: what a customer is given who can change their /64 at will.
pub fn site(address: IpAddr) -> Option<String> {
    match address.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some(format!("{}/48", Ipv6Addr::from_bits(address.to_bits() >> 80 << 80))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_what_shares_its_prefix() {
        assert!(contains("10.0.0.0/8", "10.255.1.2"));
        assert!(contains("0.0.0.0/0", "192.0.2.1"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(contains("192.0.2.1", "::ffff:192.0.2.1"));
        assert!(contains("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(contains("::ffff:10.0.0.0/104", "::ffff:10.1.2.3"));
        assert!(!contains("::ffff:10.0.0.1", "10.0.0.2"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        assert!(!contains("0.0.0.0/0", "::1"));
    }

    #[test]
    fn what_is_no_network_does_not_parse() {
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "example.com"] {
            assert_eq!(wrong.parse::<Network>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn all_of_a_64_is_one_subscriber() {
        let one = subscriber("2001:db8:1:2:3::1".parse().unwrap());

        assert_eq!(one, subscriber("2001:db8:1:2:ffff::".parse().unwrap()));
        assert_ne!(one, subscriber("2001:db8:1:3::1".parse().unwrap()));
        assert_eq!(subscriber("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1");
    }

    #[test]
    fn all_of_a_48_is_one_site() {
        let one = site("2001:db8:1:2:3::1".parse().unwrap());

        assert_eq!(one.as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(one, site("2001:db8:1:ffff::".parse().unwrap()));
        assert_ne!(one, site("2001:db8:2:2:3::1".parse().unwrap()));
        assert_eq!(site("::ffff:192.0.2.1".parse().unwrap()), None);
    }
}
