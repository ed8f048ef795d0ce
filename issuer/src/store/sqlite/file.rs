//! The database file as the file system has it.
//!
//! A file that is open stays usable when it is moved or deleted. What is written to it then is lost with it, so the path
//! must lead to it before and after each call. Another file in its place waits for a new process: SQLite's log beside it
//! (`-wal`) belongs to the file before.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    /// What the path led to at the first call.
    first: OnceLock<Identity>,
}

impl DatabaseFile {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), first: OnceLock::new() }
    }

    /// Fails if the path leads to no file, or not to that of the first call.
    pub(super) fn check(&self) -> io::Result<()> {
        let path = self.path.display();
        let found = self.path.metadata();
        let found = found.map_err(|error| {
            io::Error::new(error.kind(), format!("{path} was moved or deleted ({error}): put it back"))
        })?;
        let found = identity(&found);
        if *self.first.get_or_init(|| found) == found {
            return Ok(());
        }
        let says =
            format!("another file took the place of {path}: put the first one back, or restart the issuer");
        Err(io::Error::other(says))
    }
}

/// The device and the number of the file there.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(file: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (file.dev(), file.ino())
}

/// A file that is open cannot be moved or deleted there.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Identity {}
