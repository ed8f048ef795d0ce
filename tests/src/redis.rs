//! A real Redis that keeps everything in memory.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::ledger::Ledger;
use crate::ports;
use crate::process::Process;
use crate::program::Program;
use crate::tools::Tools;

/// A running server.
#[derive(Debug)]
pub struct Redis {
    pub process: Process,
    pub url: String,
}

impl Redis {
    pub fn start(tools: &Tools, home: &Path, ledger: &Ledger) -> Result<Self> {
        fs::create_dir_all(home)?;
        ledger.note(PASSWORD);
        let port = ports::free()?;
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nrequirepass {PASSWORD}\nsave \"\"\nappendonly no\ndaemonize no\nlogfile \"\"\n"
        );
        fs::write(home.join("redis.conf"), settings)?;
        let mut process = Program::new("redis", &tools.redis, home).arg("redis.conf").start()?;
        process.ready(Duration::from_secs(30), || answers(port))?;
        Ok(Self { process, url: format!("redis://:{PASSWORD}@127.0.0.1:{port}/") })
    }
}

/// It asks for the password: it is up.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let mut start = [0; 7];
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut start).is_ok() && &start == b"-NOAUTH"
}

const PASSWORD: &str = "Cellar-Door-Redis-17";
