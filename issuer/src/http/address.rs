//! Where a request comes from: the socket's word, or that of a configured proxy.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::App;
use crate::config::Config;
use crate::network::Network;

/// The other end of the connection, put into each request by the server.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// What the limits count by.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientAddress(pub(super) IpAddr);

impl FromRequestParts<App> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let peer =
            parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
        Ok(Self(client(peer, &parts.headers, &app.issuer.config.limits.trusted_proxies)))
    }
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

/// Each proxy appends whom it heard from, so the list is read from its end, for as long as proxies we trust wrote it.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer;
    let lists: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    for entry in lists.iter().flat_map(|list| list.split(',')).rev() {
        if !is_trusted(address) {
            break;
        }
        match entry.trim().parse() {
            Ok(before) => address = before,
            Err(_) => break,
        }
    }
    address.to_canonical()
}

const FORWARDED_FOR: &str = "x-forwarded-for";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, lists: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(FORWARDED_FOR, list.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        client(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn strangers_are_not_believed() {
        assert_eq!(found("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
    }

    #[test]
    fn proxies_are_believed_up_to_the_first_stranger() {
        assert_eq!(found("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(found("::ffff:10.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"]), "198.51.100.1");
        assert_eq!(found("::1", &["6.6.6.6", "2001:db8::1"]), "2001:db8::1");
        assert_eq!(found("10.0.0.1", &["6.6.6.6, nonsense"]), "10.0.0.1");
        assert_eq!(found("10.0.0.1", &[]), "10.0.0.1");
    }
}
