//! Where settings come from: one file, the environment, and the files that settings point at.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// What `Config::load` reads; tests hand in maps.
#[derive(Clone, Debug)]
pub struct Source {
    pub document: Option<Document>,
    /// Variables whose name begins with `KEYSTONE_`.
    pub environment: BTreeMap<String, String>,
    /// Reads a file that a setting names.
    pub read: fn(&Path) -> io::Result<String>,
}

/// The text of `keystone.toml`.
#[derive(Clone)]
pub struct Document {
    pub name: String,
    pub text: String,
}

impl std::fmt::Debug for Document {
    // The text may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Source {
    /// The file asked for, or `keystone.toml` where there is one, and this process's environment.
    pub fn system(file: Option<&Path>) -> io::Result<Self> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let document = match std::fs::read_to_string(path) {
            Ok(text) => Some(Document { name: path.display().to_string(), text }),
            Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())));
            }
        };
        Ok(Self { document, environment: environment(), read: |path| std::fs::read_to_string(path) })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
fn environment() -> BTreeMap<String, String> {
    // `vars` panics on values that are not text; a setting that is not text is reported as a wrong value instead.
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, value)| name.starts_with("KEYSTONE_") && !is_of_kubernetes(name, value))
        // As Compose and Kubernetes hand on a variable that nobody set.
        .filter(|(_, value)| !value.trim().is_empty())
        .collect()
}

/// Kubernetes tells every container of each service in variables, and of one called `keystone` or `keystone-redis` in
/// variables that look like settings: `KEYSTONE_SERVICE_HOST`, `KEYSTONE_REDIS_PORT=tcp://10.0.0.1:6379`,
/// `KEYSTONE_REDIS_PORT_6379_TCP_ADDR`.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let is_part = |part: &str| name.ends_with(part) || name.contains(&format!("{part}_"));
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_port = |rest: &str| rest.starts_with(|sign: char| sign.is_ascii_digit());
    is_part("_SERVICE_HOST")
        || is_part("_SERVICE_PORT")
        || (name.ends_with("_PORT") && is_url)
        || name.split_once("_PORT_").is_some_and(|(_, rest)| is_port(rest))
}

const DEFAULT_FILE: &str = "keystone.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_sets_is_no_setting() {
        for (name, value) in [
            ("KEYSTONE_PORT", "tcp://10.0.0.1:8000"),
            ("KEYSTONE_PORT_8000_TCP_ADDR", "10.0.0.1"),
            ("KEYSTONE_SERVICE_PORT_HTTP", "8000"),
            ("KEYSTONE_SERVICE_HOST", "10.0.0.1"),
            ("KEYSTONE_REDIS_PORT", "tcp://10.0.0.2:6379"),
            ("KEYSTONE_REDIS_PORT_6379_TCP", "tcp://10.0.0.2:6379"),
            ("KEYSTONE_REDIS_SERVICE_PORT", "6379"),
        ] {
            assert!(is_of_kubernetes(name, value), "{name}");
        }
        for (name, value) in [
            ("KEYSTONE_LISTEN", "127.0.0.1:1"),
            ("KEYSTONE_PORTS", "1"),
            ("KEYSTONE_REDIS_PORT", "6379"),
            ("KEYSTONE_LIMITS_LOGIN_WINDOW", "1"),
        ] {
            assert!(!is_of_kubernetes(name, value), "{name}");
        }
    }
}
