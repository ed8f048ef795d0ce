//! Faults of the file and of the disk under SQLite.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use keystone_tests::issuer::Home;
use keystone_tests::process::Process;
use keystone_tests::program::Program;
use rustix::process::getuid;

use super::under_load::{Fault, work_through};
use super::{home, killed};
use crate::lab::Lab;
use crate::requests::Staffed;

pub(super) fn all(lab: &Lab, lasting: Duration) -> Result<Vec<String>> {
    let home = home(lab, "faults-sqlite", None)?;
    let on = Staffed::serve(&home)?;
    let (since, holder) = (RefCell::new(None), RefCell::new(None));
    let data = directory(&home)?;
    let away = data.with_extension("away");
    let mut faults = vec![
        Fault {
            name: "another program holds the write lock",
            ready: Some(false),
            begin: Box::new(|| {
                holder.replace(Some(holds_write_lock(&home)?));
                Ok(())
            }),
            end: Box::new(|| {
                holder.replace(None);
                Ok(())
            }),
        },
        Fault {
            name: "the directory is away",
            ready: Some(false),
            begin: Box::new(|| Ok(fs::rename(&data, &away)?)),
            end: Box::new(|| Ok(fs::rename(&away, &data)?)),
        },
        killed(&on, &home, &since),
    ];
    if getuid().is_root() {
        faults.insert(
            0,
            Fault {
                name: "the files are read only",
                ready: Some(false),
                begin: Box::new(|| set_immutable(&home, true)),
                end: Box::new(|| set_immutable(&home, false)),
            },
        );
    }
    work_through(&on, lasting, &faults)
}

pub(super) fn on_a_small_disk(lab: &Lab, lasting: Duration) -> Result<Vec<String>> {
    let home = home(lab, "faults-small", None)?.on_a_small_disk();
    let on = Staffed::serve(&home)?;
    let pid = on.issuer.process.pid()?.as_raw_nonzero();
    let data = fs::canonicalize(directory(&home)?)?;
    // The disk is in the issuer's own mount namespace.
    let inside: PathBuf = [&format!("/proc/{pid}/root"), ""].iter().collect();
    let data = inside.join(data.strip_prefix("/")?);
    let faults = [
        Fault {
            name: "the disk is full",
            ready: None,
            begin: Box::new(|| fill(&data.join("fill"))),
            end: Box::new(|| Ok(fs::remove_file(data.join("fill"))?)),
        },
        Fault {
            name: "writing fails",
            ready: Some(false),
            begin: Box::new(|| on.issuer.process.writes_at_most(Some(0))),
            end: Box::new(|| on.issuer.process.writes_at_most(None)),
        },
    ];
    work_through(&on, lasting, &faults)
}

fn holds_write_lock(home: &Home) -> Result<Process> {
    let sqlite = Program::new("sqlite3", Path::new("sqlite3"), &home.directory).arg(home.sqlite_file());
    sqlite.args([".timeout 5000", "BEGIN IMMEDIATE", ".shell exec sleep 600"]).start()
}

fn fill(file: &Path) -> Result<()> {
    let mut file = File::create(file)?;
    while file.write_all(&[1; 4096]).is_ok() {}
    while file.write_all(&[1]).is_ok() {}
    Ok(())
}

/// Makes the files read only for processes that have them open as well, which takes root. The file that SQLite maps into
/// memory (`-shm`) is left out: the kernel ends a process that cannot write there (SIGBUS).
pub(crate) fn set_immutable(home: &Home, is_immutable: bool) -> Result<()> {
    let log = home.sqlite_file().with_extension("sqlite3-wal");
    let chattr = Program::new("chattr", Path::new("chattr"), &home.directory);
    let chattr = chattr.arg(if is_immutable { "+i" } else { "-i" });
    chattr.args([home.sqlite_file(), log, directory(home)?]).run("", QUICK)?.succeeded().map(drop)
}

fn directory(home: &Home) -> Result<PathBuf> {
    Ok(home.sqlite_file().parent().context("a file is in a directory")?.to_owned())
}

const QUICK: Duration = Duration::from_secs(10);
