//! A small HTTP server on a loopback port, for what a test answers by itself. It closes when it is dropped.

use std::fs;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::wire::Message;
use crate::{ports, wait};

/// A server that answers every request by one function.
#[derive(Debug)]
pub struct Server {
    pub port: u16,
    closed: Arc<AtomicBool>,
}

impl Server {
    pub fn start(port: u16, answer: impl Fn(&Message) -> Reply + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("cannot listen on 127.0.0.1:{port}"))?;
        let closed = Arc::new(AtomicBool::new(false));
        let closing = Arc::clone(&closed);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if closing.load(Ordering::Acquire) {
                    return;
                }
                let answer = Arc::clone(&answer);
                thread::spawn(move || converse(stream, answer.as_ref()));
            }
        });
        Ok(Self { port, closed })
    }
}

/// Another start may want the port: the listener is woken and leaves.
impl Drop for Server {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ = wait::until("the server to close", Duration::from_secs(5), || Ok(ports::is_free(self.port)));
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    kind: String,
    body: Vec<u8>,
    policy: Option<&'static str>,
}

impl Reply {
    pub fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            kind: "application/json".to_owned(),
            body: value.to_string().into_bytes(),
            policy: None,
        }
    }

    pub fn text(kind: &str, text: &str) -> Self {
        Self { status: 200, kind: kind.to_owned(), body: text.as_bytes().to_vec(), policy: None }
    }

    /// The file `name` below `folder`, and nothing outside it.
    pub fn file(folder: &Path, name: &str) -> Option<Self> {
        if name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
            return None;
        }
        let body = fs::read(folder.join(name)).ok()?;
        Some(Self { status: 200, kind: kind_of(name).to_owned(), body, policy: None })
    }

    /// With this `Content-Security-Policy`.
    #[must_use]
    pub fn under(self, policy: &'static str) -> Self {
        Self { policy: Some(policy), ..self }
    }
}

/// One connection, as many requests as come.
fn converse(stream: TcpStream, answer: &impl Fn(&Message) -> Reply) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Ok(Some(request)) = Message::request(&mut reader) {
        if write(&mut writer, &answer(&request)).is_err() {
            return;
        }
    }
}

fn write(stream: &mut TcpStream, reply: &Reply) -> io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {} Answer\r\ncontent-type: {}\r\ncontent-length: {}\r\n",
        reply.status,
        reply.kind,
        reply.body.len()
    );
    if let Some(policy) = reply.policy {
        head.push_str(&format!("content-security-policy: {policy}\r\n"));
    }
    stream.write_all(&[head.as_bytes(), b"\r\n", &reply.body].concat())
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js" | "mjs") => "text/javascript",
        Some("html") => "text/html; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("json" | "map") => "application/json",
        _ => "application/octet-stream",
    }
}
