//! The first administrator: made once, with a credential that works once.

use anyhow::{Context, Result, ensure};
use keystone_tests::http::{Answer, Request};
use keystone_tests::issuer::Issuer;
use serde_json::{Value, json};

use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] =
    promises![the_first_administrator_is_made_once_and_chooses_a_password];

fn the_first_administrator_is_made_once_and_chooses_a_password(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("bootstrap", |_| ())?;
    let administrator = home.bootstrap()?;
    let one_time = text(&administrator, "one_time_password")?;
    let again = home.command(&["bootstrap", "--json"])?;
    assert_eq!(again.code(), Some(1));
    ensure!(again.stderr.contains("already bootstrapped"), "{}", again.stderr);

    let issuer = home.serve()?;
    let first = issuer.tokens(&console(&issuer, &one_time))?;
    assert_eq!((first.scope.as_str(), &first.refresh), ("keystone:account", &None));
    let token = first.access;
    assert_eq!(console(&issuer, &one_time).send()?.expect(400)?.member("error")?, "invalid_grant");

    let weak = set_password(&issuer, &token, "weak")?;
    ensure!((400..500).contains(&weak.status) && weak.reason().is_some(), "{} {}", weak.status, weak.text());
    lab.ledger.note("Chosen-By-Admin-9");
    let chosen = set_password(&issuer, &token, "Chosen-By-Admin-9")?;
    ensure!((200..300).contains(&chosen.status), "{} {}", chosen.status, chosen.text());
    let tokens = issuer.tokens(&console(&issuer, "Chosen-By-Admin-9"))?;
    ensure!(tokens.scope.contains("keystone:users:write"), "{}", tokens.scope);
    Ok(())
}

fn console(issuer: &Issuer, password: &str) -> Request {
    let fields = [
        ("grant_type", "password"),
        ("client_id", "keystone-console"),
        ("username", "admin"),
        ("password", password),
    ];
    issuer.token(&fields)
}

fn set_password(issuer: &Issuer, token: &str, password: &str) -> Result<Answer> {
    let body = json!({ "new_password": password });
    issuer.site.post("/users/me/password").bearer(token).json(&body).send()
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value.get(name).and_then(Value::as_str).with_context(|| format!("no {name} in {value}"))?.to_owned())
}
