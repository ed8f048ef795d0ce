//! Bad input: each a clear error that names what is wrong.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, ensure};
use keystone_tests::envoy::{Envoy, Setup};
use keystone_tests::http::Answer;
use keystone_tests::stack::Stack;
use keystone_tests::{cast, ports};
use serde_json::Value;

use crate::lab::{Alone, Lab, OnStack, promises};

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    malformed_json_is_named,
    a_repeated_parameter_is_named,
    a_missing_parameter_is_named,
    a_parameter_nobody_knows_is_ignored,
    a_wrong_content_type_is_named,
    an_unknown_grant_is_named,
    bytes_that_are_no_http_end_nothing,
    a_wrong_method_says_which_one_is_right,
    nothing_a_request_says_breaks_a_line_of_the_log,
];

pub(crate) const AT_START: &[(&str, Alone)] = promises![
    a_taken_port_is_named,
    a_database_that_is_away_is_named,
    every_typo_in_keystone_toml_is_named_at_once,
    a_log_level_that_is_none_is_named,
    a_command_line_without_a_command_gets_help,
    production_mode_refuses_a_development_secret,
    envoy_refuses_to_start_on_a_typo_in_the_policy_and_names_it,
];

fn malformed_json_is_named(stack: &Stack) -> Result<()> {
    for body in
        ["{", "[]", "\"text\"", "{\"grant_type\": 1}", "{\"grant_type\":\"password\"} trailing", "\u{feff}{}"]
    {
        let answer = post(stack, "application/json", body)?;
        refused(&answer, "invalid_request", "JSON")?;
    }
    Ok(())
}

fn a_repeated_parameter_is_named(stack: &Stack) -> Result<()> {
    let form = "grant_type=password&username=alice&username=carol&password=x";
    refused(&post(stack, FORM, form)?, "invalid_request", "username")?;
    let json = r#"{"grant_type":"password","username":"alice","username":"carol","password":"x"}"#;
    refused(&post(stack, "application/json", json)?, "invalid_request", "username")
}

fn a_missing_parameter_is_named(stack: &Stack) -> Result<()> {
    refused(&post(stack, FORM, "grant_type=password&username=alice")?, "invalid_request", "password")?;
    refused(&post(stack, FORM, "")?, "invalid_request", "grant_type")
}

fn a_parameter_nobody_knows_is_ignored(stack: &Stack) -> Result<()> {
    // RFC 6749 §3.2: unrecognized request parameters must be ignored.
    let fields = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", cast::password("alice")?),
        ("x", "y"),
    ];
    stack.issuer.tokens(&stack.issuer.token(&fields)).map(drop)
}

fn a_wrong_content_type_is_named(stack: &Stack) -> Result<()> {
    let answer = post(stack, "text/plain", "grant_type=password&username=alice&password=x")?;
    ensure!([400, 415].contains(&answer.status), "{}", answer.status);
    assert_eq!(answer.member("error")?, "invalid_request");
    ensure!(answer.text().to_lowercase().contains("content-type"), "{}", answer.text());
    Ok(())
}

fn an_unknown_grant_is_named(stack: &Stack) -> Result<()> {
    refused(&post(stack, FORM, "grant_type=urn%3Amagic")?, "unsupported_grant_type", "")
}

fn bytes_that_are_no_http_end_nothing(stack: &Stack) -> Result<()> {
    for site in [&stack.issuer.site, &stack.issuer.operations, &stack.envoy.site] {
        // Whatever comes back, or nothing at all: the next request is what counts.
        drop(site.raw(b"\x16\x03\x01\x00\xff not HTTP \xff\xfe\r\n\r\n"));
        drop(site.raw(
            b"GET / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xff\x80\xfe\r\nconnection: close\r\n\r\n",
        ));
    }
    let alice = stack.issuer.login("alice")?;
    stack.envoy.site.get("/orders").bearer(&alice.access).send()?.expect(200)?;
    stack.issuer.operations.get("/health/live").send()?.expect(200).map(drop)
}

fn a_wrong_method_says_which_one_is_right(stack: &Stack) -> Result<()> {
    let answer = stack.issuer.site.get("/auth/token").send()?.expect(405)?;

    // OPTIONS is for the preflights of registered pages.
    assert_eq!(answer.header("allow").as_deref(), Some("POST,OPTIONS"));
    Ok(())
}

/// B-13: one event a line, whatever is sent to look like another one (CWE-117).
fn nothing_a_request_says_breaks_a_line_of_the_log(stack: &Stack) -> Result<()> {
    let breakers = [
        "a\r\n{\"level\":\"ERROR\"}",
        "a\u{1b}[2J\u{1b}]0;x\u{7}",
        "a\"}}\\",
        "a\u{2028}\u{85}\u{202e}",
        "a\0",
    ];
    for text in breakers {
        for name in ["grant_type", "username", "client_id", "scope", "refresh_token"] {
            let mut fields =
                vec![("grant_type", "password"), ("username", "alice"), ("password", "wrong-Pass-17")];
            fields.retain(|(known, _)| *known != name);
            fields.push((name, text));
            ensure!(stack.issuer.token(&fields).send()?.status < 500, "{name} {text:?}");
        }
    }
    drop(
        stack
            .issuer
            .site
            .raw(b"GET /\x1b[2J HTTP/1.1\r\nhost: x\r\nuser-agent: a\x1b[2J\"}\r\nconnection: close\r\n\r\n"),
    );

    let log = fs::read_to_string(stack.issuer.process.log())?;
    for line in log.lines() {
        ensure!(serde_json::from_str::<Value>(line).is_ok_and(|event| event.is_object()), "{line:?}");
        ensure!(!line.contains(char::is_control), "{line:?}");
    }
    ensure!(log.lines().count() > 20, "the log is not where it was looked for");
    Ok(())
}

fn a_taken_port_is_named(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("taken-port", |settings| settings.sections.clear())?;
    let taken = home.port();
    let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, taken))?;

    let finished = home.command(&["serve"])?;

    assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
    ensure!(finished.stderr.contains(&format!("127.0.0.1:{taken}")), "{}", finished.stderr);
    ensure!(finished.stderr.contains("use"), "says that it is in use: {}", finished.stderr);
    Ok(())
}

fn a_database_that_is_away_is_named(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("away", |settings| {
        settings.database_url = Some("postgres://keystone:hunter2@127.0.0.1:1/keystone".to_owned());
    })?;

    for command in ["serve", "migrate", "bootstrap"] {
        let finished = home.command(&[command])?;

        assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
        ensure!(finished.stderr.contains("no server at 127.0.0.1:1"), "{}", finished.stderr);
        ensure!(finished.stderr.contains("start PostgreSQL there"), "{}", finished.stderr);
        ensure!(!finished.stderr.contains("hunter2"), "tells the password: {}", finished.stderr);
    }
    Ok(())
}

fn every_typo_in_keystone_toml_is_named_at_once(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("typo", |settings| {
        settings.sections =
            "databse_url = \"x\"\n\n[tokens]\naccess_token_lifetime = \"long\"\nacces_token = 1\n".to_owned();
    })?;

    let finished = home.command(&["serve"])?;

    assert_eq!(finished.code(), Some(2), "{}", finished.stderr);
    for named in ["databse_url", "database_url", "tokens.access_token_lifetime", "acces_token"] {
        ensure!(finished.stderr.contains(named), "does not name {named}: {}", finished.stderr);
    }
    Ok(())
}

fn a_log_level_that_is_none_is_named(lab: &Lab) -> Result<()> {
    let home =
        lab.issuer_home("log-level", |settings| settings.sections = "log = \"warning\"\n".to_owned())?;

    let finished = home.command(&["serve"])?;

    assert_eq!(finished.code(), Some(2), "{}", finished.stderr);
    ensure!(finished.stderr.contains("`log` must be off, error, warn, info"), "{}", finished.stderr);
    Ok(())
}

fn a_command_line_without_a_command_gets_help(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("no-command", |_| ())?;

    let finished = home.command(&[])?;

    assert_eq!(finished.code(), Some(2), "{}", finished.stderr);
    ensure!(finished.stderr.contains("Usage: keystone"), "{}", finished.stderr);
    ensure!(!home.directory.join("data").exists(), "something was made in the working directory");
    Ok(())
}

fn production_mode_refuses_a_development_secret(lab: &Lab) -> Result<()> {
    let development = lab.issuer_home("development", |_| ())?;
    drop(development.serve()?);
    let made = development.directory.join("data/development.key");
    ensure!(made.exists(), "the first start makes itself a development key");
    let production = |name: &str, key: &str| -> Result<_> {
        let home = lab.issuer_home(name, |settings| {
            settings.issuer = Some("https://keystone.example".to_owned());
            settings.sections = format!("mode = \"production\"\n{key}");
        })?;
        home.command(&["serve"])
    };

    let borrowed = production("borrowed-key", &format!("key_encryption_key_file = {made:?}\n"))?;
    ensure!(matches!(borrowed.code(), Some(1 | 2)), "{:?} {}", borrowed.code(), borrowed.stderr);
    ensure!(borrowed.stderr.contains("development"), "{}", borrowed.stderr);
    let without = production("no-key", "")?;
    ensure!(matches!(without.code(), Some(1 | 2)), "{:?} {}", without.code(), without.stderr);
    ensure!(without.stderr.contains("key_encryption_key"), "{}", without.stderr);
    Ok(())
}

fn envoy_refuses_to_start_on_a_typo_in_the_policy_and_names_it(lab: &Lab) -> Result<()> {
    let typos = [
        ("\"authenticated\"", "\"authentcated\""),
        ("\"audiences\"", "\"audience\""),
        ("\"version\": 1", "\"version\": 9"),
    ];
    for (at, (right, wrong)) in typos.into_iter().enumerate() {
        let policy = format!("{:#}", cast::policy("http://127.0.0.1:1")).replace(right, wrong);
        let setup = Setup { listen: ports::free()?, policy, orders: ports::free()?, issuer: ports::free()? };
        let home = lab.directory(&format!("policy-typo-{at}"))?;

        let Err(error) = Envoy::start(&lab.tools, &home, &setup, &lab.ledger) else {
            anyhow::bail!("Envoy started with {wrong} in its policy");
        };

        let named = wrong.split('"').nth(1).unwrap_or_default();
        ensure!(error.to_string().contains(named), "does not name {named}: {error}");
    }
    Ok(())
}

fn post(stack: &Stack, content_type: &str, body: &str) -> Result<Answer> {
    stack.issuer.site.post("/auth/token").body(content_type, body).send()
}

fn refused(answer: &Answer, error: &str, named: &str) -> Result<()> {
    ensure!(answer.status == 400, "{} {}", answer.status, answer.text());
    assert_eq!(answer.member("error")?, error);
    ensure!(answer.member("error_description")?.contains(named), "does not name {named}: {}", answer.text());
    Ok(())
}

const FORM: &str = "application/x-www-form-urlencoded";
