//! Runs the commands of a document, as a reader would.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use keystone_tests::issuer::Home;
use keystone_tests::program::{Finished, Program};

/// A shell variable of a document.
pub(crate) type Name = (&'static str, String);

/// Runs a script in an issuer's directory; ends at the first line that fails and at an unset variable.
pub(crate) fn run(home: &Home, script: &str, names: &[Name]) -> Result<Finished> {
    let shell = Program::new("shell", Path::new("/bin/sh"), &home.directory).args(["-euc", script]);
    let shell = names.iter().fold(shell, |shell, (name, value)| shell.env(*name, value));
    shell.run("", Duration::from_secs(60))
}
