//! The metrics and log lines of an issuer, for operators.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::cast;
use keystone_tests::issuer::Issuer;
use keystone_tests::ledger::lines_below;
use keystone_tests::wait;
use serde_json::Value;

use crate::lab::{Alone, Lab, promises, serving_the_cast};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    metrics_tell_what_happened_and_name_nobody,
    every_line_about_a_request_carries_the_number_its_client_got,
    what_a_client_sends_cannot_forge_a_line,
    the_log_names_a_refusals_code_and_no_polls,
];

fn metrics_tell_what_happened_and_name_nobody(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("metrics", |_| ())?;
    let issuer = serving_the_cast(&home)?;
    let before = Figures::of(&issuer)?;
    let alice = issuer.login("alice")?;
    issuer.password_grant("alice", "not-her-password").send()?.expect(400)?;
    for _ in 0..2 {
        issuer.tokens(&issuer.refresh_grant(alice.refresh()?))?;
    }

    let after = Figures::of(&issuer)?;

    for (series, more) in [
        ("auth_attempts_total{result=\"success\"}", 3.0),
        ("auth_attempts_total{result=\"wrong_password\"}", 1.0),
        ("tokens_generated_total{type=\"access\"}", 3.0),
        ("tokens_generated_total{type=\"refresh\"}", 3.0),
        ("keystone_refreshes_total{outcome=\"rotated\"}", 1.0),
        ("keystone_refreshes_total{outcome=\"repeated\"}", 1.0),
        ("http_requests_total{method=\"POST\",endpoint=\"/auth/token\",status=\"200\"}", 3.0),
        ("http_request_duration_seconds_count{method=\"POST\",endpoint=\"/auth/token\"}", 4.0),
    ] {
        ensure!(after.of_series(series)? - before.of_series(series)? == more, "{series} in\n{}", after.0);
    }
    for name in ["alice", cast::APP, "demo-setup", "127.0.0.1", "orders"] {
        ensure!(!after.0.contains(name), "{name} in\n{}", after.0);
    }
    // Searched for secrets with the logs, at the end of the run.
    fs::write(home.directory.join("metrics.log"), &after.0)?;
    issuer.site.get("/metrics").send()?.expect(404).map(drop)
}

fn every_line_about_a_request_carries_the_number_its_client_got(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("numbers", |settings| settings.sections = "log = \"trace\"".to_owned())?;
    let issuer = serving_the_cast(&home)?;
    let refused = issuer.password_grant("alice", "not-her-password").header("x-request-id", "of-my-own");
    let number = refused.send()?.expect(400)?.header("x-request-id").context("no number")?;
    ensure!(number.len() == 16 && number != "of-my-own", "{number}");

    let lines = logged(&issuer)?;

    let told: Vec<_> =
        lines.iter().filter(|line| line.pointer("/span/id") == Some(&number.clone().into())).collect();
    let says =
        |message: &str| told.iter().any(|line| line.pointer("/fields/message") == Some(&message.into()));
    ensure!(says("token request refused") && says("answered"), "{told:?}");
    let stray = lines.iter().find(|line| {
        line.pointer("/fields/message") == Some(&"token request refused".into()) && line.get("span").is_none()
    });
    ensure!(stray.is_none(), "{stray:?}");
    Ok(())
}

/// B-13: line breaks, terminal escapes and JSON's own characters, wherever a client can put them.
fn what_a_client_sends_cannot_forge_a_line(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("forgery", |settings| settings.sections = "log = \"trace\"".to_owned())?;
    let issuer = serving_the_cast(&home)?;
    let forged = "x\r\n{\"forged\":true}\n\u{1b}[2J\"},\"forged\":{\"";
    let fields = [("grant_type", "password"), ("username", forged), ("password", forged), ("scope", forged)];
    issuer.token(&fields).send()?.expect(400)?;
    issuer.token(&[(forged, "x")]).send()?.expect(400)?;
    issuer.token(&[("grant_type", forged), ("client_id", forged)]).send()?.expect(400)?;
    issuer.client_grant(forged, forged).send()?.expect(401)?;
    let headers =
        [("user-agent", "x\",\"forged\":\""), ("traceparent", "forged\"}"), ("x-request-id", "forged")];
    let strange = issuer.site.get("/%0d%0a%7B%22forged%22:1%7D?forged=%1b%5b2J");
    headers
        .iter()
        .fold(strange, |request, (name, value)| request.header(name, *value))
        .send()?
        .expect(404)?;
    issuer.site.get("/users/me").bearer("forged.forged.forged").send()?.expect(401)?;

    let lines = logged(&issuer)?;

    let forgery = lines.iter().find(|line| line.to_string().contains("forged"));
    ensure!(forgery.is_none(), "{forgery:?}");
    Ok(())
}

/// Every line is one JSON object.
fn logged(issuer: &Issuer) -> Result<Vec<Value>> {
    let text = fs::read_to_string(issuer.process.log())?;
    ensure!(!text.contains('\u{1b}'), "a terminal escape in the log");
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

struct Figures(String);

impl Figures {
    fn of(issuer: &Issuer) -> Result<Self> {
        Ok(Self(issuer.operations.get("/metrics").send()?.expect(200)?.text()))
    }

    /// Returns the value of a series; zero if it does not exist yet.
    fn of_series(&self, series: &str) -> Result<f64> {
        let figure = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(figure.unwrap_or("0").parse()?)
    }
}

fn the_log_names_a_refusals_code_and_no_polls(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("polls", |_| ())?;
    let issuer = serving_the_cast(&home)?;
    let alice = issuer.login("alice")?;

    issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?;
    issuer.site.get("/users/me").bearer(&alice.access).send()?;
    issuer.site.get("/nowhere").send()?.expect(404)?;

    wait::until("the refusal in the log", Duration::from_secs(10), || {
        Ok(!lines_below(&home.directory, "\"code\":\"not_found\"")?.is_empty())
    })?;
    let polls = lines_below(&home.directory, "\"route\":\"/.well-known/")?;
    ensure!(polls.is_empty(), "{polls:?}");
    Ok(())
}
