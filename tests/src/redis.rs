//! A real Redis that keeps everything in memory.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::ledger::Ledger;
use crate::ports;
use crate::process::Process;
use crate::program::Program;
use crate::tools::Tools;
use crate::wait;

/// A running server.
#[derive(Debug)]
pub struct Redis {
    pub process: Process,
    pub url: String,
    pub port: u16,
}

impl Redis {
    pub fn start(tools: &Tools, home: &Path, ledger: &Ledger) -> Result<Self> {
        ledger.note(PASSWORD);
        Self::with("", tools, home)
    }

    /// The same over TLS alone, with the certificate `redis.crt` and its key `redis.key` in `home`.
    pub fn start_with_tls(tools: &Tools, home: &Path, ledger: &Ledger) -> Result<Self> {
        ledger.note(PASSWORD);
        let port = ports::free()?;
        let settings = format!(
            "port 0\ntls-port {port}\ntls-cert-file redis.crt\ntls-key-file redis.key\ntls-auth-clients no\n"
        );
        let mut process = spawn(&settings, tools, home)?;
        process.ready(LIMIT, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
        Ok(Self { process, url: format!("rediss://:{PASSWORD}@localhost:{port}/"), port })
    }

    /// Once it has what the primary has.
    pub fn replica_of(primary: &Self, tools: &Tools, home: &Path) -> Result<Self> {
        let replica = Self::with(&format!("replicaof 127.0.0.1 {}\n", primary.port), tools, home)?;
        wait::until("the replica to follow its primary", LIMIT, || {
            Ok(replica.ask("INFO replication").is_some_and(|said| said.contains("master_link_status:up")))
        })?;
        Ok(replica)
    }

    /// Its answer to one command.
    pub fn ask(&self, question: &str) -> Option<String> {
        command(self.port, &[&format!("AUTH {PASSWORD}"), question])
    }

    fn with(more: &str, tools: &Tools, home: &Path) -> Result<Self> {
        let port = ports::free()?;
        let mut process = spawn(&format!("port {port}\n{more}"), tools, home)?;
        // It asks for the password: it is up.
        process.ready(LIMIT, || command(port, &["PING"]).is_some_and(|said| said.starts_with("-NOAUTH")))?;
        Ok(Self { process, url: format!("redis://:{PASSWORD}@127.0.0.1:{port}/"), port })
    }
}

fn spawn(more: &str, tools: &Tools, home: &Path) -> Result<Process> {
    fs::create_dir_all(home)?;
    let settings = format!(
        "bind 127.0.0.1\nrequirepass {PASSWORD}\nmasterauth {PASSWORD}\nsave \"\"\nappendonly no\n\
         repl-diskless-sync-delay 0\ndaemonize no\nlogfile \"\"\n{more}"
    );
    fs::write(home.join("redis.conf"), settings)?;
    Program::new("redis", &tools.redis, home).arg("redis.conf").start()
}

/// Returns everything that Redis answers to these commands, a line for each value, or `None` without an answer.
pub(crate) fn command(port: u16, lines: &[&str]) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    let mut said = String::new();
    stream.write_all((lines.join("\r\n") + "\r\n").as_bytes()).ok()?;
    stream.shutdown(Shutdown::Write).ok()?;
    stream.read_to_string(&mut said).ok()?;
    let values = said.lines().filter(|line| !line.starts_with(['$', '*']));
    Some(values.flat_map(|line| [line, "\n"]).collect())
}

pub(crate) const PASSWORD: &str = "Cellar-Door-Redis-17";
const LIMIT: Duration = Duration::from_secs(30);
