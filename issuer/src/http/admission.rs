//! How many connections a listener holds at once, in all and from one address.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::network::{Network, subscriber};

/// The connections of one listener.
#[derive(Debug)]
pub struct Admission {
    free: Arc<Semaphore>,
    most: usize,
    /// From one address (IPv6: one /64).
    per_address: usize,
    /// Addresses with many clients behind them.
    proxies: Vec<Network>,
    open: Mutex<HashMap<String, usize>>,
    is_full: AtomicBool,
}

/// Counts a connection for as long as it lives.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    /// `None`: a proxy, whose connections are not counted.
    subscriber: Option<String>,
    _place: OwnedSemaphorePermit,
}

impl Admission {
    /// One address gets half of `most` at best, so that it never keeps all others out.
    pub fn new(most: usize, per_address: usize, proxies: &[Network]) -> Arc<Self> {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            free: Arc::new(Semaphore::new(most)),
            most,
            per_address: per_address.min(most.div_ceil(2)),
            proxies: proxies.to_vec(),
            open: Mutex::default(),
            is_full: AtomicBool::new(false),
        })
    }

    /// Waits for a free place and a client. `None`: the client's address has its share already.
    pub(super) async fn accept(
        self: &Arc<Self>,
        listener: &TcpListener,
    ) -> io::Result<Option<(TcpStream, SocketAddr, Admitted)>> {
        let place = self.place().await?;
        let (stream, peer) = listener.accept().await?;
        Ok(self.admit(peer.ip(), place).map(|admitted| (stream, peer, admitted)))
    }

    async fn place(&self) -> io::Result<OwnedSemaphorePermit> {
        if let Ok(place) = self.free.clone().try_acquire_owned() {
            return Ok(place);
        }
        if !self.is_full.swap(true, Ordering::Relaxed) {
            let connections = self.most;
            tracing::warn!(connections, "all connections are in use; new ones wait");
        }
        self.free.clone().acquire_owned().await.map_err(io::Error::other)
    }

    fn admit(self: &Arc<Self>, address: IpAddr, place: OwnedSemaphorePermit) -> Option<Admitted> {
        // Said again only after it was no longer true for a while.
        if self.free.available_permits() > self.most / 8 {
            self.is_full.store(false, Ordering::Relaxed);
        }
        let is_proxy = self.proxies.iter().any(|network| network.contains(address));
        let subscriber = (!is_proxy).then(|| subscriber(address));
        if let Some(subscriber) = &subscriber {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.entry(subscriber.clone()).or_default();
            if *count >= self.per_address {
                tracing::debug!(%address, "connection refused: its address has too many");
                return None;
            }
            *count += 1;
        }
        Some(Admitted { admission: self.clone(), subscriber, _place: place })
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let Some(subscriber) = &self.subscriber else { return };
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(subscriber) {
            *count -= 1;
            if *count == 0 {
                open.remove(subscriber);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(admission: &Arc<Admission>, address: &str) -> Option<Admitted> {
        let place = admission.free.clone().try_acquire_owned().unwrap();
        admission.admit(address.parse().unwrap(), place)
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let admission = Admission::new(100, 2, &[]);
        let first = admit(&admission, "192.0.2.1").unwrap();
        let _second = admit(&admission, "::ffff:192.0.2.1").unwrap();

        assert!(admit(&admission, "192.0.2.1").is_none());
        assert!(admit(&admission, "192.0.2.2").is_some());
        drop(first);
        assert!(admit(&admission, "192.0.2.1").is_some());
        assert_eq!(admission.free.available_permits(), 99);
        assert_eq!(admission.open.lock().unwrap().len(), 1, "who has none is forgotten");
    }

    #[test]
    fn a_64_is_one_address() {
        let admission = Admission::new(100, 1, &[]);
        let _first = admit(&admission, "2001:db8::1").unwrap();

        assert!(admit(&admission, "2001:db8::2").is_none());
        assert!(admit(&admission, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn one_address_never_gets_more_than_half() {
        let admission = Admission::new(3, 1000, &[]);
        let _held = [admit(&admission, "192.0.2.1").unwrap(), admit(&admission, "192.0.2.1").unwrap()];

        assert!(admit(&admission, "192.0.2.1").is_none());
        assert!(admit(&admission, "192.0.2.2").is_some());
    }

    #[test]
    fn a_proxy_speaks_for_many() {
        let admission = Admission::new(100, 1, &["10.0.0.0/8".parse().unwrap()]);
        let _held = [admit(&admission, "10.0.0.1").unwrap(), admit(&admission, "10.0.0.1").unwrap()];

        assert!(admit(&admission, "10.0.0.1").is_some());
    }
}
