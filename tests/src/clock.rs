//! The wall clock of one program, which a test sets: a preloaded library stands between the program and the real one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::program::Program;
use crate::tools::Tools;

/// A clock that is right until a test says otherwise.
#[derive(Clone, Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    pub fn new(tools: &Tools, directory: &Path) -> Result<Self> {
        let clock = Self { library: tools.clock.clone(), file: directory.join("clock-ahead") };
        clock.set_ahead(0)?;
        Ok(clock)
    }

    /// Sets how many seconds it is ahead.
    pub fn set_ahead(&self, seconds: i64) -> Result<()> {
        write_in_place(&self.file, seconds.to_ne_bytes())
    }

    /// The same program with this clock.
    pub(crate) fn of(&self, program: Program) -> Program {
        program.env("LD_PRELOAD", &self.library).env("KEYTEST_CLOCK_AHEAD_FILE", &self.file)
    }
}

/// Writes a number into a file that a program may have mapped.
pub(crate) fn write_in_place(file: &Path, number: [u8; 8]) -> Result<()> {
    let mut file = File::options().create(true).truncate(false).write(true).open(file)?;
    file.write_all(&number)?;
    Ok(())
}
