//! What the operator decided: read once, checked as a whole, every mistake reported at once.

mod keys;
mod log;
mod reader;
mod sections;
mod source;
mod telemetry;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use self::keys::KeyTimes;
pub use self::log::{Log, LogFormat};
pub use self::reader::Mistake;
use self::reader::Reader;
pub use self::sections::{Limits, PasswordPolicy, Passwords, Sessions, TlsFiles, Tokens};
pub use self::source::{Document, Source};
pub use self::telemetry::Telemetry;
use crate::keys::KeyEncryptionKey;
use crate::secret::Secret;

#[derive(Clone, Debug)]
pub struct Config {
    pub mode: Mode,
    /// The issuer identifier (RFC 8414 §2): `iss` in tokens, the base of every published URL.
    pub issuer: String,
    pub listen: SocketAddr,
    pub operations_listen: SocketAddr,
    /// `None`: plain HTTP on `listen`, behind a proxy that ends TLS.
    pub tls: Option<TlsFiles>,
    pub data_dir: PathBuf,
    pub database: Database,
    pub redis_url: Option<Secret>,
    /// `None`: one is generated into `data_dir` (development only).
    pub key_encryption_key: Option<KeyEncryptionKey>,
    /// The client that a request without `client_id` is attributed to.
    pub default_client: Option<String>,
    /// How long connections are still taken after the signal to stop, for load balancers that watch readiness.
    pub drain: Duration,
    /// Whether `/openapi.json` and `/docs` are answered.
    pub documentation: bool,
    pub log: Log,
    pub tokens: Tokens,
    pub keys: KeyTimes,
    /// Where the issuer looks at its published key set, as verifiers get it.
    pub jwks_url: String,
    pub sessions: Sessions,
    pub passwords: Passwords,
    pub limits: Limits,
    pub telemetry: Telemetry,
    /// Files that hold a secret, this configuration's own among them if it does.
    pub secret_files: BTreeSet<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Development,
    Production,
}

/// The database. Without a URL: SQLite in `data_dir`.
#[derive(Clone, Debug)]
pub struct Database {
    pub url: Option<Secret>,
    pub max_connections: u32,
}

impl Config {
    pub fn load(source: &Source) -> Result<Self, Vec<Mistake>> {
        let (config, reader) = Self::read(source);
        reader.finish().map(|()| config)
    }

    /// With the reader, which knows what was asked for and what is wrong.
    fn read(source: &Source) -> (Self, Reader) {
        let mut reader = Reader::new(source);
        let mode = reader.parsed("mode", "\"development\" or \"production\"").unwrap_or(Mode::Development);
        let listen = reader.parsed("listen", ADDRESS).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8000)));
        let operations_listen =
            reader.parsed("operations_listen", ADDRESS).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 9000)));
        if listen == operations_listen && listen.port() != 0 {
            reader.mistake::<()>("operations_listen", "must differ from `listen`");
        }
        let tls = TlsFiles::read(&mut reader);
        let issuer = issuer(&mut reader, (mode, tls.is_some()), listen);
        let tokens = Tokens::read(&mut reader);
        let config = Self {
            mode,
            listen,
            operations_listen,
            tls,
            data_dir: reader.text("data_dir").unwrap_or_else(|| "keystone-data".to_owned()).into(),
            database: database(&mut reader, source),
            redis_url: redis_url(&mut reader, source),
            key_encryption_key: key_encryption_key(&mut reader, source, mode),
            default_client: reader.text("default_client"),
            drain: Duration::from_secs(reader.number("drain", 0, 0..=300)),
            documentation: reader.flag("documentation", true),
            log: Log::read(&mut reader),
            keys: KeyTimes::read(&mut reader, tokens.max_access_token_lifetime),
            jwks_url: keys::jwks_url(&mut reader, &issuer),
            tokens,
            sessions: Sessions::read(&mut reader),
            passwords: Passwords::read(&mut reader, mode),
            limits: Limits::read(&mut reader),
            telemetry: Telemetry::read(&mut reader, source),
            issuer,
            secret_files: reader.secret_files.clone(),
        };
        if config.asks_for_tls() && config.limits.trusted_proxies.is_empty() {
            reader.mistake::<()>("limits.trusted_proxies", NO_TLS);
        }
        (config, reader)
    }

    /// Whether what comes over plain HTTP must come from a trusted proxy: elsewhere, anyone on the way could read it.
    pub fn asks_for_tls(&self) -> bool {
        self.mode == Mode::Production && self.tls.is_none()
    }
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err(()),
        }
    }
}

fn issuer(reader: &mut Reader, (mode, tls): (Mode, bool), listen: SocketAddr) -> String {
    let Some(text) = reader.text("issuer") else {
        if mode == Mode::Production {
            reader.mistake::<()>("issuer", "is missing; production requires the public https URL");
        } else if listen.port() == 0 {
            reader.mistake::<()>("issuer", "is missing; it has no default if `listen` has port 0");
        }
        let host = if listen.ip().is_unspecified() {
            SocketAddr::new([127, 0, 0, 1].into(), listen.port())
        } else {
            listen
        };
        return format!("{}://{host}", if tls { "https" } else { "http" });
    };
    match url::Url::parse(&text) {
        Ok(url) if mode == Mode::Production && url.scheme() != "https" => {
            reader.mistake::<()>("issuer", "must begin with https:// in production");
        }
        Ok(url) if tls && url.scheme() != "https" => {
            reader.mistake::<()>("issuer", "must begin with https://, as `tls.certificate_file` is set");
        }
        Ok(url) if !has_servable_path(&url) => {
            reader.mistake::<()>(
                "issuer",
                "must have a path of only letters, digits, `-`, `.`, `_` and `~`, if any: other characters have several encodings, and such requests are refused",
            );
        }
        // Compared byte by byte by every verifier, so only the one canonical spelling is taken (RFC 8414 §2).
        Ok(url) if is_canonical(&url, &text) => {}
        _ => {
            reader.mistake::<()>(
                "issuer",
                "must be an http(s) URL in lower case without user, query, fragment or final slash",
            );
        }
    }
    text
}

/// Whether a request for what is published under the path arrives there, whoever passes it on.
fn has_servable_path(url: &url::Url) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    url.path().chars().all(is_plain) && !url.path().contains("//")
}

fn is_canonical(url: &url::Url, text: &str) -> bool {
    matches!(url.scheme(), "https" | "http")
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
        && !text.ends_with('/')
        && url.as_str().trim_end_matches('/') == text
}

fn database(reader: &mut Reader, source: &Source) -> Database {
    let found = inline_or_file(reader, source, DATABASE_URL).ok().flatten();
    if let Some((name, _)) =
        found.as_ref().filter(|(_, url)| !url.starts_with("postgres://") && !url.starts_with("postgresql://"))
    {
        reader.mistake::<()>(name, "must begin with postgres://; leave it out to use SQLite in `data_dir`");
    }
    let url = found.map(|(_, url)| url);
    let max_connections = reader.number("database.max_connections", 16, 1..=1000);
    Database { url: url.map(Secret::new), max_connections: u32::try_from(max_connections).unwrap_or(16) }
}

fn redis_url(reader: &mut Reader, source: &Source) -> Option<Secret> {
    let (name, url) = inline_or_file(reader, source, REDIS_URL).ok().flatten()?;
    if !url.starts_with("redis") {
        return reader
            .mistake(name, "must begin with redis://, rediss://, redis+sentinel:// or redis+cluster://");
    }
    Some(Secret::new(url))
}

fn key_encryption_key(reader: &mut Reader, source: &Source, mode: Mode) -> Option<KeyEncryptionKey> {
    let key = one_key(reader, source, KEY, mode);
    match (key, one_key(reader, source, PREVIOUS_KEY, mode)) {
        (Some(key), Some(previous)) => Some(key.with_previous(&previous)),
        (None, Some(_)) => reader
            .mistake("key_encryption_key_previous", "has an effect only together with `key_encryption_key`"),
        (key, None) => key,
    }
}

fn one_key(
    reader: &mut Reader,
    source: &Source,
    names: [&'static str; 2],
    mode: Mode,
) -> Option<KeyEncryptionKey> {
    let [inline_name, _] = names;
    let (name, text) = match inline_or_file(reader, source, names).ok()? {
        Some(found) => found,
        None if mode == Mode::Production && names == KEY => {
            return reader.mistake(inline_name, format!("is missing; production requires it. {MAKE_A_KEY}"));
        }
        None => return None,
    };
    match KeyEncryptionKey::parse(&text) {
        None => reader.mistake(name, format!("must be `kskek_` and 64 hexadecimal digits. {MAKE_A_KEY}")),
        Some(key) if mode == Mode::Production && key.is_development() => {
            reader.mistake(name, format!("is a development key, which production refuses. {MAKE_A_KEY}"))
        }
        key => key,
    }
}

/// A secret, or what the file holds that is named for it, never both; with the name it was set under.
fn inline_or_file(
    reader: &mut Reader,
    source: &Source,
    [inline_name, file_name]: [&'static str; 2],
) -> Result<Option<(&'static str, String)>, Reported> {
    // The environment wins over the file, whichever of the two it sets.
    match [inline_name, file_name].map(|name| reader.is_in_environment(name)) {
        [true, false] => reader.pass_over(file_name),
        [false, true] => reader.pass_over(inline_name),
        _ => {}
    }
    let document = source.document.as_ref().filter(|_| reader.is_in_file(inline_name));
    reader.secret_files.extend(document.map(|document| PathBuf::from(&document.name)));
    let (name, text) = match (reader.text(inline_name), reader.text(file_name)) {
        (Some(_), Some(_)) => {
            reader.mistake::<()>(
                file_name,
                format!("and `{inline_name}` are both set in the same place; remove one"),
            );
            return Err(Reported);
        }
        (Some(text), None) => (inline_name, text),
        (None, Some(path)) => match (source.read)(path.as_ref()) {
            Ok(text) if text.starts_with(BYTE_ORDER_MARK) => {
                reader.mistake::<()>(
                    file_name,
                    "names a file that begins with a byte order mark; save it as ASCII",
                );
                return Err(Reported);
            }
            Ok(text) => {
                reader.secret_files.insert(path.into());
                (file_name, text)
            }
            Err(error) => {
                reader.mistake::<()>(file_name, format!("cannot be read: {error}"));
                return Err(Reported);
            }
        },
        (None, None) => return Ok(None),
    };
    Ok(Some((name, text.trim().to_owned())))
}

/// A mistake that the reader remembers already.
struct Reported;

/// Which some editors write, and nobody sees.
const BYTE_ORDER_MARK: char = '\u{feff}';
const DATABASE_URL: [&str; 2] = ["database_url", "database_url_file"];
const REDIS_URL: [&str; 2] = ["redis_url", "redis_url_file"];
const KEY: [&str; 2] = ["key_encryption_key", "key_encryption_key_file"];
/// Still opens what it sealed, until `keystone keys reseal` has run.
const PREVIOUS_KEY: [&str; 2] = ["key_encryption_key_previous", "key_encryption_key_previous_file"];
const NO_TLS: &str = "is missing; in production, list the proxy that terminates TLS, or set `tls.certificate_file` and `tls.key_file`";
const ADDRESS: &str = "an address and a port, like \"127.0.0.1:8000\"";
const MAKE_A_KEY: &str = "Generate one with: echo \"kskek_$(openssl rand -hex 32)\"";
