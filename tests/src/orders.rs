//! The API behind Envoy: a small `orders` service that tells every caller who Envoy said they are, and serves the page
//! that a browser opens. It checks no token: if Envoy lets a request through, it answers.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::wire::Message;
use crate::{ports, wait};

/// The running service.
#[derive(Debug)]
pub struct Orders {
    pub port: u16,
    api: Arc<Api>,
}

impl Orders {
    /// `settings` is what the page learns at `/assets/settings.json`; `package` is the built npm package.
    pub fn start(port: u16, package: &Path, settings: Value) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("the orders API cannot listen on 127.0.0.1:{port}"))?;
        let first = json!({ "id": 1, "item": "a rabbit hole", "by": "demo" });
        let api = Arc::new(Api {
            closed: AtomicBool::new(false),
            package: package.to_owned(),
            settings: settings.to_string(),
            placed: Mutex::new(vec![first]),
            seen: Mutex::default(),
        });
        let server = Arc::clone(&api);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if server.closed.load(Ordering::Acquire) {
                    return;
                }
                let api = Arc::clone(&server);
                thread::spawn(move || api.converse(stream));
            }
        });
        Ok(Self { port, api })
    }

    /// Every request that got through Envoy so far, oldest first.
    pub fn seen(&self) -> Vec<Message> {
        held(&self.api.seen).clone()
    }

    /// Whether a request with this header value anywhere got through.
    pub fn saw(&self, value: &str) -> bool {
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(value);
        held(&self.api.seen).iter().any(|request| request.headers.iter().any(|(_, bytes)| holds(bytes)))
    }
}

/// Another start may want the port: the listener is woken and leaves.
impl Drop for Orders {
    fn drop(&mut self) {
        self.api.closed.store(true, Ordering::Release);
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ =
            wait::until("the orders API to close", Duration::from_secs(5), || Ok(ports::is_free(self.port)));
    }
}

#[derive(Debug)]
struct Api {
    closed: AtomicBool,
    package: PathBuf,
    settings: String,
    placed: Mutex<Vec<Value>>,
    seen: Mutex<Vec<Message>>,
}

impl Api {
    /// One connection, as many requests as come.
    fn converse(&self, stream: TcpStream) {
        let Ok(mut writer) = stream.try_clone() else { return };
        let mut reader = BufReader::new(stream);
        while let Ok(Some(request)) = Message::request(&mut reader) {
            held(&self.seen).push(request.clone());
            if write(&mut writer, &self.answer(&request)).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Message) -> Reply {
        let mut words = request.start.split(' ');
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match (method, path) {
            ("GET", "/orders") => self.list(request),
            ("POST", "/orders") => self.place(request),
            ("GET", "/me") => Reply::json(200, &json!({ "caller": caller(request) })),
            ("GET", "/") => Reply::text("text/html; charset=utf-8", PAGE),
            ("GET", "/assets/page.css") => Reply::text("text/css", STYLE),
            ("GET", "/assets/page.js") => Reply::text("text/javascript", SCRIPT),
            ("GET", "/assets/settings.json") => Reply::text("application/json", &self.settings),
            ("GET", path) => self.file(path),
            _ => Reply::json(405, &json!({ "title": "no such operation" })),
        }
    }

    fn list(&self, request: &Message) -> Reply {
        Reply::json(200, &json!({ "orders": *held(&self.placed), "caller": caller(request) }))
    }

    fn place(&self, request: &Message) -> Reply {
        let Ok(Value::Object(order)) = serde_json::from_slice(&request.body) else {
            return Reply::json(400, &json!({ "title": "an order is a JSON object" }));
        };
        let who = request.header("x-keystone-subject");
        let mut placed = held(&self.placed);
        let id = placed.len() + 1;
        placed.push(json!({ "id": id, "item": order.get("item"), "by": who }));
        Reply::json(201, &json!({ "order": placed.last(), "caller": caller(request) }))
    }

    /// A file of the npm package below `/assets/package/`, and nothing outside it.
    fn file(&self, path: &str) -> Reply {
        let missing = Reply::json(404, &json!({ "title": "no such page" }));
        let Some(name) = path.strip_prefix("/assets/package/") else { return missing };
        if name.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
            return missing;
        }
        match fs::read(self.package.join(name)) {
            Ok(body) => Reply { status: 200, kind: kind_of(name).to_owned(), body },
            Err(_) => missing,
        }
    }
}

/// Every identity header as it arrived, also in spellings that some frameworks take for the same.
fn caller(request: &Message) -> BTreeMap<String, Vec<String>> {
    let mut caller: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &request.headers {
        if name.replace('_', "-").starts_with("x-keystone-") {
            caller.entry(name.clone()).or_default().push(String::from_utf8_lossy(value).into_owned());
        }
    }
    caller
}

struct Reply {
    status: u16,
    kind: String,
    body: Vec<u8>,
}

impl Reply {
    fn json(status: u16, value: &Value) -> Self {
        Self { status, kind: "application/json".to_owned(), body: value.to_string().into_bytes() }
    }

    fn text(kind: &str, text: &str) -> Self {
        Self { status: 200, kind: kind.to_owned(), body: text.as_bytes().to_vec() }
    }
}

fn write(stream: &mut TcpStream, reply: &Reply) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {} Answer\r\ncontent-type: {}\r\ncontent-length: {}\r\ncontent-security-policy: {POLICY}\r\n\r\n",
        reply.status,
        reply.kind,
        reply.body.len()
    );
    stream.write_all(&[head.as_bytes(), &reply.body].concat())
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js" | "mjs") => "text/javascript",
        Some("wasm") => "application/wasm",
        Some("json" | "map") => "application/json",
        _ => "application/octet-stream",
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const PAGE: &str = include_str!("../orders/page.html");
const STYLE: &str = include_str!("../orders/page.css");
const SCRIPT: &str = include_str!("../orders/page.js");

/// What a careful page sends. WebAssembly needs its own word; the issuer on another port is reached by `connect-src`.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self' http://127.0.0.1:*; base-uri 'none'; form-action 'self'";
