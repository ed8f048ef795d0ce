//! `keystone`: see `commands`.

use std::process::ExitCode;

use clap::Parser as _;
use keystone_issuer::commands::{Arguments, run};

fn main() -> ExitCode {
    run(&Arguments::parse())
}
