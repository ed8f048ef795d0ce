//! Nothing is forgotten by a restart.

use anyhow::{Result, ensure};
use keystone_tests::issuer::Issuer;
use keystone_tests::stack::{Plan, Stack, Store};
use serde_json::Value;

use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![a_second_start_finds_its_data];

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

fn published_keys(issuer: &Issuer) -> Result<Value> {
    issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?.json()
}
