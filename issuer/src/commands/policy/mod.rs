//! `keystone policy`: work on policy files, without an issuer.

use clap::Subcommand;

use super::{Failure, Output};

mod convert;
mod lint;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Turn an Envoy configuration with jwt_authn, and rbac on scopes, into a policy, and say what could not be turned
    Convert(convert::Arguments),
    /// Say what is public and which rule yields to which; refuse what does not load
    Lint(lint::Arguments),
}

pub(super) fn run(command: &PolicyCommand) -> Result<Output, Failure> {
    match command {
        PolicyCommand::Convert(arguments) => convert::run(arguments),
        PolicyCommand::Lint(arguments) => lint::run(arguments),
    }
}
