//! Reads the database URL strictly. sqlx passes over a parameter that it does not know and logs its value, which may be a
//! piece of a password.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::{Host, Url};

use crate::store::{Result, StoreError};

/// The connection that a URL names. Errors name what is wrong and hold nothing of the URL.
pub(in crate::store) fn options(text: &str) -> Result<PgConnectOptions> {
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err(wrong("must start with postgres:// or postgresql://"));
    }
    let url = Url::parse(text).map_err(|error| wrong(&format!("cannot be read ({error}): {ENCODE}")))?;
    let after_host = [Some(url.path()), url.query(), url.fragment()];
    if url.fragment().is_some() || after_host.into_iter().flatten().any(|part| part.contains('@')) {
        return Err(wrong(&format!("ends early: {ENCODE}")));
    }
    if url.query_pairs().any(|(name, _)| !PARAMETERS.contains(&name.as_ref())) {
        return Err(wrong(&format!("has a parameter that is none of {}: {ENCODE}", PARAMETERS.join(", "))));
    }
    // The parser's errors name a part of the URL, never its text.
    let options = PgConnectOptions::from_str(text).map_err(|error| wrong(&plain(&error)))?;
    Ok(match url.host() {
        // sqlx would look the brackets up with the address.
        Some(Host::Ipv6(address)) => options.host(&address.to_string()),
        _ => options,
    })
}

/// Whether what the issuer and the database say may cross a network unencrypted.
pub fn may_be_plain(text: &str) -> bool {
    let Ok(options) = options(text) else { return false };
    let host = options.get_host();
    let is_here = options.get_socket().is_some()
        || host == "localhost"
        || host.starts_with('/')
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let is_encrypted =
        matches!(options.get_ssl_mode(), PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    !is_here && !is_encrypted
}

fn wrong(what: &str) -> StoreError {
    StoreError::Configuration(format!("the database URL {what}"))
}

/// What is wrong, without sqlx's wrappings.
fn plain(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(cause) => {
            cause.downcast_ref::<sqlx::Error>().map_or_else(|| cause.to_string(), plain)
        }
        other => other.to_string(),
    }
}

const ENCODE: &str = "in a user name or password, write % / ? # @ as %25 %2F %3F %23 %40";
/// Those of libpq that sqlx knows, in its spellings, and its own.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "ssl-mode",
    "ssl-root-cert",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "statement-cache-capacity",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_an_address() {
        let options = options("postgres://keystone@[::1]:6000/keystone").unwrap();

        assert_eq!((options.get_host(), options.get_port()), ("::1", 6000));
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_its_text() {
        for (url, why) in [
            ("mysql://keystone:hunter2@db/keystone", "must start with postgres://"),
            ("postgres://keystone:hunter2@db:port/keystone", "invalid port number"),
            (
                "postgres://keystone:hunter2@db/keystone?sslmode=maybe",
                "unknown value \"maybe\" for `ssl_mode`",
            ),
            ("postgres://keystone:5#hunter2@db/keystone", "write % / ? # @ as"),
            ("postgres://keystone:5/hunter2@db/keystone", "write % / ? # @ as"),
            ("postgres://keystone:5?hunter2@db/keystone", "write % / ? # @ as"),
            ("postgres://keystone:word#hunter2@db/keystone", "write % / ? # @ as"),
            ("postgres://db/keystone?hunter2=1", "a parameter that is none of sslmode, "),
        ] {
            let error = options(url).unwrap_err().to_string();

            assert!(error.contains(why), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_password_may_hold_any_sign() {
        assert!(options("postgres://keystone:a%40b%2Fc%23d%3Fe@db/keystone?sslmode=require").is_ok());
    }

    #[test]
    fn a_network_without_tls_is_told_from_others() {
        for (plain, url) in [
            (true, "postgres://db.example.com/keystone"),
            (true, "postgres://10.0.0.1/keystone?sslmode=prefer"),
            (false, "postgres://10.0.0.1/keystone?sslmode=require"),
            (false, "postgres://db.example.com/keystone?sslmode=verify-full"),
            (false, "postgres://localhost/keystone"),
            (false, "postgres://[::1]/keystone"),
            (false, "postgres:///keystone?host=/run/postgresql"),
        ] {
            assert_eq!(may_be_plain(url), plain, "{url}");
        }
    }
}
