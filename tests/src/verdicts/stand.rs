//! Where scripts and pages find the hostile file and the package, and leave their verdicts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Column;
use super::scripts::Workshop;
use crate::server::{Reply, Server};
use crate::wire::Message;
use crate::{hostile, ports};

/// The running server.
#[derive(Debug)]
pub(super) struct Stand {
    server: Server,
    told: Arc<Mutex<Told>>,
}

/// The results of each platform, by its name.
type Told = BTreeMap<String, Vec<u8>>;

impl Stand {
    pub(super) fn start(workshop: &Workshop) -> Result<Self> {
        let told = Arc::new(Mutex::new(Told::new()));
        let desk = Desk {
            file: hostile::file(),
            package: workshop.package(),
            built: workshop.built(),
            told: Arc::clone(&told),
        };
        let server = Server::start(ports::free()?, move |request| desk.answer(request))?;
        Ok(Self { server, told })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port)
    }

    pub(super) fn has(&self, platform: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).contains_key(platform)
    }

    /// Returns the results of this platform.
    pub(super) fn column(&self, platform: &str) -> Result<Column> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).remove(platform);
        column(platform, &told.with_context(|| format!("{platform} told nothing"))?)
    }
}

/// A list of verdicts, or what went wrong.
pub(super) fn column(platform: &str, told: &[u8]) -> Result<Column> {
    match serde_json::from_slice(told).with_context(|| format!("{platform} told no JSON"))? {
        Value::Array(verdicts) => {
            let text = |verdict: &Value| verdict.as_str().unwrap_or_default().to_owned();
            Column::complete(platform, verdicts.iter().map(text).collect())
        }
        other => bail!("{platform}: {other}"),
    }
}

struct Desk {
    file: String,
    package: PathBuf,
    built: PathBuf,
    told: Arc<Mutex<Told>>,
}

impl Desk {
    fn answer(&self, request: &Message) -> Reply {
        let mut words = request.start.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let reply = match (method, path) {
            ("GET", "/hostile.json") => Some(Reply::text("application/json", &self.file)),
            ("GET", _) => self.file(path),
            ("POST", _) => path.strip_prefix("/verdicts/").map(|platform| self.take(platform, request)),
            _ => None,
        };
        reply.unwrap_or_else(|| Reply::json(404, &json!({ "title": "no such page" })))
    }

    fn file(&self, path: &str) -> Option<Reply> {
        let path = path.strip_prefix('/')?;
        let (folder, name) = match path.split_once('/') {
            Some(("package", name)) => (self.package.clone(), name),
            Some(("built", name)) => (self.built.clone(), name),
            _ => (scripts(), path),
        };
        let policy = if name == "strict.html" { STRICT } else { CAREFUL };
        Some(Reply::file(&folder, name)?.under(policy))
    }

    fn take(&self, platform: &str, request: &Message) -> Reply {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(platform.to_owned(), request.body.clone());
        Reply::json(200, &Value::Null)
    }
}

/// The scripts that judge.
pub(super) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("js/hostile")
}

/// The Content-Security-Policy of a careful page: WebAssembly needs a keyword of its own.
const CAREFUL: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";
/// A page that must not have even that.
const STRICT: &str = "default-src 'none'; script-src 'self'; connect-src 'self'";
