//! A server of key sets that answers well or badly, as it is told, and counts who asks.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;
use serde_json::Value;

use crate::wait;
use crate::wire::Message;

/// Serves until the run ends.
#[derive(Debug)]
pub struct KeyServer {
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// By the start of a request's path; the longest that fits.
    replies: Mutex<BTreeMap<String, Reply>>,
    asked: AtomicUsize,
}

/// An answer of the server.
#[derive(Clone, Debug)]
pub enum Reply {
    Keys(Value),
    /// These bytes, and the connection ends.
    Raw(Vec<u8>),
    /// Nothing, and the connection stays.
    Silence,
    /// Waits for another reply, and sends that.
    Waiting,
}

impl KeyServer {
    pub fn start(keys: Value) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            replies: Mutex::new(BTreeMap::from([(String::new(), Reply::Keys(keys))])),
            asked: AtomicUsize::new(0),
        });
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                thread::spawn(move || server.converse(stream));
            }
        });
        Ok(Self { port, shared })
    }

    /// Where the keys are said to be.
    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn answers(&self, reply: Reply) {
        self.answers_below("", reply);
    }

    /// Sets the answer to requests whose path begins like this.
    pub fn answers_below(&self, path: &str, reply: Reply) {
        self.shared.replies().insert(path.to_owned(), reply);
    }

    /// How often it was asked for the keys.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn replies(&self) -> MutexGuard<'_, BTreeMap<String, Reply>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reply(&self, path: &str) -> Reply {
        let replies = self.replies();
        let fitting = replies.iter().rev().find(|(start, _)| path.starts_with(start.as_str()));
        fitting.map_or(Reply::Silence, |(_, reply)| reply.clone())
    }

    fn converse(&self, mut stream: TcpStream) {
        let Ok(reading) = stream.try_clone() else { return };
        let mut reader = BufReader::new(reading);
        while let Ok(Some(request)) = Message::request(&mut reader) {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let path = request.start.split(' ').nth(1).unwrap_or_default();
            let mut reply = self.reply(path);
            while matches!(reply, Reply::Waiting) {
                wait::breathe();
                reply = self.reply(path);
            }
            match reply {
                Reply::Keys(keys) => {
                    let body = keys.to_string();
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                    if stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).is_err() {
                        return;
                    }
                }
                Reply::Raw(bytes) => {
                    let _ = stream.write_all(&bytes);
                    return;
                }
                Reply::Silence | Reply::Waiting => {}
            }
        }
    }
}
