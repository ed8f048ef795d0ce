//! `keystone policy`: work on policy files, without an issuer.

use clap::Subcommand;

use super::{Failure, Output};

mod convert;
mod lint;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Convert an Envoy configuration (jwt_authn and rbac) to a policy file, and list what cannot be converted
    Convert(convert::Arguments),
    /// Validate policy files, and list public routes and overlapping rules
    Lint(lint::Arguments),
}

pub(super) fn run(command: &PolicyCommand) -> Result<Output, Failure> {
    match command {
        PolicyCommand::Convert(arguments) => convert::run(arguments),
        PolicyCommand::Lint(arguments) => lint::run(arguments),
    }
}
