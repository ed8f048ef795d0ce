//! Where Redis is: one server, one behind Sentinels, or a cluster.

use std::str::FromStr;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, RedisError, RedisResult, TlsMode,
    Value,
};

use super::CacheError;

pub(super) enum Target {
    Server(Client),
    Sentinel(SentinelClient),
    Cluster(ClusterClient),
}

impl Target {
    /// - `redis://[user:password@]host[:port][/db]`
    /// - `redis+sentinel://[user:password@]host[:port],…/service[/db]`; user and password are the server's
    /// - `redis+cluster://[user:password@]host[:port],…`
    ///
    /// `rediss` instead of `redis` speaks TLS. No network is needed here.
    pub(super) fn parse(url: &str) -> Result<Self, CacheError> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        match scheme {
            "redis" | "rediss" => Ok(Self::Server(Client::open(node(url)?).map_err(unusable)?)),
            "redis+sentinel" => Many::parse("redis", rest)?.sentinel(),
            "rediss+sentinel" => Many::parse("rediss", rest)?.sentinel(),
            "redis+cluster" => Many::parse("redis", rest)?.cluster(),
            "rediss+cluster" => Many::parse("rediss", rest)?.cluster(),
            _ => Err(CacheError::Url(
                "must start with redis://, rediss://, redis+sentinel:// or redis+cluster://".to_owned(),
            )),
        }
    }

    pub(super) async fn connect(&mut self, answer: Duration) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(answer));
        match self {
            Self::Server(client) => {
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Server)
            }
            Self::Sentinel(client) => {
                client.get_async_connection_with_config(&config).await.map(Connection::Server)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }
}

#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(super) async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

/// A URL with several hosts, which no URL parser knows.
struct Many<'a> {
    scheme: &'static str,
    /// With its `@`.
    user: &'a str,
    hosts: Vec<&'a str>,
    path: &'a str,
}

impl<'a> Many<'a> {
    fn parse(scheme: &'static str, rest: &'a str) -> Result<Self, CacheError> {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (user, hosts),
            None => ("", authority),
        };
        let hosts: Vec<&str> = hosts.split(',').collect();
        if hosts.iter().any(|host| host.is_empty()) {
            return Err(CacheError::Url("must name its hosts as host:port,host:port".to_owned()));
        }
        Ok(Self { scheme, user, hosts, path })
    }

    fn nodes(&self, port: u16, db: &str) -> Result<Vec<ConnectionInfo>, CacheError> {
        let nodes = self.hosts.iter().map(|host| {
            let at = if self.user.is_empty() { "" } else { "@" };
            let (scheme, user) = (self.scheme, self.user);
            let port = if has_port(host) { String::new() } else { format!(":{port}") };
            node(&format!("{scheme}://{user}{at}{host}{port}/{db}"))
        });
        nodes.collect()
    }

    fn cluster(self) -> Result<Target, CacheError> {
        if !self.path.is_empty() {
            return Err(CacheError::Url("must end after the hosts: a cluster has no databases".to_owned()));
        }
        let client = ClusterClient::builder(self.nodes(6379, "")?)
            .connection_timeout(super::redis::CONNECT)
            .response_timeout(super::redis::ANSWER)
            .build();
        client.map(Target::Cluster).map_err(unusable)
    }

    fn sentinel(self) -> Result<Target, CacheError> {
        let (service, db) = self.path.split_once('/').unwrap_or((self.path, ""));
        if service.is_empty() {
            return Err(CacheError::Url(
                "must name the service: redis+sentinel://host:port,…/service".to_owned(),
            ));
        }
        let sentinels = self.nodes(26379, db)?;
        let server = sentinels.first().map(|node| node.redis_settings().clone()).unwrap_or_default();
        let addresses: Vec<ConnectionAddr> = sentinels.iter().map(|node| node.addr().clone()).collect();

        let mut builder = SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)
            .map_err(unusable)?
            .set_client_to_redis_db(server.db());
        if let Some(username) = server.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = server.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if self.scheme == "rediss" {
            builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
        }
        builder.build().map(Target::Sentinel).map_err(unusable)
    }
}

/// An IPv6 address has colons of its own, and brackets around them.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn node(url: &str) -> Result<ConnectionInfo, CacheError> {
    ConnectionInfo::from_str(url).map_err(unusable)
}

/// The client's errors name a part of the URL, never its text.
fn unusable(error: RedisError) -> CacheError {
    CacheError::Url(format!("cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_target_is_read() {
        for url in ["redis://127.0.0.1", "redis://user:p%40ss@db:6380/2", "rediss://db", "redis://[::1]:6379"]
        {
            assert!(matches!(Target::parse(url).unwrap(), Target::Server(_)), "{url}");
        }
        for url in [
            "redis+sentinel://a,b:26380,c/main",
            "redis+sentinel://user:p%40ss@a,b/main/3",
            "rediss+sentinel://a/main",
        ] {
            assert!(matches!(Target::parse(url).unwrap(), Target::Sentinel(_)), "{url}");
        }
        for url in ["redis+cluster://a:7000,b:7001", "redis+cluster://:secret@[::1],b", "rediss+cluster://a"]
        {
            assert!(matches!(Target::parse(url).unwrap(), Target::Cluster(_)), "{url}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        for (url, why) in [
            ("http://u:hunter2@db", "must start with redis://"),
            ("hunter2", "must start with redis://"),
            ("redis://u:hunter2@db:port", "cannot be used"),
            ("redis://u:hunter2@db/one", "cannot be used"),
            ("redis+sentinel://u:hunter2@a,b", "must name the service"),
            ("redis+sentinel://u:hunter2@a,,b/main", "must name its hosts"),
            ("redis+cluster://u:hunter2@a/1", "a cluster has no databases"),
        ] {
            let error = Target::parse(url).err().unwrap().to_string();

            assert!(error.contains(why), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
