//! Where a request comes from: the socket's word, or that of a configured proxy.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use super::App;
use crate::config::Config;
use crate::network::Network;

/// The other end of the connection, put into each request by the server.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What the limits count by.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientAddress(pub(super) IpAddr);

/// The same, and where the client says that its user is: what stands before its own address. Anyone may say so; whether it is
/// believed depends on who the client proves to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) client: IpAddr,
    pub(super) user: Option<IpAddr>,
}

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self(addresses(parts, app).0))
    }
}

impl FromRequestParts<App> for Addresses {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let (client, user) = addresses(parts, app);
        Ok(Self { client, user })
    }
}

fn addresses(parts: &Parts, app: &App) -> (IpAddr, Option<IpAddr>) {
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    client(peer, &parts.headers, &app.issuer.config.limits.trusted_proxies)
}

/// A request for an https resource must have come over TLS, or from a gateway that one trusts (RFC 9110 §7.4). What comes
/// from this machine crossed no network.
pub(super) fn came_over_tls(config: &Config, request: &Request) -> bool {
    let is_near = |Peer(peer): &Peer| {
        let peer = peer.ip().to_canonical();
        peer.is_loopback() || config.limits.trusts(peer)
    };
    !config.asks_for_tls() || request.extensions().get().is_some_and(is_near)
}

/// Each proxy appends whom it heard from, so the list is read from its end, for as long as proxies we trust wrote it. What
/// cannot be read ends it, too: who stands before that is anyone's guess. The second address is what the first one says
/// about itself.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> (IpAddr, Option<IpAddr>) {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer;
    let lists: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    for entry in lists.iter().flat_map(|list| list.split(|byte| *byte == b',')).rev() {
        let before = std::str::from_utf8(entry).ok().and_then(forwarded);
        match before {
            Some(before) if is_trusted(address) => address = before,
            _ if is_trusted(address) => break,
            before => return (address.to_canonical(), before.map(|before| before.to_canonical())),
        }
    }
    (address.to_canonical(), None)
}

/// An address as proxies write it: alone, in brackets, with a port.
fn forwarded(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim_matches([' ', '\t']);
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    entry.parse().ok().or_else(|| bracketed().map(IpAddr::V6)).or_else(with_port)
}

const FORWARDED_FOR: &str = "x-forwarded-for";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, lists: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(list).unwrap());
        }
        let trusted = ["10.0.0.0/8", "::1", "::ffff:172.16.0.1"].map(|network| network.parse().unwrap());
        client(peer.parse().unwrap(), &headers, &trusted).0.to_string()
    }

    #[test]
    fn strangers_are_not_believed() {
        assert_eq!(found("192.0.2.1", &[b"198.51.100.1"]), "192.0.2.1");
    }

    #[test]
    fn proxies_are_believed_up_to_the_first_stranger() {
        assert_eq!(found("10.0.0.1", &[b"198.51.100.1"]), "198.51.100.1");
        assert_eq!(found("::ffff:10.0.0.1", &[b"6.6.6.6, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(found("::1", &[b"6.6.6.6", b"2001:db8::1"]), "2001:db8::1");
        assert_eq!(found("172.16.0.1", &[b"198.51.100.1"]), "198.51.100.1");
        assert_eq!(found("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn addresses_are_known_in_their_usual_spellings() {
        for (spelled, address) in [
            ("203.0.113.9:5000", "203.0.113.9"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("[::ffff:203.0.113.9]:5000", "203.0.113.9"),
            ("6.6.6.6,\t203.0.113.9 ", "203.0.113.9"),
            ("203.0.113.9:5000, 10.0.0.2:80, [::1]:80", "203.0.113.9"),
        ] {
            assert_eq!(found("10.0.0.1", &[spelled.as_bytes()]), address, "{spelled}");
        }
    }

    #[test]
    fn nobody_before_what_cannot_be_read_is_believed() {
        for unreadable in [
            &b"\xff"[..],
            b"\xff, 10.0.0.2",
            b"nonsense",
            b"",
            b"unknown",
            b"[10.0.0.9]",
            b"2001:db8::1]",
            b"203.0.113.9:",
            b"203.0.113.9:99999",
            b"203.0.113.9 5",
        ] {
            let address = if unreadable.ends_with(b"10.0.0.2") { "10.0.0.2" } else { "10.0.0.1" };
            assert_eq!(found("10.0.0.1", &[b"6.6.6.6", unreadable]), address, "{unreadable:?}");
        }
    }
}
