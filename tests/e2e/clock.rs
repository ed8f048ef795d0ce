//! Clocks that were ahead and are right again: nothing waits for as long as they were ahead.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::clock::Clock;
use keystone_tests::envoy::{Setup, Start};
use keystone_tests::key_server::{KeyServer, Reply};
use keystone_tests::token::claims;
use keystone_tests::wait::unix_time;
use keystone_tests::{cast, mint, ports, wait};
use serde_json::Value;

use crate::lab::{Alone, Lab, promises};
use crate::new_vm::{Clocks, Followed};
use crate::soak::upstream;

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    envoy_follows_revocations_again_once_its_clock_is_right,
    envoy_follows_keys_again_once_its_clock_is_right,
    the_issuer_works_on_once_its_clock_is_right,
];

fn envoy_follows_revocations_again_once_its_clock_is_right(lab: &Lab) -> Result<()> {
    for begins_ahead in [false, true] {
        let name = format!("envoy-clock-{begins_ahead}");
        let clock = Clock::new(&lab.tools, &lab.directory(&format!("{name}-file"))?)?;
        clock.set_ahead(if begins_ahead { TWO_HOURS } else { 0 })?;
        let clocks = Clocks { envoy: Some(&clock), ..Clocks::default() };
        let followed = Followed::start_by(lab, &name, 2, clocks)?;
        if !begins_ahead {
            followed.await_acceptance()?;
        }
        let failed = || followed.envoy.statistic("keystone_revocation_pages_total.result.failed");
        let before = failed()?;
        clock.set_ahead(TWO_HOURS)?;
        // Tokens have expired and pages were signed too long ago.
        wait::until("pages to be refused", PATIENCE, || Ok(failed()? >= before + 2))?;
        clock.set_ahead(0)?;

        followed.await_acceptance()?;
        let begun = wait::now();
        followed.revoke()?;

        ensure!(begun.elapsed() < AN_INTERVAL, "it took {:?}", begun.elapsed());
        followed.judges()?;
    }
    Ok(())
}

fn envoy_follows_keys_again_once_its_clock_is_right(lab: &Lab) -> Result<()> {
    for begins_ahead in [false, true] {
        let home = lab.directory(&format!("envoy-clock-keys-{begins_ahead}"))?;
        let clock = Clock::new(&lab.tools, &home)?;
        clock.set_ahead(if begins_ahead { TWO_HOURS } else { 0 })?;
        let keys = KeyServer::start(mint::key_set(&[1]))?;
        let policy = cast::policy(&keys.issuer()).to_string();
        let setup = Setup { listen: ports::free()?, policy, orders: upstream()?, issuer: keys.port };
        let start = Start::new(&lab.tools, &lab.ledger).workers(2).dynamic().clock(&clock);
        let envoy = start.run(&home.join("envoy"), &setup)?;
        let says = |token: &str, code: Option<&str>| {
            let mut answers = (0..40).map(|_| envoy.site.get("/me").bearer(token).send());
            Ok(answers.all(|answer| answer.is_ok_and(|answer| answer.reason().as_deref() == code)))
        };
        let [old, new] = [1, 2].map(|key| mint::token(&keys.issuer(), key, "orders:read"));
        let asked = keys.asked();
        clock.set_ahead(TWO_HOURS)?;
        wait::until("keys to be fetched by the wrong clock", PATIENCE, || {
            Ok(keys.asked() > if begins_ahead { 0 } else { asked })
        })?;
        wait::until("tokens to have expired", PATIENCE, || says(&old, Some("expired")))?;
        keys.answers(Reply::Keys(mint::key_set(&[2])));
        clock.set_ahead(0)?;

        // Nobody asks for the new key, so it is no unknown one that brings the fetch.
        wait::until("the old key to be gone", AN_INTERVAL, || says(&old, Some("unknown_kid")))?;
        wait::until("the new key to be known", AN_INTERVAL, || says(&new, None))?;
    }
    Ok(())
}

fn the_issuer_works_on_once_its_clock_is_right(lab: &Lab) -> Result<()> {
    let clock = Clock::new(&lab.tools, &lab.directory("issuer-clock-file")?)?;
    let clocks = Clocks { issuer: Some(&clock), ..Clocks::default() };
    let followed = Followed::start_by(lab, "issuer-clock", 2, clocks)?;
    followed.await_acceptance()?;
    let issuer = &followed.issuer;
    let session = issuer.login("alice")?;
    clock.set_ahead(TWO_HOURS)?;
    let login = || issuer.password_grant("alice", cast::password("alice")?).send();
    wait::until("a login by the wrong clock", PATIENCE, || {
        let answer = login()?;
        Ok(answer.status == 503 || is_of_the_future(&issuer.received(&answer)?.access)?)
    })?;
    clock.set_ahead(0)?;

    let begun = wait::now();
    wait::until("the issuer to be ready", AN_INTERVAL, || {
        Ok(issuer.operations.get("/health/ready").send()?.status == 200)
    })?;
    wait::until("a login by the right clock", AN_INTERVAL, || Ok(login()?.status == 200))?;
    let next = issuer.tokens(&issuer.refresh_grant(session.refresh()?))?;
    issuer.tokens(&issuer.refresh_grant(next.refresh()?))?;
    followed.revoke()?;
    ensure!(begun.elapsed() < 2 * AN_INTERVAL, "it took {:?}", begun.elapsed());
    followed.judges()
}

fn is_of_the_future(token: &str) -> Result<bool> {
    let issued_at = claims(token)?.get("iat").and_then(Value::as_u64).context("no iat")?;
    Ok(issued_at > unix_time() + 7000)
}

const TWO_HOURS: i64 = 2 * 3600;
/// Well above the second between two pages, and far below two hours.
const AN_INTERVAL: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);
