//! Real Python, with its packages in reach.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::program::Program;
use crate::tools::Tools;

/// A directory to run scripts in, and the program that runs them.
#[derive(Clone, Debug)]
pub struct Python {
    program: PathBuf,
    packages: PathBuf,
    home: PathBuf,
}

impl Python {
    pub fn new(tools: &Tools, home: &Path) -> Result<Self> {
        fs::create_dir_all(home)?;
        let (program, packages) = (tools.python.clone(), tools.python_packages.clone());
        Ok(Self { program, packages, home: home.to_owned() })
    }

    /// Runs one of the scripts and returns what it printed.
    pub fn run(&self, script: &str, args: &[&str], limit: Duration) -> Result<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
        let program = Program::new(script.trim_end_matches(".py"), &self.program, &self.home);
        // -B: no compiled files beside the packages, which are everybody's.
        let program = program.env("PYTHONPATH", &self.packages).args(["-B"]).arg(path).args(args);
        program.run("", limit)?.succeeded()
    }
}
