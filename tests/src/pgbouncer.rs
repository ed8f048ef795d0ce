//! A real PgBouncer before a PostgreSQL.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::chown;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::getuid;

use crate::issuer::write_private;
use crate::ports;
use crate::postgres::account;
use crate::process::Process;
use crate::program::Program;

/// A running pooler, without settings beyond those it must have.
#[derive(Debug)]
pub struct PgBouncer {
    pub process: Process,
    port: u16,
}

impl PgBouncer {
    /// `database_url`: where it connects to. `pool_mode`: one of its own words.
    pub fn start(home: &Path, database_url: &str, pool_mode: &str) -> Result<Self> {
        fs::create_dir_all(home)?;
        let port = ports::free()?;
        write_private(&home.join("pgbouncer.ini"), &settings(port, database_url, pool_mode)?)?;
        if getuid().is_root() {
            // PgBouncer refuses to run as root.
            let (user, group) = account("postgres")?;
            chown(home, Some(user), Some(group))?;
            chown(home.join("pgbouncer.ini"), Some(user), Some(group))?;
        }
        let program = Program::new("pgbouncer", Path::new("pgbouncer"), home);
        let mut process = program.arg("pgbouncer.ini").as_user("postgres").start()?;
        process.ready(Duration::from_secs(30), || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
        Ok(Self { process, port })
    }

    pub fn url(&self) -> String {
        format!("postgres://keystone@127.0.0.1:{}/keystone", self.port)
    }
}

fn settings(port: u16, database_url: &str, pool_mode: &str) -> Result<String> {
    let (_, rest) = database_url.split_once("://").context("not a URL")?;
    let (login, place) = rest.split_once('@').context("the URL has no user")?;
    let (user, password) = login.split_once(':').context("the URL has no password")?;
    let (address, name) = place.split_once('/').context("the URL has no database")?;
    let (host, server_port) = address.split_once(':').context("the URL has no port")?;
    Ok(format!(
        "[databases]\n\
         keystone = host={host} port={server_port} dbname={name} user={user} password={password}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {pool_mode}\n"
    ))
}
