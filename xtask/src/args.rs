//! The command line, parsed into closed types.

use anyhow::{Context, Result, bail};
use keystone_tests::stack::Store;

pub(crate) const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo [--once] [--json] [--store sqlite|postgres]
         the whole product on this machine: issuer, Envoy, an API, Node, a browser
         --once   stop after the walk; exit 0 only if every answer was the expected one
         --json   print addresses and credentials as one JSON line, and stay up
  test   everything a change must pass; parts of it:
    test unit           format, lints, unit tests, the verifier for a machine without operating system, panics
    test deploy         the deployment files by their linters, and what the image is built from
    test js             the npm package's own tests
    test panics         that no call into the WebAssembly leads to a panic
    test e2e [FILTER]   the promises, on real Envoy, PostgreSQL, Redis, Node and Chromium
  build  the issuer, the Envoy filter and the npm package
  bench [issuer|node|envoy [OPTION…] [ROW…]]
         what the promises cost, as ratios to a peer or a limit of the same run; some minutes
  dist   the artefacts to publish, with checksums, in dist/
  fuzz [TARGET [SECONDS]]
         looks for inputs that break a promise of the verifier, a minute for each target unless said otherwise
  mutants [OPTION…]
         makes the verifier wrong in one place after the other and says where no test notices; an hour
  soak [MINUTES]
         Envoy with the filter under 60,000 hostile requests, then at full load for 10 minutes or as many, while keys rotate
         and configurations change
  deny [CHECK…]  licenses, bans, sources and (with GitHub in reach) advisories of every dependency
  verdicts  judges the hostile file on every platform and writes docs/verdicts.md anew
  vectors  writes tests/vectors/hostile.json anew, after a change of what it is made from
  help   this text";

#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Task {
    /// With what is passed on to the measuring program.
    Bench(Product, Vec<String>),
    Build,
    Demo(Demo),
    /// With the checks to make; all when empty.
    Deny(Vec<String>),
    Dist,
    Fuzz(Fuzz),
    Help,
    /// With what is passed on to `cargo mutants`.
    Mutants(Vec<String>),
    /// With the minutes it takes.
    Soak(u8),
    Test(Part),
    Vectors,
    Verdicts,
}

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Product {
    Issuer,
    Node,
    Envoy,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Demo {
    pub(crate) once: bool,
    pub(crate) json: bool,
    pub(crate) store: Store,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Fuzz {
    /// All when there is none.
    pub(crate) target: Option<String>,
    pub(crate) seconds: u32,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Part {
    All,
    Unit,
    Deploy,
    Js,
    Panics,
    /// With what is passed on to the runner: filters and its options.
    E2e(Vec<String>),
}

impl Task {
    pub(crate) fn parse(args: impl Iterator<Item = String>) -> Result<Self> {
        let mut args = args.peekable();
        let task = match args.next().as_deref() {
            Some("bench") => Self::Bench(Product::parse(&mut args)?, args.by_ref().collect()),
            Some("build") => Self::Build,
            Some("demo") => Self::Demo(Demo::parse(&mut args)?),
            Some("deny") => Self::Deny(args.by_ref().collect()),
            Some("dist") => Self::Dist,
            Some("fuzz") => Self::Fuzz(Fuzz::parse(&mut args)?),
            Some("mutants") => Self::Mutants(args.by_ref().collect()),
            Some("help" | "-h" | "--help") | None => Self::Help,
            Some("soak") => Self::Soak(minutes(args.next().as_deref())?),
            Some("test") => Self::Test(Part::parse(&mut args)?),
            Some("vectors") => Self::Vectors,
            Some("verdicts") => Self::Verdicts,
            Some(other) => bail!("there is no command `{other}`"),
        };
        match args.next() {
            Some(rest) => bail!("`{rest}` is one word too many"),
            None => Ok(task),
        }
    }
}

impl Product {
    fn parse(args: &mut impl Iterator<Item = String>) -> Result<Self> {
        match args.next().as_deref() {
            Some("issuer") | None => Ok(Self::Issuer),
            Some("node") => Ok(Self::Node),
            Some("envoy") => Ok(Self::Envoy),
            Some(other) => bail!("bench cannot measure `{other}`: it measures issuer, node and envoy"),
        }
    }
}

impl Demo {
    fn parse(args: &mut impl Iterator<Item = String>) -> Result<Self> {
        let mut demo = Self { once: false, json: false, store: Store::Sqlite };
        while let Some(option) = args.next() {
            match option.as_str() {
                "--once" => demo.once = true,
                "--json" => demo.json = true,
                "--store" => demo.store = store(&args.next().unwrap_or_default())?,
                other => bail!("demo has no option `{other}`"),
            }
        }
        Ok(demo)
    }
}

impl Fuzz {
    fn parse(args: &mut impl Iterator<Item = String>) -> Result<Self> {
        let target = args.next();
        let seconds = args.next().map_or(Ok(60), |seconds| {
            seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))
        })?;
        Ok(Self { target, seconds })
    }
}

impl Part {
    fn parse(args: &mut impl Iterator<Item = String>) -> Result<Self> {
        match args.next().as_deref() {
            None => Ok(Self::All),
            Some("unit") => Ok(Self::Unit),
            Some("deploy") => Ok(Self::Deploy),
            Some("js") => Ok(Self::Js),
            Some("panics") => Ok(Self::Panics),
            Some("e2e") => Ok(Self::E2e(args.by_ref().collect())),
            Some(other) => bail!("test has no part `{other}`: it has unit, deploy, js, panics and e2e"),
        }
    }
}

/// A key is rotated every minute, and keys are numbered by a byte.
fn minutes(text: Option<&str>) -> Result<u8> {
    match text.map_or(Ok(10), str::parse) {
        Ok(minutes @ 1..=200) => Ok(minutes),
        _ => bail!("soak takes 1 to 200 minutes, not `{}`", text.unwrap_or_default()),
    }
}

fn store(name: &str) -> Result<Store> {
    match name {
        "sqlite" => Ok(Store::Sqlite),
        "postgres" => Ok(Store::Postgres),
        other => bail!("--store takes sqlite or postgres, not `{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use keystone_tests::docs::{mentions, subcommands};

    use super::*;

    fn parse(line: &str) -> Result<Task> {
        Task::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_demo_takes_its_options_in_any_order() {
        let expected = Demo { once: true, json: false, store: Store::Postgres };

        assert_eq!(parse("demo --store postgres --once").unwrap(), Task::Demo(expected));
    }

    #[test]
    fn filters_are_passed_on_to_the_runner() {
        let filters = vec!["sqlite::alice".to_owned(), "--nocapture".to_owned()];

        assert_eq!(parse("test e2e sqlite::alice --nocapture").unwrap(), Task::Test(Part::E2e(filters)));
    }

    #[test]
    fn a_search_takes_a_minute_unless_told_otherwise() {
        let fuzz =
            |target: Option<&str>, seconds| Task::Fuzz(Fuzz { target: target.map(str::to_owned), seconds });

        assert_eq!(parse("fuzz").unwrap(), fuzz(None, 60));
        assert_eq!(parse("fuzz token 600").unwrap(), fuzz(Some("token"), 600));
    }

    #[test]
    fn a_word_nobody_knows_is_named() {
        for line in [
            "deploy",
            "bench car",
            "demo --twice",
            "demo --store oracle",
            "test e2",
            "fuzz token soon",
            "build now",
            "soak long",
        ] {
            let named = line.split(' ').next_back().unwrap();
            assert!(parse(line).unwrap_err().to_string().contains(named), "{line}");
        }
    }

    #[test]
    fn every_command_the_documents_name_exists() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
        let documents = docs.filter(|path| path.extension().is_some_and(|end| end == "md"));
        for document in documents.chain([root.join("README.md"), root.join("CONTRIBUTING.md")]) {
            for mention in mentions(&fs::read_to_string(&document).unwrap()) {
                for command in subcommands(&mention, "cargo xtask") {
                    assert!(parse(&command).is_ok(), "{}:{}: {command}", document.display(), mention.line);
                }
            }
        }
    }
}
