//! The command line of `cargo xtask`.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use keystone_tests::stack::Store;

/// Builds, tests, measures and packages Keystone.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Eq, PartialEq, Subcommand)]
pub(crate) enum Command {
    /// Run the tests: `quick` while you work, all of them before you send a change
    #[command(after_help = TEST_HELP)]
    Test {
        #[command(subcommand)]
        part: Option<Part>,
    },
    /// Check documents, comments, texts of the program and names of tests against the writing rules
    Prose(Prose),
    /// Start the whole product on this machine and show a login, a refusal and a revocation
    Demo(Demo),
    /// Build the issuer, the Envoy filter and the npm package
    Build,
    /// Measure performance, as ratios to a peer or a limit of the same run
    Bench {
        #[arg(default_value = "issuer")]
        product: Product,
        /// Options and rows for the measuring program; `--help` lists them
        #[arg(value_name = "OPTION|ROW", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run Envoy and the issuer at full load while keys rotate and faults occur
    Soak {
        /// How long the full load lasts, 1 to 200
        #[arg(default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=MAX_SOAK_MINUTES))]
        minutes: u8,
    },
    /// Search for inputs that violate an invariant of the verifier or of the issuer's HTTP framing
    Fuzz(Fuzz),
    /// Change the verifier in one place at a time and list the changes that no test notices (takes an hour)
    Mutants {
        /// Options for `cargo mutants`, such as `--re path.rs`
        #[arg(value_name = "OPTION", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check the licenses, sources and security advisories of all dependencies
    Deny {
        /// The checks of `cargo deny` to run: advisories, bans, licenses, sources [default: all]
        checks: Vec<String>,
    },
    /// Write the artifacts of a release, with checksums, to dist/
    Dist {
        /// Include the issuer, optimized for this machine
        #[arg(long)]
        binary: bool,
    },
    /// Evaluate the hostile requests on every platform and write docs/verdicts.md
    Verdicts,
    /// Write tests/vectors/hostile.json from the cases in tests/src/hostile
    Vectors,
}

#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub(crate) enum Part {
    /// Format, prose, lints, unit and API tests on SQLite; needs only Rust
    Quick,
    /// The unit and API tests in all variants: PostgreSQL, Redis, telemetry, WebAssembly's arithmetic
    Unit,
    /// The deployment and workflow files, checked by their linters
    Deploy,
    /// The tests of the npm package
    Js,
    /// Prove that no exported WebAssembly function can panic; print the call path if one can
    Panics,
    /// The end-to-end tests, on real Envoy, PostgreSQL, Redis, Node, Python and browsers
    E2e {
        /// Run only tests whose name contains one of these texts; options go to the test runner
        #[arg(value_name = "FILTER|OPTION", trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Product {
    Issuer,
    Node,
    Envoy,
}

#[derive(Args, Debug, Eq, PartialEq)]
pub(crate) struct Prose {
    /// Lower the numbers in xtask/prose-baseline.txt to those of today
    #[arg(long, conflicts_with = "list")]
    pub(crate) lower: bool,
    /// List all violations, also the known ones
    #[arg(long)]
    pub(crate) list: bool,
    /// List only those below these paths
    #[arg(value_name = "PATH", requires = "list")]
    pub(crate) paths: Vec<String>,
}

#[derive(Args, Debug, Eq, PartialEq)]
pub(crate) struct Demo {
    /// Stop after the walkthrough; exit with 0 only if every answer was the expected one
    #[arg(long)]
    pub(crate) once: bool,
    /// Skip the walkthrough, print addresses and credentials as one line of JSON, and keep running
    #[arg(long)]
    pub(crate) json: bool,
    /// The database of the issuer
    #[arg(long, default_value = "sqlite", value_parser = store())]
    pub(crate) store: Store,
}

#[derive(Args, Debug, Eq, PartialEq)]
pub(crate) struct Fuzz {
    /// A folder of verifier/fuzz/corpus [default: all, one after another]
    pub(crate) target: Option<String>,
    /// How long to search with each target
    #[arg(default_value_t = 60)]
    pub(crate) seconds: u32,
}

fn store() -> impl TypedValueParser<Value = Store> {
    PossibleValuesParser::new(["sqlite", "postgres"]).map(|name| match name.as_str() {
        "postgres" => Store::Postgres,
        _ => Store::Sqlite,
    })
}

/// One key is rotated per minute, and the keys of a run are numbered by one byte.
const MAX_SOAK_MINUTES: i64 = 200;

const TEST_HELP: &str = "Without COMMAND, all of them run. The time of each stage is printed at the end.";

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use clap::CommandFactory;
    use keystone_tests::docs::{documents, mentions, subcommands};

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = std::iter::once("xtask").chain(line.split_whitespace());
        Arguments::try_parse_from(words).map(|arguments| arguments.command)
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn demo_takes_its_options_in_any_order() {
        let expected = Demo { once: true, json: false, store: Store::Postgres };

        assert_eq!(parse("demo --store postgres --once").unwrap(), Command::Demo(expected));
    }

    #[test]
    fn filters_and_options_go_to_the_test_runner() {
        let arguments = vec!["sqlite::alice".to_owned(), "--nocapture".to_owned()];

        let part = Some(Part::E2e { arguments });
        assert_eq!(parse("test e2e sqlite::alice --nocapture").unwrap(), Command::Test { part });
    }

    #[test]
    fn bench_measures_the_issuer_by_default() {
        let expected = Command::Bench { product: Product::Issuer, arguments: Vec::new() };

        assert_eq!(parse("bench").unwrap(), expected);
    }

    #[test]
    fn fuzz_searches_for_a_minute_by_default() {
        let fuzz = |target: Option<&str>, seconds| {
            Command::Fuzz(Fuzz { target: target.map(str::to_owned), seconds })
        };

        assert_eq!(parse("fuzz").unwrap(), fuzz(None, 60));
        assert_eq!(parse("fuzz token 600").unwrap(), fuzz(Some("token"), 600));
    }

    #[test]
    fn an_unknown_word_is_named() {
        for line in [
            "deploy",
            "bench car",
            "demo --twice",
            "demo --store oracle",
            "test e2",
            "fuzz token soon",
            "build now",
            "soak long",
            "soak 201",
        ] {
            let named = line.split(' ').next_back().unwrap();
            assert!(parse(line).unwrap_err().to_string().contains(named), "{line}");
        }
    }

    #[test]
    fn every_command_the_documents_name_exists() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        for document in documents(&root).unwrap() {
            for mention in mentions(&fs::read_to_string(&document).unwrap()) {
                for command in subcommands(&mention, "cargo xtask") {
                    assert!(parse(&command).is_ok(), "{}:{}: {command}", document.display(), mention.line);
                }
            }
        }
    }
}
