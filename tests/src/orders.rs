//! The API behind Envoy: a small `orders` service that tells every caller who Envoy said they are, and serves the page
//! that a browser opens. It checks no token: if Envoy lets a request through, it answers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use serde_json::{Value, json};

use crate::server::{Reply, Server};
use crate::wire::Message;

/// The running service.
#[derive(Debug)]
pub struct Orders {
    pub port: u16,
    api: Arc<Api>,
    _server: Server,
}

impl Orders {
    /// `settings` is what the page learns at `/assets/settings.json`; `package` is the built npm package.
    pub fn start(port: u16, package: &Path, settings: Value) -> Result<Self> {
        let first = json!({ "id": 1, "item": "a rabbit hole", "by": "demo" });
        let api = Arc::new(Api {
            package: package.to_owned(),
            settings: settings.to_string(),
            placed: Mutex::new(vec![first]),
            seen: Mutex::default(),
        });
        let answering = Arc::clone(&api);
        let server = Server::start(port, move |request| answering.answer(request).under(POLICY))?;
        Ok(Self { port, api, _server: server })
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

#[derive(Debug)]
struct Api {
    package: PathBuf,
    settings: String,
    placed: Mutex<Vec<Value>>,
    seen: Mutex<Vec<Message>>,
}

impl Api {
    fn answer(&self, request: &Message) -> Reply {
        held(&self.seen).push(request.clone());
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

    fn file(&self, path: &str) -> Reply {
        let name = path.strip_prefix("/assets/package/");
        name.and_then(|name| Reply::file(&self.package, name))
            .unwrap_or_else(|| Reply::json(404, &json!({ "title": "no such page" })))
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

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const PAGE: &str = include_str!("../orders/page.html");
const STYLE: &str = include_str!("../orders/page.css");
const SCRIPT: &str = include_str!("../orders/page.js");

/// The Content-Security-Policy of a careful page. WebAssembly needs its own keyword; `connect-src` permits the issuer.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self' http://127.0.0.1:*; base-uri 'none'; form-action 'self'";
