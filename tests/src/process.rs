//! A running program: waited for, signalled, frozen, and ended on drop.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, Resource, Rlimit, kill_process, kill_process_group, prlimit};

use crate::wait::{self, Deadline};

/// A running program; dropping it ends it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
    stop: Signal,
}

impl Process {
    /// `stop` is the signal that asks it to end.
    pub(crate) fn spawn(command: Command, name: &str, log: PathBuf, stop: Signal) -> Result<Self> {
        Ok(Self { child: spawn(command)?, name: name.to_owned(), log, stop })
    }

    /// Waits until `answers` says yes; the error shows the end of the log.
    pub fn ready(&mut self, limit: Duration, mut answers: impl FnMut() -> bool) -> Result<()> {
        let deadline = Deadline::after(limit);
        while !answers() {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status} before it was ready; its log ends:\n{}",
                    self.name,
                    self.log_tail()
                );
            }
            if deadline.passed() {
                bail!("{} was not ready after {limit:?}; its log ends:\n{}", self.name, self.log_tail());
            }
            wait::breathe();
        }
        Ok(())
    }

    /// Waits for its end.
    pub fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Deadline::after(limit);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if deadline.passed() {
                bail!("{} still runs after {limit:?}; its log ends:\n{}", self.name, self.log_tail());
            }
            wait::breathe();
        }
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid()?, signal).with_context(|| format!("{} took no signal", self.name))
    }

    /// Memory that it has in RAM, in bytes.
    pub fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()?.as_raw_nonzero()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.ended(PATIENCE).map(drop)
    }

    /// The kernel ends it with SIGXFSZ where it would write a file's byte after this one: in the middle of a write,
    /// and as suddenly as with SIGKILL.
    pub fn dies_writing_beyond(&self, length: u64) -> Result<()> {
        let limit = Rlimit { current: Some(length), maximum: None };
        prlimit(Some(self.pid()?), Resource::Fsize, limit)?;
        Ok(())
    }

    /// A program that ignores that signal gets an error instead, until the limit is removed.
    pub fn writes_at_most(&self, length: Option<u64>) -> Result<()> {
        prlimit(Some(self.pid()?), Resource::Fsize, Rlimit { current: length, maximum: None })?;
        Ok(())
    }

    /// Freezes the program and its children: connections stay open without answers.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        self.signal_children(Signal::STOP)
    }

    pub fn thaw(&self) -> Result<()> {
        self.signal_children(Signal::CONT)?;
        self.signal(Signal::CONT)
    }

    /// PostgreSQL's children are in process groups of their own, so they are looked up by their parent.
    fn signal_children(&self, signal: Signal) -> Result<()> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        for child in children.split_whitespace() {
            let pid = Pid::from_raw(child.parse()?).context("a process has no id")?;
            // It may have ended since it was listed.
            let _ = kill_process(pid, signal);
        }
        Ok(())
    }

    /// Ends it now: its own stop signal first, SIGKILL when it does not listen.
    pub fn stop(&mut self) {
        let Ok(pid) = self.pid() else { return };
        if self.is_running() {
            let _ = kill_process(pid, self.stop);
            let _ = self.thaw();
            let deadline = Deadline::after(PATIENCE);
            while self.is_running() && !deadline.passed() {
                wait::breathe();
            }
        }
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.child.wait();
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    pub fn log_tail(&self) -> String {
        let text =
            fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(TAIL)).copied().collect::<Vec<_>>().join("\n")
    }

    pub fn pid(&self) -> Result<Pid> {
        Pid::from_raw(i32::try_from(self.child.id())?).context("a process has no id")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The kernel's death signal follows the *thread* that forked, so one thread that never ends forks everything.
fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        orders
    });
    let (reply, answer) = mpsc::channel();
    spawner.send((command, reply)).map_err(|_| io::Error::other("the spawning thread has ended"))?;
    answer.recv().map_err(io::Error::other)?
}

type Order = (Command, Sender<io::Result<Child>>);

const PATIENCE: Duration = Duration::from_secs(5);
const TAIL: usize = 30;
