//! Describing a real program and starting it so that nothing of it outlives the run: cleared environment, output in a
//! log file, killed by the kernel when the run itself is killed.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Signal, getuid};

use crate::process::Process;

/// A program about to be started.
#[derive(Debug)]
pub struct Program {
    name: String,
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    home: PathBuf,
    user: Option<&'static str>,
    stop: Signal,
}

impl Program {
    /// `home` becomes its working directory, `$HOME` and `$TMPDIR`; its output goes to `home/NAME.log`.
    pub fn new(name: &str, path: &Path, home: &Path) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            home: home.to_owned(),
            user: None,
            stop: Signal::TERM,
        }
    }

    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Runs it as this user when we are root, else as ourselves.
    pub fn as_user(mut self, user: &'static str) -> Self {
        self.user = Some(user);
        self
    }

    /// The signal that asks it to end; SIGTERM unless told otherwise.
    pub fn stopped_by(mut self, signal: Signal) -> Self {
        self.stop = signal;
        self
    }

    /// Starts it and returns at once; `Process::ready` waits for it.
    pub fn start(self) -> Result<Process> {
        let log = self.log();
        let output = append(&log)?;
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        Process::spawn(command, &self.name, log, self.stop).with_context(|| self.cannot_start())
    }

    /// Runs it to its end, `input` on its standard input. Only standard error goes to the log.
    pub fn run(self, input: &str, limit: Duration) -> Result<Finished> {
        let (mut stdin, mut stdout, mut stderr) =
            (tempfile::tempfile()?, tempfile::tempfile()?, tempfile::tempfile()?);
        stdin.write_all(input.as_bytes())?;
        stdin.rewind()?;
        let mut command = self.command();
        command.stdin(stdin).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let mut process = Process::spawn(command, &self.name, self.log(), self.stop)
            .with_context(|| self.cannot_start())?;
        let status = process.ended(limit)?;
        let finished = Finished {
            name: self.name.clone(),
            status,
            stdout: text(&mut stdout)?,
            stderr: text(&mut stderr)?,
        };
        append(&self.log())?.write_all(finished.stderr.as_bytes())?;
        Ok(finished)
    }

    /// `setpriv` makes the kernel kill the program when its parent dies, and changes the user where asked.
    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", if self.stop == Signal::QUIT { "QUIT" } else { "KILL" }]);
        if let Some(user) = self.user.filter(|_| getuid().is_root()) {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        command.arg("--").arg(&self.path).args(&self.args);
        command.current_dir(&self.home).env_clear();
        command
            .env("PATH", SYSTEM_PATH)
            .env("LANG", "C.UTF-8")
            .env("HOME", &self.home)
            .env("TMPDIR", &self.home);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        // Its own group: Ctrl-C in a terminal reaches us alone, and we stop the programs in the right order.
        command.process_group(0);
        command
    }

    fn log(&self) -> PathBuf {
        self.home.join(format!("{}.log", self.name))
    }

    fn cannot_start(&self) -> String {
        format!(
            "{} could not be started from {} (through setpriv of util-linux)",
            self.name,
            self.path.display()
        )
    }
}

/// The output and the exit code of a program.
#[derive(Debug)]
pub struct Finished {
    name: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Its standard output, or an error with what it said.
    pub fn succeeded(self) -> Result<String> {
        if !self.status.success() {
            bail!("{} ended with {}: {}", self.name, self.status, self.stderr.trim());
        }
        Ok(self.stdout)
    }
}

fn append(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn text(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn shell(script: &str, home: &Path) -> Program {
        Program::new("shell", Path::new("/bin/sh"), home).args(["-c", script])
    }

    #[test]
    fn a_finished_program_gives_its_output_and_code() {
        let home = tempfile::tempdir().unwrap();

        let finished = shell("read word; echo \"$word\"; echo trouble >&2; exit 3", home.path())
            .run("hello\n", Duration::from_secs(10))
            .unwrap();

        assert_eq!(finished.code(), Some(3));
        assert_eq!(finished.stdout, "hello\n");
        assert_eq!(finished.stderr, "trouble\n");
    }

    #[test]
    fn the_environment_of_the_caller_does_not_reach_the_program() {
        let home = tempfile::tempdir().unwrap();

        let finished = shell("env", home.path()).run("", Duration::from_secs(10)).unwrap();

        assert!(!finished.stdout.contains("CARGO"), "{}", finished.stdout);
    }

    #[test]
    fn a_program_that_ends_too_early_is_reported_with_its_log() {
        let home = tempfile::tempdir().unwrap();
        let mut process = shell("echo the reason; exit 1", home.path()).start().unwrap();

        let error = process.ready(Duration::from_secs(10), || false).unwrap_err();

        assert!(error.to_string().contains("the reason"), "{error}");
    }

    #[test]
    fn a_dropped_program_ends_even_after_its_starting_thread() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_owned();
        let mut process = thread::spawn(move || shell("sleep 1000", &path).start().unwrap()).join().unwrap();
        assert!(process.is_running());
        let pid = process.pid().unwrap();

        drop(process);

        assert!(rustix::process::test_kill_process(pid).is_err());
    }
}
