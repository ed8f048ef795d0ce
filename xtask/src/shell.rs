//! Runs other programs. Messages go to standard error; standard output is for results.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::place;

/// Prints what is done next.
pub(crate) fn say(what: &str) {
    eprintln!("▸ {what}");
}

/// Returns a command that runs a program in the project's folder.
pub(crate) fn command(program: impl AsRef<Path>, args: &[&str]) -> Command {
    let mut command = Command::new(program.as_ref());
    command.args(args).current_dir(place::root()).stdin(Stdio::null());
    command
}

pub(crate) fn cargo(args: &[&str]) -> Command {
    command(place::cargo(), args)
}

/// Runs a command; its output goes to standard error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    command.stdout(Stdio::from(io::stderr()));
    finish(command)
}

/// Runs a command whose output is a result and goes to standard output.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    finish(command)
}

/// Runs a command and returns its output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("`{}` could not be started", line(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", line(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn finish(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("`{}` could not be started", line(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = command.get_args().map(|arg| arg.to_string_lossy());
    let words: Vec<_> = std::iter::once(program.to_string_lossy()).chain(words).collect();
    words.join(" ")
}
