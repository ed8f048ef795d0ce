//! Measures the product's optimized programs against a peer or a limit of the same run.
//!
//! `cargo xtask bench issuer|node|envoy [OPTION…] [ROW…]` builds them and runs this. One product, one module; the
//! loader, the turns and the table are for all of them.

mod arguments;
mod envoy;
mod issuer;
mod load;
mod node;
mod peers;
mod report;
mod turns;
mod watch;

use std::process::ExitCode;

use anyhow::Result;

use crate::arguments::{Product, Task};

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool for people talks on the terminal")]
fn main() -> ExitCode {
    let task = match Task::parse(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(mistake) => {
            eprintln!("{mistake}\n\n{}", arguments::usage());
            return ExitCode::from(2);
        }
    };
    match run(&task) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the text to print.
fn run(task: &Task) -> Result<String> {
    match task {
        Task::Bare(port) => peers::bare::serve(*port).map(|()| String::new()),
        Task::Help => Ok(arguments::usage()),
        Task::Measure(product, options) => {
            let figures = match product {
                Product::Issuer => issuer::run(options)?,
                Product::Node => node::run(options)?,
                Product::Envoy => envoy::run(options)?,
            };
            Ok(if options.json { report::json(&figures) } else { report::table(&figures) })
        }
    }
}

/// Says what is being measured.
#[expect(clippy::print_stderr, reason = "standard output is for results")]
fn say(what: &str) {
    eprintln!("▸ {what}");
}
