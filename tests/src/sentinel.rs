//! Redis as one runs it where a server may be lost: a primary, a replica, and three Sentinels that watch them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::ledger::Ledger;
use crate::ports;
use crate::process::Process;
use crate::program::Program;
use crate::redis::{PASSWORD, Redis, command};
use crate::tools::Tools;
use crate::wait;

/// The whole set. `url` leads to whichever server is the primary.
#[derive(Debug)]
pub struct Sentinels {
    pub primary: Redis,
    pub replica: Redis,
    pub url: String,
    watchers: Vec<(Process, u16)>,
}

impl Sentinels {
    pub fn start(tools: &Tools, home: &Path, ledger: &Ledger) -> Result<Self> {
        let primary = Redis::start(tools, &home.join("primary"), ledger)?;
        let replica = Redis::replica_of(&primary, tools, &home.join("replica"))?;
        let watchers = ["one", "two", "three"]
            .map(|name| watcher(tools, &home.join(name), primary.port))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let addresses: Vec<String> = watchers.iter().map(|(_, port)| format!("127.0.0.1:{port}")).collect();
        let url = format!("redis+sentinel://:{PASSWORD}@{}/{SERVICE}", addresses.join(","));
        let all = Self { primary, replica, url, watchers };
        wait::until("the Sentinels to know each other and the replica", LIMIT, || {
            Ok(all.each_says("MASTER", &["num-slaves\n1\n", "num-other-sentinels\n2\n"]))
        })?;
        Ok(all)
    }

    /// Waits until every Sentinel leads to the replica.
    pub fn failed_over(&self) -> Result<()> {
        let port = format!("\n{}\n", self.replica.port);
        wait::until("the Sentinels to promote the replica", LIMIT, || {
            Ok(self.each_says("GET-MASTER-ADDR-BY-NAME", &[&port]))
        })
    }

    fn each_says(&self, question: &str, wanted: &[&str]) -> bool {
        self.watchers.iter().all(|(_, port)| {
            let said = command(*port, &[&format!("SENTINEL {question} {SERVICE}")]).unwrap_or_default();
            wanted.iter().all(|text| said.contains(text))
        })
    }
}

/// A Sentinel writes what it learns into its own settings.
fn watcher(tools: &Tools, home: &Path, primary: u16) -> Result<(Process, u16)> {
    fs::create_dir_all(home)?;
    let port = ports::free()?;
    let settings = format!(
        "port {port}\nbind 127.0.0.1\ndaemonize no\nlogfile \"\"\nsentinel monitor {SERVICE} 127.0.0.1 {primary} 2\n\
         sentinel auth-pass {SERVICE} {PASSWORD}\nsentinel down-after-milliseconds {SERVICE} 1000\n\
         sentinel failover-timeout {SERVICE} 10000\n"
    );
    fs::write(home.join("sentinel.conf"), settings)?;
    let mut process =
        Program::new("sentinel", &tools.redis, home).args(["sentinel.conf", "--sentinel"]).start()?;
    process
        .ready(LIMIT, || command(port, &["PING"]).is_some_and(|said| said.contains("PONG")))
        .context("no Sentinel")?;
    Ok((process, port))
}

const SERVICE: &str = "main";
/// It takes a second to miss the primary, and some more to agree on that.
const LIMIT: Duration = Duration::from_secs(60);
