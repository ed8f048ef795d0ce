//! Why the database cannot be asked, and what to do about it.

use std::time::Duration;

use crate::config::Config;
use crate::store::StoreError;

/// Where the database said nothing, what a connection meets is asked once more, by hand.
pub(super) async fn why(error: &StoreError, config: &Config) -> String {
    let says = sentence(error);
    if !error.is_silence() {
        return says;
    }
    let address = config.database.url.as_ref().and_then(|url| address(url.expose()));
    let Some((host, port)) = address else { return says };
    let connecting = tokio::net::TcpStream::connect((host.as_str(), port));
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(_)) => {
            format!(
                "{says}; {host}:{port} accepts connections: check that it is PostgreSQL and not overloaded"
            )
        }
        Ok(Err(error)) => {
            format!(
                "no server at {host}:{port} ({error}): start PostgreSQL there or correct the database URL"
            )
        }
        Err(_) => format!("{host}:{port} does not respond: check the address and the firewall"),
    }
}

pub(super) fn sentence(error: &StoreError) -> String {
    match error.advice() {
        Some(advice) => format!("{error}: {advice}"),
        None => error.to_string(),
    }
}

/// Without what may be secret.
fn address(url: &str) -> Option<(String, u16)> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?.trim_matches(['[', ']']).to_owned();
    Some((host, url.port().unwrap_or(5432)))
}

const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_no_secret() {
        let of = |url| address(url).map(|(host, port)| format!("{host}:{port}"));

        assert_eq!(of("postgres://keystone:hunter2@db.example.com/keystone").unwrap(), "db.example.com:5432");
        assert_eq!(of("postgres://[::1]:6000/keystone").unwrap(), "::1:6000");
        assert_eq!(of("postgres:///keystone?host=/run/postgresql"), None);
    }
}
