//! What `keystone` does when a person runs it. The only place that writes to the terminal.

mod apply;
mod bootstrap;
mod certificate;
mod descriptors;
mod doctor;
mod explain;
mod keys;
mod lines;
mod log;
mod migrate;
mod open;
mod policy;
mod serve;
mod times;
mod unreachable;

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock::World;
use crate::config::{Config, Mistake, Source};

#[derive(Debug, Parser)]
#[command(
    name = "keystone",
    version,
    about = "The Keystone issuer: an OAuth 2.0 authorization server with short-lived signed access tokens",
    arg_required_else_help = true
)]
pub struct Arguments {
    /// Configuration file; environment variables (KEYSTONE_…) override it [default: keystone.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the issuer until it is stopped
    Serve {
        /// Migrate the database schema first
        #[arg(long)]
        migrate: bool,
    },
    /// Migrate the database schema to this version
    Migrate,
    /// Create the first administrator and print a one-time password
    Bootstrap {
        /// Print the result as one line of JSON
        #[arg(long)]
        json: bool,
        /// Username of the administrator
        #[arg(long, value_name = "NAME", default_value = "admin")]
        username: String,
    },
    /// Create and update the scopes, roles and clients that a file declares
    Apply(apply::Arguments),
    /// Check the configuration, the database, the keys and the network, and say how to fix what is wrong
    Doctor {
        /// Print the result as one line of JSON
        #[arg(long)]
        json: bool,
    },
    /// Explain why an access token, a refresh token or a client secret is accepted or refused
    Explain(explain::Arguments),
    /// List, rotate and revoke signing keys
    Keys {
        #[command(subcommand)]
        command: keys::KeysCommand,
    },
    /// Check and convert policy files
    Policy {
        #[command(subcommand)]
        command: policy::PolicyCommand,
    },
}

/// Why a command ends without having done its work. One sentence for the person who ran it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    fn new(sentence: impl fmt::Display) -> Self {
        Self(sentence.to_string())
    }
}

/// What is to be printed in the end, and whether all is as one hopes: a command can find out that it is not.
#[derive(Debug)]
struct Output {
    text: String,
    /// Lines for the person at the terminal, on standard error.
    remarks: Vec<String>,
    fit: bool,
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self { text, remarks: Vec::new(), fit: true }
    }
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime cannot be started: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = match (&arguments.command, load(arguments)) {
        (Command::Doctor { json }, config) => runtime.block_on(doctor::run(config, &World::system(), *json)),
        (Command::Policy { command }, _) => policy::run(command),
        (command, Ok(config)) => runtime.block_on(execute(command, config)),
        (_, Err(mistakes)) => {
            complain(&mistakes);
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(Output { text, remarks, fit }) => {
            complain(&remarks.join("\n"));
            print(&text);
            if fit { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(Failure(sentence)) => {
            complain(&sentence);
            ExitCode::FAILURE
        }
    }
}

fn load(arguments: &Arguments) -> Result<Config, String> {
    let source = Source::system(arguments.config.as_deref()).map_err(|error| error.to_string())?;
    Config::load(&source).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
        lines.join("\n")
    })
}

async fn execute(command: &Command, config: Config) -> Result<Output, Failure> {
    let world = World::system();
    let said = match command {
        Command::Doctor { json } => return doctor::run(Ok(config), &world, *json).await,
        Command::Explain(arguments) => return explain::run(&config, &world, arguments).await,
        Command::Policy { command } => return policy::run(command),
        Command::Serve { migrate } => serve::run(config, world, *migrate).await.map(|()| String::new()),
        Command::Migrate => migrate::run(&config).await,
        Command::Bootstrap { json, username } => bootstrap::run(&config, &world, username, *json).await,
        Command::Keys { command } => keys::run(&config, &world, command).await,
        Command::Apply(arguments) => apply::run(&config, &world, arguments).await,
    };
    said.map(Output::from)
}

fn print(output: &str) {
    if !output.is_empty() {
        // Whoever closed the pipe, as `head` does, has read enough.
        drop(writeln!(io::stdout(), "{output}"));
    }
}

#[expect(clippy::print_stderr, reason = "the person at the terminal reads why a command failed")]
fn complain(sentences: &str) {
    for sentence in sentences.lines() {
        eprintln!("keystone: {sentence}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_command_nothing_is_done() {
        for line in [&["keystone"][..], &["keystone", "--config", "a.toml"]] {
            let said = Arguments::try_parse_from(line).unwrap_err();

            assert!(said.to_string().contains("Usage: keystone"), "{said}");
        }
    }
}
