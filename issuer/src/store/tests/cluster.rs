//! A real PostgreSQL for this test run: one server, a database per test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

/// The URL of an empty database that nobody else uses.
pub(crate) async fn fresh_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(Cluster::start);

    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut administrator = cluster.administrator().await;
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C' ENCODING 'UTF8'");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut administrator).await.unwrap();
    administrator.close().await.unwrap();
    cluster.url(&name)
}

struct Cluster {
    /// Its standard input is the cluster's leash.
    _shell: Child,
    directory: String,
}

impl Cluster {
    fn start() -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", LEASH, "leash"])
            .arg(programs())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();

        let mut directory = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut directory).unwrap();
        let directory = directory.trim().to_owned();
        assert!(!directory.is_empty(), "PostgreSQL did not start; see above");
        Self { _shell: shell, directory }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.directory)
    }

    /// The server is ready when it answers.
    async fn administrator(&self) -> PgConnection {
        let options: PgConnectOptions = self.url("postgres").parse().unwrap();
        let answers = async {
            loop {
                match options.connect().await {
                    Ok(connection) => return connection,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), answers).await.expect("PostgreSQL does not answer")
    }
}

#[expect(clippy::disallowed_methods, reason = "the test runner says which server to start")]
fn programs() -> std::ffi::OsString {
    std::env::var_os("KEYTEST_POSTGRES")
        .expect("KEYTEST_POSTGRES must be a directory that holds initdb and postgres")
}

/// Prints the directory, then holds the server until its standard input ends: when this process does, however it ends.
/// It listens in its directory only. PostgreSQL refuses to run as root, so there it runs as the user that the package made.
const LEASH: &str = r#"
set -e
directory=$(mktemp -d)
server=
end() {
    # A child that the shell just started ignores QUIT; a PostgreSQL that is up takes its time about TERM.
    [ -z "$server" ] || kill -TERM "$server" || true
    [ -z "$server" ] || kill -QUIT "$server" || true
    wait || true
    rm -rf "$directory"
}
trap '' PIPE
trap end EXIT
as=
if [ "$(id -u)" = 0 ]; then
    chown postgres "$directory"
    as='setpriv --reuid=postgres --regid=postgres --init-groups'
fi
cd "$directory"
$as "$1/initdb" -D "$directory/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
$as "$1/postgres" -D "$directory/data" -k "$directory" -c listen_addresses= -c max_connections=300 \
    -c fsync=off -c log_min_messages=fatal -c log_min_error_statement=panic >/dev/null 2>&1 & server=$!
echo "$directory"
read -r _ || true
"#;
