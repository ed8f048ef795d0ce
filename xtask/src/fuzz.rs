//! `cargo xtask fuzz`: searches for inputs that violate an invariant, guided by the code that they reach. Inputs that were
//! found are kept in `verifier/fuzz/corpus`; the unit tests replay them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::args::Fuzz;
use crate::{place, shell};

pub(crate) fn run(options: &Fuzz) -> Result<()> {
    let known = targets()?;
    let chosen: Vec<_> =
        known.iter().filter(|name| options.target.as_ref().is_none_or(|wanted| wanted == *name)).collect();
    ensure!(!chosen.is_empty(), "there is no such target: there are {}", known.join(", "));
    let programs = build()?;
    chosen.into_iter().try_for_each(|name| search(&programs, name, options.seconds))
}

/// Returns the names of the targets; each has a corpus.
fn targets() -> Result<Vec<String>> {
    let folders = fs::read_dir(corpus())?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = folders.collect::<Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn build() -> Result<PathBuf> {
    shell::say("building the verifier with coverage counters");
    let mut build = shell::cargo(&["build", "--locked", "--package", "keystone-fuzz", "--bins"]);
    build.args(["--features", "guided", "--profile", "fuzz"]);
    let counting = place::root().join("verifier/fuzz/counting-rustc");
    shell::run(build.env("RUSTC_WORKSPACE_WRAPPER", counting))?;
    Ok(place::target().join("fuzz"))
}

fn search(programs: &Path, name: &str, seconds: u32) -> Result<()> {
    shell::say(&format!("{name}: {seconds} seconds"));
    let found = place::target().join("fuzz-corpus").join(name);
    fs::create_dir_all(&found)?;
    let mut search = shell::command(programs.join(name), &OPTIONS);
    search.arg(format!("-max_total_time={seconds}"));
    search.arg(format!("-dict={}", corpus().with_file_name("dictionary").display()));
    search.arg(format!("-artifact_prefix={}/broken-", found.parent().unwrap_or(&found).display()));
    shell::run(search.arg(&found).arg(corpus().join(name))).with_context(|| {
        format!("{name}: the search stopped; if a file is named above, its input violates an invariant")
    })
}

fn corpus() -> PathBuf {
    place::root().join("verifier/fuzz/corpus")
}

/// The inputs are a little longer than the longest token.
const OPTIONS: [&str; 4] = ["-max_len=9000", "-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"];
