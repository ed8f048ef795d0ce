//! The same promises on real servers: one, one behind a Sentinel, a cluster; and without any.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::{Cache, MemoryCache, RedisCache};
use crate::clock::SystemClock;

const MINUTE: Duration = Duration::from_secs(60);

fn connect(url: &str) -> RedisCache {
    RedisCache::connect(url, MemoryCache::new(Arc::new(SystemClock), 1), Counter::default()).unwrap()
}

/// A server is ready when it answers; nothing here takes longer than starting one.
async fn ready(cache: &RedisCache) {
    let answers = async {
        while cache.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answers).await.expect("redis does not answer");
}

async fn down(cache: &RedisCache) {
    let silent = async { while cache.ping().await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), silent).await.expect("redis still answers");
}

/// B-14
#[tokio::test]
async fn without_redis_every_process_counts_for_itself_and_soon() {
    // Port 9 of this machine: nobody listens.
    let cache = connect("redis://127.0.0.1:9");

    for count in 1..=3 {
        let counted = tokio::time::timeout(Duration::from_secs(1), cache.hit("a", MINUTE)).await.unwrap();
        assert_eq!(counted.count, count);
    }
    assert!(cache.has("a").await);
    cache.forget("a").await;
    assert!(!cache.has("a").await);
    assert_eq!(cache.hit("a", MINUTE).await.count, 1);
    assert!(cache.ping().await.is_err());
}

/// A quarter of a second, once; whatever the next attempts to connect come to.
#[tokio::test]
async fn a_server_that_accepts_and_is_silent_slows_one_answer() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cache = connect(&format!("redis://{}", silent.local_addr().unwrap()));

    let counted = tokio::time::timeout(Duration::from_millis(600), cache.hit("a", MINUTE)).await.unwrap();
    assert_eq!(counted.count, 1);

    let mut held = Vec::new();
    while held.len() < 3 {
        tokio::select! {
            accepted = silent.accept() => held.push(accepted.unwrap()),
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                let hit = tokio::time::timeout(Duration::from_millis(100), cache.hit("a", MINUTE));
                hit.await.expect("one more answer was slow");
            }
        }
    }
}

#[tokio::test]
async fn a_tls_url_against_a_plain_server_is_an_outage_not_a_panic() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    std::thread::spawn(move || drop(plain.accept()));
    let cache = connect(&format!("rediss://{address}"));

    down(&cache).await;

    assert_eq!(cache.hit("a", MINUTE).await.count, 1);
}

#[ignore = "needs KEYTEST_REDIS, the path of a redis-server"]
#[tokio::test]
async fn two_replicas_share_a_count() {
    let server = Server::start(&[]);
    let (one, two) = (connect(&server.url()), connect(&server.url()));
    ready(&one).await;
    ready(&two).await;

    let hits: Vec<_> = (0..32)
        .map(|turn| if turn % 2 == 0 { &one } else { &two })
        .map(|replica| replica.hit("a", MINUTE))
        .collect();
    let mut counts = Vec::new();
    for hit in hits {
        let hit = hit.await;
        assert!(hit.remaining <= MINUTE && hit.remaining > Duration::from_secs(30));
        counts.push(hit.count);
    }

    assert!(one.has("a").await && !one.has("b").await);
    counts.sort_unstable();
    assert_eq!(counts, (1..=32).collect::<Vec<u64>>());
    two.forget("a").await;
    assert_eq!(one.hit("a", MINUTE).await.count, 1);
}

#[ignore = "needs KEYTEST_REDIS, the path of a redis-server"]
#[tokio::test]
async fn a_window_ends_in_redis() {
    let server = Server::start(&[]);
    let cache = connect(&server.url());
    ready(&cache).await;

    cache.hit("a", Duration::from_millis(1)).await;
    let ended = async { while cache.hit("a", Duration::from_millis(1)).await.count != 1 {} };

    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("the window never ends");
}

#[ignore = "needs KEYTEST_REDIS, the path of a redis-server"]
#[tokio::test]
async fn no_counter_outlives_its_window() {
    let server = Server::start(&[]);
    let cache = connect(&server.url());
    ready(&cache).await;

    server.admin(redis::cmd("SET").arg("keystone:hits:a").arg(1000).arg("EX").arg(1_000_000_000)).await;

    let hits = cache.hit("a", MINUTE).await;
    assert_eq!((hits.count, hits.remaining), (1001, MINUTE));
    assert!(cache.hit("a", MINUTE).await.remaining <= MINUTE);
}

#[ignore = "needs KEYTEST_REDIS, the path of a redis-server"]
#[tokio::test]
async fn an_outage_is_survived_and_its_end_is_noticed() {
    let mut server = Server::start(&[]);
    let cache = connect(&server.url());
    ready(&cache).await;
    assert_eq!(cache.hit("a", MINUTE).await.count, 1);

    server.kill();
    down(&cache).await;
    assert_eq!(cache.hit("a", MINUTE).await.count, 1);
    assert_eq!(cache.hit("a", MINUTE).await.count, 2);

    server.restart();
    ready(&cache).await;
    assert_eq!(cache.hit("a", MINUTE).await.count, 1);
}

/// Frozen, it accepts connections and reads nothing.
#[ignore = "needs KEYTEST_REDIS, the path of a redis-server"]
#[tokio::test]
async fn a_server_that_hangs_slows_one_answer_and_is_used_again() {
    let server = Server::start(&[]);
    let cache = connect(&server.url());
    ready(&cache).await;

    server.signal("STOP");
    let counted = tokio::time::timeout(Duration::from_millis(600), cache.hit("a", MINUTE)).await.unwrap();
    assert_eq!(counted.count, 1);
    for count in 2..=20 {
        let hit = tokio::time::timeout(Duration::from_millis(100), cache.hit("a", MINUTE)).await;
        assert_eq!(hit.expect("one more answer was slow").count, count);
    }

    server.signal("CONT");
    ready(&cache).await;
}

#[ignore = "needs KEYTEST_REDIS, the path of a redis-server"]
#[tokio::test]
async fn a_replica_takes_no_counts_until_it_is_promoted() {
    // Of a primary that is not there.
    let server = Server::start(&["--replicaof", "127.0.0.1", "9"]);
    server.admin(&redis::cmd("PING")).await;
    let (one, two) = (connect(&server.url()), connect(&server.url()));

    for count in 1..=100 {
        assert_eq!(one.hit("a", MINUTE).await.count, count, "every process counts for itself");
        assert!(one.ping().await.is_err(), "it answers, and is of no use");
    }
    server.admin(redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await;
    ready(&one).await;
    ready(&two).await;

    assert_eq!(one.hit("a", MINUTE).await.count, 1);
    assert_eq!(two.hit("a", MINUTE).await.count, 2);
}

#[ignore = "needs KEYTEST_REDIS, the path of a redis-server"]
#[tokio::test]
async fn a_server_that_was_emptied_counts_anew() {
    let server = Server::start(&[]);
    let cache = connect(&server.url());
    ready(&cache).await;
    cache.hit("a", MINUTE).await;

    server.admin(&redis::cmd("FLUSHALL")).await;
    server.admin(redis::cmd("SCRIPT").arg("FLUSH")).await;

    assert_eq!(cache.hit("a", MINUTE).await.count, 1);
    assert_eq!(cache.hit("a", MINUTE).await.count, 2);
}

#[ignore = "needs KEYTEST_REDIS, the path of a redis-server"]
#[tokio::test]
async fn a_password_is_used() {
    let server = Server::start(&["--requirepass", "p@ss"]);
    let port = server.port;
    let with = connect(&format!("redis://:p%40ss@127.0.0.1:{port}"));
    let without = connect(&server.url());

    ready(&with).await;

    assert_eq!(with.hit("a", MINUTE).await.count, 1);
    assert!(without.ping().await.is_err());
}

#[ignore = "needs KEYTEST_REDIS, the path of a redis-server"]
#[tokio::test]
async fn a_cluster_counts() {
    let server = Server::start(&["--cluster-enabled", "yes"]);
    server.admin(redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16383)).await;
    let cache = connect(&format!("redis+cluster://127.0.0.1:{}", server.port));
    ready(&cache).await;

    let counted = async { while cache.hit("a", MINUTE).await.count < 2 {} };

    tokio::time::timeout(Duration::from_secs(10), counted).await.expect("the cluster does not count");
}

#[ignore = "needs KEYTEST_REDIS, the path of a redis-server"]
#[tokio::test]
async fn a_sentinel_leads_to_its_server() {
    let server = Server::start(&[]);
    server.admin(&redis::cmd("PING")).await;
    let sentinel = Server::sentinel_of(&server);
    let (one, two) =
        (connect(&format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port)), connect(&server.url()));
    ready(&one).await;
    ready(&two).await;

    assert_eq!(one.hit("a", MINUTE).await.count, 1);
    assert_eq!(two.hit("a", MINUTE).await.count, 2);
}

/// A real server in a directory of its own; both go when it is dropped.
struct Server {
    process: Child,
    arguments: Vec<String>,
    port: u16,
    directory: tempfile::TempDir,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut all: Vec<String> =
            ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""].map(str::to_owned).to_vec();
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        Self { process: spawn(directory.path(), &all), arguments: all, port, directory }
    }

    fn sentinel_of(server: &Self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = directory.path().join("sentinel.conf");
        std::fs::write(&config, format!("port {port}\nsentinel monitor main 127.0.0.1 {} 1\n", server.port))
            .unwrap();
        let all = vec![config.display().to_string(), "--sentinel".to_owned()];
        Self { process: spawn(directory.path(), &all), arguments: all, port, directory }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn admin(&self, command: &redis::Cmd) {
        let client = redis::Client::open(self.url()).unwrap();
        let done = async {
            loop {
                let answer: redis::RedisResult<redis::Value> =
                    match client.get_multiplexed_async_connection().await {
                        Ok(mut connection) => command.query_async(&mut connection).await,
                        Err(error) => Err(error),
                    };
                if answer.is_ok() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), done).await.expect("redis does not answer");
    }

    fn kill(&mut self) {
        // `wait` closes the standard input first.
        let _ = self.process.wait();
    }

    /// To the server, not to the shell around it.
    fn signal(&self, name: &str) {
        let mut signal = Command::new("pkill");
        signal.arg(format!("-{name}")).arg("-P").arg(self.process.id().to_string());
        assert!(signal.status().unwrap().success());
    }

    fn restart(&mut self) {
        self.process = spawn(self.directory.path(), &self.arguments);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test runner says which server to start")]
fn program() -> PathBuf {
    PathBuf::from(
        std::env::var_os("KEYTEST_REDIS").expect("KEYTEST_REDIS must be the path of a redis-server"),
    )
}

/// The server ends with the shell's standard input: by `kill`, or when this process ends, however it ends.
const LEASH: &str = r#"
"$@" & server=$!
read -r _
kill -9 "$server"
wait "$server" 2>/dev/null
"#;

fn spawn(directory: &Path, arguments: &[String]) -> Child {
    Command::new("sh")
        .args(["-c", LEASH, "leash"])
        .arg(program())
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
