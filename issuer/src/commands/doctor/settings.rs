//! The settings, and the files they name.

use std::net::IpAddr;
use std::path::Path;

use super::report::Report;
use crate::clock::World;
use crate::commands::open;
use crate::commands::times::relative;
use crate::config::{Config, Mode};
use crate::tls::{Standing, Tls};

/// What is allowed and rarely meant.
pub(super) fn advise(config: &Config, report: &mut Report) {
    let advice = advice(config);
    for says in &advice {
        report.warning(CHECK, says.as_str());
    }
    if advice.is_empty() {
        let mode = match config.mode {
            Mode::Development => "development",
            Mode::Production => "production",
        };
        report.ok(CHECK, format!("{mode} mode, issuer {}", config.issuer));
    }
}

fn advice(config: &Config) -> Vec<String> {
    let url = url::Url::parse(&config.issuer).ok();
    let is_https = url.as_ref().is_some_and(|url| url.scheme() == "https");
    let is_local = url.as_ref().is_some_and(is_loopback);
    let on_postgres = config.database.url.is_some();
    let everybody = |ip: &str| {
        let ip = ip.parse::<IpAddr>().ok();
        ip.is_some_and(|ip| config.limits.trusted_proxies.iter().any(|network| network.contains(ip)))
    };

    let mut advice = Vec::new();
    let mut when = |condition: bool, says: &str| {
        if condition {
            advice.push(says.to_owned());
        }
    };
    when(
        config.mode == Mode::Development && (on_postgres || !is_local),
        "development mode, although others seem to rely on this issuer: set `mode = \"production\"`, which checks more",
    );
    when(
        !is_https && !is_local,
        "`issuer` begins with http://, so passwords and tokens can be read in transit: use https://",
    );
    when(open::is_database_plain(config), open::PLAIN_DATABASE);
    when(
        on_postgres && config.redis_url.is_none(),
        "`redis_url` is not set: each issuer counts attempts on its own, so N issuers allow N times as many",
    );
    when(
        is_https && config.tls.is_none() && config.limits.trusted_proxies.is_empty(),
        "`limits.trusted_proxies` is empty: all users behind a proxy share one address and its rate limit; list the proxy",
    );
    when(
        everybody("192.0.2.1") && everybody("203.0.113.1"),
        "`limits.trusted_proxies` includes every address: anyone can claim any address and evade the rate limits; list only the proxy",
    );
    advice
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

pub(super) fn certificate(config: &Config, world: &World, report: &mut Report) {
    let Some(files) = &config.tls else { return };
    let tls = match Tls::open(files) {
        Ok(tls) => tls,
        Err(error) => return report.failed(CERTIFICATE, error.to_string()),
    };
    let validity = tls.validity();
    let now = world.now();
    match validity.standing(now) {
        Standing::Good => report.ok(CERTIFICATE, relative(("ended", "ends"), validity.ends, now)),
        Standing::EndsSoon => report.warning(
            CERTIFICATE,
            format!(
                "{}: renew it; a running issuer reloads it",
                relative(("ended", "ends"), validity.ends, now)
            ),
        ),
        Standing::Ended => report.failed(
            CERTIFICATE,
            format!("{}, and clients reject it: renew it", relative(("ended", "ends"), validity.ends, now)),
        ),
        Standing::NotYet => report.failed(
            CERTIFICATE,
            format!(
                "{}, and clients reject it until then: check the clock",
                relative(("began", "begins"), validity.begins, now)
            ),
        ),
    }
}

/// Whoever reads one of them needs no other way in.
pub(super) fn secret_files(config: &Config, report: &mut Report) {
    let development = open::development_key_file(config);
    let development = Some(&development).filter(|path| config.key_encryption_key.is_none() && path.exists());
    let database = open::sqlite_files(config);
    let files: Vec<&Path> = config
        .secret_files
        .iter()
        .chain(development)
        .chain(&database)
        .map(std::path::PathBuf::as_path)
        .collect();
    let mut open_to_others = false;
    for file in &files {
        if let Some(others) = open::others_may(file) {
            open_to_others = true;
            let file = file.display();
            report.warning(
                "secret files",
                format!(
                    "{file} holds a secret, and other users of this machine may {others} it: chmod 600 {file}"
                ),
            );
        }
    }
    match files.len() {
        _ if open_to_others => {}
        0 => report.ok("secret files", "no file holds a secret"),
        1 => report.ok("secret files", "1 file holds secrets; only its owner and group can read it"),
        count => report.ok(
            "secret files",
            format!("{count} files hold secrets; only their owners and groups can read them"),
        ),
    }
}

pub(super) fn data_directory(config: &Config, report: &mut Report) {
    let path = config.data_dir.display();
    let is_needed = config.database.url.is_none() || config.key_encryption_key.is_none();
    match std::fs::metadata(&config.data_dir) {
        _ if !is_needed => {
            report.ok(DATA_DIR, "not needed: the data is in PostgreSQL, and the key is configured")
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            report.ok(DATA_DIR, format!("{path} does not exist yet; `keystone serve` creates it"));
        }
        Err(error) => report.failed(DATA_DIR, format!("{path} cannot be read: {error}")),
        Ok(metadata) if !metadata.is_dir() => {
            report.failed(DATA_DIR, format!("{path} is not a directory; correct `data_dir`"));
        }
        Ok(_) if !is_writable(&config.data_dir) => report.failed(
            DATA_DIR,
            format!("{path} is not writable for this user: change its owner to the user who runs Keystone"),
        ),
        Ok(_) => match open::others_may(&config.data_dir) {
            Some(others) => {
                let says = format!("other users of this machine may {others} {path}: chmod 700 {path}");
                report.warning(DATA_DIR, says);
            }
            None => report.ok(DATA_DIR, format!("{path}")),
        },
    }
}

#[cfg(unix)]
fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(not(unix))]
fn is_writable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.permissions().readonly())
}

const CHECK: &str = "configuration";
const CERTIFICATE: &str = "certificate";
const DATA_DIR: &str = "data_dir";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Document, Source};

    fn advised(text: &str) -> Vec<String> {
        let document = Some(Document { name: "keystone.toml".to_owned(), text: text.to_owned() });
        let read = |_: &Path| Ok(String::new());
        advice(&Config::load(&Source { document, environment: BTreeMap::new(), read }).unwrap())
    }

    #[test]
    fn a_laptop_needs_no_advice() {
        assert_eq!(advised(""), [""; 0]);
    }

    #[test]
    fn a_service_in_development_mode_is_told_so() {
        for (text, words) in [
            ("database_url = 'postgres://db/keystone'", ["development mode", "redis_url"].as_slice()),
            ("issuer = 'http://id.example.com'", &["development mode", "https://"]),
            (
                "issuer = 'https://id.example.com'\n[limits]\ntrusted_proxies = ['0.0.0.0/0']",
                &["development mode", "every address"],
            ),
            ("issuer = 'https://localhost:8443'", &["trusted_proxies"]),
        ] {
            let advice = advised(text);

            assert_eq!(advice.len(), words.len(), "{text}: {advice:?}");
            for (says, word) in advice.iter().zip(words) {
                assert!(says.contains(word), "{says}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_read_is_noticed() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        let others = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            open::others_may(file.path())
        };

        assert_eq!(
            [0o600, 0o440, 0o644, 0o660, 0o666].map(others),
            [None, None, Some("read"), Some("change"), Some("change")]
        );
    }
}
