//! How often this disk can be told to keep something: no store that keeps its word commits more often, one by one.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::watch;

/// Two pages and `fdatasync`, over and over through a file that is there already, as a write-ahead log is written.
pub(crate) fn commits(directory: &Path, lasting: Duration) -> Result<f64> {
    let mut file = File::create(directory.join("fdatasync"))?;
    file.write_all(&[0; FILE])?;
    file.sync_all()?;
    let mut at = 0;
    watch::rate(lasting, || {
        file.seek(SeekFrom::Start(at as u64))?;
        file.write_all(&[1; COMMIT])?;
        at = (at + COMMIT) % FILE;
        Ok(file.sync_data()?)
    })
}

const COMMIT: usize = 8 * 1024;
const FILE: usize = 1024 * 1024;
