//! Nothing is forgotten by a restart, and two issuers on one database are one.

use anyhow::{Result, ensure};
use keystone_tests::issuer::Issuer;
use keystone_tests::stack::{Backends, Plan, Stack, Store};

use serde_json::Value;

use crate::lab::{Alone, Lab, promises, serving_the_cast};

pub(crate) const PROMISES: &[(&str, Alone)] =
    promises![a_second_start_finds_its_data, two_issuers_on_one_database_are_one];

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
    let backends = Backends::start(&lab.tools, &lab.directory("two-backends")?, &lab.ledger)?;
    let database = backends.postgres.database("keystone")?;
    let one = lab.issuer_home("one", |settings| {
        settings.database_url = Some(database.clone());
        settings.redis_url = Some(backends.redis.url.clone());
    })?;
    let two = lab.issuer_home("two", |settings| {
        settings.database_url = Some(database.clone());
        settings.redis_url = Some(backends.redis.url.clone());
        settings.issuer = Some(one.url());
        settings.data_directory = Some(one.directory.join("data"));
    })?;
    one.migrate()?;
    let first = serving_the_cast(&one)?;
    let second = two.serve()?;

    assert_eq!(published_keys(&first)?, published_keys(&second)?);
    let alice = first.login("alice")?;
    let refreshed = second.tokens(&second.refresh_grant(alice.refresh()?))?;
    first.tokens(&first.refresh_grant(refreshed.refresh()?))?;
    second.refresh_grant(alice.refresh()?).send()?.expect(400).map(drop)
}

fn published_keys(issuer: &Issuer) -> Result<Value> {
    issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?.json()
}
