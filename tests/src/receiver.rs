//! Takes whatever is posted to it, as a collector of telemetry does, and keeps it.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;

use crate::ports;
use crate::server::{Reply, Server};
use crate::wire::Message;

/// A running receiver; it says 200 to everything.
#[derive(Debug)]
pub struct Receiver {
    server: Server,
    seen: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    pub fn start() -> Result<Self> {
        let seen = Arc::<Mutex<Vec<Message>>>::default();
        let book = Arc::clone(&seen);
        let server = Server::start(ports::free()?, move |request| {
            book.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
            Reply::text("application/x-protobuf", "")
        })?;
        Ok(Self { server, seen })
    }

    /// `127.0.0.1` and its port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }

    /// Everything that came so far, oldest first.
    pub fn seen(&self) -> Vec<Message> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
