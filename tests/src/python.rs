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
        let program = self.program(script.trim_end_matches(".py")).arg(path).args(args);
        program.run("", limit)?.succeeded()
    }

    /// One of the packages that is a program; the arguments are still to come.
    pub fn module(&self, name: &str) -> Program {
        self.program(name).args(["-m", name])
    }

    fn program(&self, name: &str) -> Program {
        // -B: no compiled files beside the packages, which are everybody's.
        Program::new(name, &self.program, &self.home).env("PYTHONPATH", &self.packages).args(["-B"])
    }
}
