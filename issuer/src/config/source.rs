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
        .filter(|(name, _)| name.starts_with("KEYSTONE_") && !is_of_kubernetes(name))
        .collect()
}

/// Kubernetes tells every container about a service called `keystone` in variables that look like settings.
fn is_of_kubernetes(name: &str) -> bool {
    ["KEYSTONE_SERVICE_HOST", "KEYSTONE_SERVICE_PORT", "KEYSTONE_PORT"]
        .iter()
        .filter_map(|start| name.strip_prefix(start))
        .any(|rest| rest.is_empty() || rest.starts_with('_'))
}

const DEFAULT_FILE: &str = "keystone.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_sets_is_no_setting() {
        for name in [
            "KEYSTONE_PORT",
            "KEYSTONE_PORT_8000_TCP_ADDR",
            "KEYSTONE_SERVICE_PORT_HTTP",
            "KEYSTONE_SERVICE_HOST",
        ] {
            assert!(is_of_kubernetes(name), "{name}");
        }
        for name in ["KEYSTONE_LISTEN", "KEYSTONE_PORTS", "KEYSTONE_LIMITS_LOGIN_WINDOW"] {
            assert!(!is_of_kubernetes(name), "{name}");
        }
    }
}
