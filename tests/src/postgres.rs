//! A real PostgreSQL in a directory of its own. What it has committed outlives a crash of the server, not one of the machine.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Signal, getuid};

use crate::issuer::write_private;
use crate::ledger::Ledger;
use crate::ports;
use crate::process::Process;
use crate::program::Program;
use crate::tools::Tools;

/// A running server with one superuser.
#[derive(Debug)]
pub struct Postgres {
    pub process: Process,
    bin: PathBuf,
    home: PathBuf,
    port: u16,
}

impl Postgres {
    pub fn start(tools: &Tools, home: &Path, ledger: &Ledger) -> Result<Self> {
        fs::create_dir_all(home)?;
        write_private(&home.join("password"), PASSWORD)?;
        if getuid().is_root() {
            // PostgreSQL refuses to run as root.
            let (user, group) = account("postgres")?;
            chown(home, Some(user), Some(group))?;
            chown(home.join("password"), Some(user), Some(group))?;
        }
        ledger.note(PASSWORD);
        initialise(tools, home)?;
        let port = ports::free()?;
        let process = serve(&tools.postgres, home, port)?;
        Ok(Self { process, bin: tools.postgres.clone(), home: home.to_owned(), port })
    }

    /// Starts on the same data and port after `process.stop()`, which is an immediate shutdown: as after a crash, the server
    /// recovers from its log.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = serve(&self.bin, &self.home, self.port)?;
        Ok(())
    }

    /// Creates an empty database and returns its URL.
    pub fn database(&self, name: &str) -> Result<String> {
        self.client("createdb").arg(name).run("", ANSWER)?.succeeded()?;
        Ok(format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{name}", self.port))
    }

    /// Returns the rows of the superuser's statement, without headings.
    pub fn query(&self, database: &str, sql: &str) -> Result<String> {
        let args = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database];
        self.client("psql").args(args).run(sql, ANSWER)?.succeeded()
    }

    /// One of its own client programs, about to be started on this server.
    pub fn client(&self, program: &str) -> Program {
        client(&self.bin, &self.home, self.port, program)
    }
}

fn serve(bin: &Path, home: &Path, port: u16) -> Result<Process> {
    let mut process = Program::new("postgres", &bin.join("postgres"), home)
        .args(["-D", "data", "-p", &port.to_string()])
        .args(SETTINGS.iter().flat_map(|setting| ["-c", setting]))
        .as_user("postgres")
        .stopped_by(Signal::QUIT)
        .start()?;
    process.ready(Duration::from_secs(60), || {
        let asked = client(bin, home, port, "pg_isready").run("", ANSWER);
        asked.is_ok_and(|finished| finished.status.success())
    })?;
    Ok(process)
}

fn initialise(tools: &Tools, home: &Path) -> Result<()> {
    let args = ["-D", "data", "-U", USER, "-E", "UTF8", "--locale=C", "--auth=scram-sha-256", "--no-sync"];
    Program::new("initdb", &tools.postgres.join("initdb"), home)
        .args(args)
        .arg("--pwfile=password")
        .as_user("postgres")
        .run("", Duration::from_secs(60))?
        .succeeded()?;
    Ok(())
}

fn client(bin: &Path, home: &Path, port: u16, program: &str) -> Program {
    Program::new(program, &bin.join(program), home)
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", USER])
        .env("PGPASSWORD", PASSWORD)
}

/// User and group id of a system account.
pub(crate) fn account(name: &str) -> Result<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd")?;
    let fields = accounts
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|all| all.first() == Some(&name));
    let fields = fields.with_context(|| format!("there is no system account {name}: install PostgreSQL"))?;
    let number = |at: usize| fields.get(at).and_then(|id| id.parse().ok()).context("/etc/passwd is damaged");
    Ok((number(2)?, number(3)?))
}

const USER: &str = "keystone";
const PASSWORD: &str = "Cellar-Door-Postgres-17";
const ANSWER: Duration = Duration::from_secs(30);
const SETTINGS: [&str; 6] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "shared_buffers=64MB",
    "fsync=off",
    "full_page_writes=off",
    "log_statement=none",
];
