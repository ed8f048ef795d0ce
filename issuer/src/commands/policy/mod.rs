//! `keystone policy`: work on policy files, without an issuer.

use clap::Subcommand;

use super::{Failure, Output};

mod lint;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say what is public and which rule yields to which; refuse what does not load
    Lint(lint::Arguments),
}

pub(super) fn run(command: &PolicyCommand) -> Result<Output, Failure> {
    match command {
        PolicyCommand::Lint(arguments) => lint::run(arguments),
    }
}
