//! Free loopback ports.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// Returns a free port. Never from the ephemeral range: an outgoing connection could take one of those between
/// this answer and the moment its owner binds it.
pub fn free() -> Result<u16> {
    for _ in 0..SPAN {
        let offset = (start() + NEXT.fetch_add(1, Ordering::Relaxed)) % SPAN;
        let port = FIRST + offset;
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("every port from {FIRST} to {} is taken on 127.0.0.1", FIRST + SPAN - 1);
}

pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Two runs at the same time begin at different places.
fn start() -> u16 {
    u16::try_from(std::process::id() % 1000).unwrap_or_default() * (SPAN / 1000)
}

static NEXT: AtomicU16 = AtomicU16::new(0);
const FIRST: u16 = 20_000;
const SPAN: u16 = 12_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_never_give_the_same_port() {
        let first = free().unwrap();
        let second = free().unwrap();

        assert_ne!(first, second);
    }

    #[test]
    fn a_port_somebody_listens_on_is_not_free() {
        let port = free().unwrap();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();

        assert!(!is_free(port));
    }
}
