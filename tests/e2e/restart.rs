//! Nothing is forgotten by a restart, and two issuers on one database are one.

use anyhow::{Result, ensure};
use keystone_tests::issuer::{Home, Issuer};
use keystone_tests::stack::{Backends, Plan, Stack, Store};

use serde_json::Value;

use crate::lab::{Alone, Lab, promises, serving_the_cast};
use crate::refresh::one_successor;

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    a_second_start_finds_its_data,
    two_issuers_on_one_database_are_one,
    two_issuers_asked_at_once_give_the_one_successor,
];

fn a_second_start_finds_its_data(lab: &Lab) -> Result<()> {
    let plan = Plan::for_tests(Store::Sqlite, &lab.directory("second-start")?)?;
    let first = Stack::start(&lab.tools, &plan, &lab.ledger)?;
    ensure!(!first.found);
    let alice = first.issuer.login("alice")?;
    let keys = published_keys(&first.issuer)?;
    drop(first);

    let second = Stack::start(&lab.tools, &plan, &lab.ledger)?;

    ensure!(second.found);
    assert_eq!(published_keys(&second.issuer)?, keys);
    second.envoy.site.get("/orders").bearer(&alice.access).send()?.expect(200)?;
    second.issuer.tokens(&second.issuer.refresh_grant(alice.refresh()?))?;
    second.issuer.login("alice")?;
    Ok(())
}

fn two_issuers_on_one_database_are_one(lab: &Lab) -> Result<()> {
    let (_backends, _, [first, second]) = two_issuers(lab, "two")?;

    assert_eq!(published_keys(&first)?, published_keys(&second)?);
    let alice = first.login("alice")?;
    let refreshed = second.tokens(&second.refresh_grant(alice.refresh()?))?;
    first.tokens(&first.refresh_grant(refreshed.refresh()?))?;
    second.refresh_grant(alice.refresh()?).send()?.expect(400).map(drop)
}

fn two_issuers_asked_at_once_give_the_one_successor(lab: &Lab) -> Result<()> {
    let (_backends, home, [first, second]) = two_issuers(lab, "at-once")?;
    let alice = first.login("alice")?;

    let successor = one_successor(&[&first, &second], alice.refresh()?)?;

    assert_eq!(home.ask("SELECT generation FROM refresh_tokens")?, "1");
    second.tokens(&second.refresh_grant(&successor)).map(drop)
}

/// The cast, and two issuers with one name in front of it.
fn two_issuers(lab: &Lab, name: &str) -> Result<(Backends, Home, [Issuer; 2])> {
    let backends = Backends::start(&lab.tools, &lab.directory(&format!("{name}-backends"))?, &lab.ledger)?;
    let database = backends.postgres.database("keystone")?;
    // Opening a connection takes an unoptimised build longer than many questions.
    let sections = "[database]\nmax_connections = 4\n";
    let one = lab.issuer_home(&format!("{name}-one"), |settings| {
        settings.database_url = Some(database.clone());
        settings.redis_url = Some(backends.redis.url.clone());
        settings.sections = sections.to_owned();
    })?;
    let two = lab.issuer_home(&format!("{name}-two"), |settings| {
        settings.database_url = Some(database.clone());
        settings.redis_url = Some(backends.redis.url.clone());
        settings.sections = sections.to_owned();
        settings.issuer = Some(one.url());
        settings.data_directory = Some(one.directory.join("data"));
    })?;
    one.migrate()?;
    let issuers = [serving_the_cast(&one)?, two.serve()?];
    Ok((backends, one, issuers))
}

fn published_keys(issuer: &Issuer) -> Result<Value> {
    issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?.json()
}
