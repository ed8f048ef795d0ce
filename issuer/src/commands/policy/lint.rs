//! `keystone policy lint`: what is public, which rule yields to which, and which is open to another spelling. What does not load is refused by name.

use std::path::{Path, PathBuf};

use keystone_verifier::Policy;
use serde_json::json;

use crate::commands::{Failure, Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Policy files; each is merged into the first and must not change its decisions
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(Arguments { files, json }: &Arguments) -> Result<Output, Failure> {
    let mut policies = files.iter().map(|file| Ok((file, read(file)?)));
    let (_, first) = policies.next().unwrap_or_else(|| Err(Failure::new("no policy file")))?;
    let policy = policies.try_fold(first, |policy, addition| {
        let (file, addition) = addition?;
        policy.merge(addition).map_err(|error| Failure::new(format!("{}: {error}", file.display())))
    })?;
    Ok(if *json { data(&policy) } else { text(&policy) }.into())
}

fn read(file: &Path) -> Result<Policy, Failure> {
    let named = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", file.display()));
    let text = std::fs::read(file).map_err(|error| named(&error))?;
    Policy::parse(&text).map_err(|error| named(&error))
}

fn text(policy: &Policy) -> String {
    let routes = policy.routes().len();
    let mut lines = vec![format!("{routes} routes, {} issuers", policy.issuers().len())];
    lines.extend(policy.public_routes().map(|route| format!("public    {route}")));
    lines.extend(policy.shadowed_routes().iter().map(|pair| {
        let word = if pair.is_looser() { "LOOSER" } else { "shadowed" };
        format!("{word:<8}  {pair}")
    }));
    lines.extend(policy.respelled_routes().iter().map(|open| format!("OPEN      {open}")));
    lines.join("\n")
}

fn data(policy: &Policy) -> String {
    let shadowed = policy.shadowed_routes();
    let shadowed = shadowed.iter().map(|pair| {
        json!({
            "winner": pair.winner.to_string(),
            "loser": pair.loser.to_string(),
            "looser": pair.is_looser(),
        })
    });
    let respelled = policy.respelled_routes();
    let respelled = respelled.iter().map(|open| {
        json!({
            "path": open.path,
            "deciding": open.deciding.to_string(),
            "avoided": open.avoided.to_string(),
        })
    });
    json!({
        "public": policy.public_routes().map(ToString::to_string).collect::<Vec<_>>(),
        "shadowed": shadowed.collect::<Vec<_>>(),
        "respelled": respelled.collect::<Vec<_>>(),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#"{"version":1,
        "issuers":[{"issuer":"https://as.example","audiences":["orders"],"keys":{"url":"https://as.example/jwks"}}],
        "routes":[
          {"methods":["GET"],"path":"/orders/{*rest}","require":{"all":["orders:read"]}},
          {"methods":["GET"],"path":"/orders/logo","public":true}]}"#;

    /// The result of linting files with these contents, named `0.json` and so on.
    fn lint(texts: &[&str], json: bool) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let files = texts.iter().enumerate().map(|(at, text)| {
            let file = directory.path().join(format!("{at}.json"));
            std::fs::write(&file, text).unwrap();
            file
        });
        let arguments = Arguments { files: files.collect(), json };
        run(&arguments).map(|output| output.text).map_err(|Failure(sentence)| sentence)
    }

    #[test]
    fn every_public_route_and_every_rule_that_yields_is_listed() {
        assert_eq!(
            lint(&[BASE], false).unwrap(),
            "2 routes, 1 issuers\n\
             public    GET /orders/logo\n\
             LOOSER    GET /orders/logo decides before GET /orders/{*rest}, where both match"
        );
        assert_eq!(
            lint(&[BASE], true).unwrap(),
            r#"{"public":["GET /orders/logo"],"respelled":[],"shadowed":[{"looser":true,"loser":"GET /orders/{*rest}","winner":"GET /orders/logo"}]}"#
        );
    }

    #[test]
    fn a_route_that_another_spelling_gets_around_is_listed() {
        let exact = BASE.replace("\"version\":1", "\"version\":1,\"path_comparison\":\"exact\"");
        let open = exact.replace("/orders/logo", "/{*all}");

        assert!(!lint(&[&BASE.replace("/orders/logo", "/{*all}")], false).unwrap().contains("OPEN"));
        let said = lint(&[&open], false).unwrap();
        assert!(
            said.ends_with(
                "\nOPEN      /ORDERS/~ is decided by GET /{*all}, not by GET /orders/{*rest}, where the service takes both \
                 paths for one"
            ),
            "{said}"
        );
        assert!(lint(&[&open], true).unwrap().contains(
            r#""respelled":[{"avoided":"GET /orders/{*rest}","deciding":"GET /{*all}","path":"/ORDERS/~"}]"#
        ));
    }

    #[test]
    fn a_mistake_is_named_by_file_line_and_member() {
        let wrong = lint(&[&BASE.replace("public", "pubic")], false).unwrap_err();

        assert!(wrong.contains("0.json: line 5, routes[1].pubic: unknown member"), "{wrong}");
        let missing = run(&Arguments { files: vec!["nowhere.json".into()], json: false });
        assert!(matches!(missing, Err(Failure(sentence)) if sentence.starts_with("nowhere.json: ")));
    }

    #[test]
    fn files_after_the_first_only_add() {
        let about = BASE.replace("/orders/{*rest}", "/about").replace("/orders/logo", "/help");
        let open = BASE.replace(
            r#""/orders/{*rest}","require":{"all":["orders:read"]}"#,
            r#""/orders/{id}","public":true"#,
        );

        assert!(
            lint(&[BASE, &about], false).unwrap().starts_with("4 routes, 1 issuers\npublic    GET /help\n")
        );
        let refused = lint(&[BASE, &open], false).unwrap_err();
        assert!(
            refused.ends_with(
                "1.json: routes GET /orders/{id}: would decide requests that GET /orders/{*rest} decides now"
            ),
            "{refused}"
        );
    }
}
