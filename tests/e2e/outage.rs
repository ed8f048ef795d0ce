//! Outages: what is not the caller's fault is 503, never 401, and Redis may be lost at any moment.

use std::time::Duration;

use anyhow::{Result, ensure};
use keystone_tests::envoy::{Envoy, Setup};
use keystone_tests::issuer::Issuer;
use keystone_tests::stack::Backends;
use keystone_tests::{cast, ports, wait};

use crate::lab::{Alone, Lab, promises, serving_the_cast};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    a_frozen_database_means_503_until_it_thaws,
    a_stopped_database_means_503,
    a_lost_answer_is_given_again_after_a_longer_outage,
    a_lost_answer_is_given_again_after_a_longer_stop,
    logins_and_refreshes_survive_the_loss_of_redis,
    keys_out_of_reach_mean_503_not_401,
];

/// B-15
fn a_frozen_database_means_503_until_it_thaws(lab: &Lab) -> Result<()> {
    let (backends, issuer) = on_postgres(lab, "frozen", "")?;
    let alice = issuer.login("alice")?;

    backends.postgres.process.freeze()?;
    unavailable(&issuer, alice.refresh()?)?;
    backends.postgres.process.thaw()?;

    let back = || Ok(issuer.login("alice").is_ok());
    wait::until("logins after the database thawed", Duration::from_secs(30), back)
}

/// B-15
fn a_stopped_database_means_503(lab: &Lab) -> Result<()> {
    let (mut backends, issuer) = on_postgres(lab, "stopped", "")?;
    let alice = issuer.login("alice")?;

    backends.postgres.process.stop();

    unavailable(&issuer, alice.refresh()?)?;
    issuer.operations.get("/health/live").send()?.expect(200)?;
    let ready = || Ok(issuer.operations.get("/health/ready").send()?.status == 503);
    wait::until("the issuer to say that it is not ready", Duration::from_secs(30), ready)
}

/// The answer to a refresh is lost, and the database is away for longer than `sessions.grace`.
fn a_lost_answer_is_given_again_after_a_longer_outage(lab: &Lab) -> Result<()> {
    let (backends, issuer) = on_postgres(lab, "lost-answer", "[sessions]\ngrace = 1")?;
    let alice = issuer.login("alice")?;
    let lost = issuer.tokens(&issuer.refresh_grant(alice.refresh()?))?;

    backends.postgres.process.freeze()?;
    // Two requests, each given up after two seconds.
    unavailable(&issuer, alice.refresh()?)?;
    backends.postgres.process.thaw()?;

    let mut answer = issuer.refresh_grant(alice.refresh()?).send()?;
    wait::until("refreshes after the database thawed", Duration::from_secs(30), || {
        answer = issuer.refresh_grant(alice.refresh()?).send()?;
        Ok(answer.status != 503)
    })?;
    let again = issuer.received(&answer.expect(200)?)?;
    ensure!(again.refresh()? == lost.refresh()?, "another successor");
    issuer.tokens(&issuer.refresh_grant(again.refresh()?)).map(drop)
}

/// The same where the only issuer was away: what is known about that must outlive it.
fn a_lost_answer_is_given_again_after_a_longer_stop(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("long-stop", |_| ())?;
    let mut issuer = serving_the_cast(&home)?;
    let alice = issuer.login("alice")?;
    let lost = issuer.tokens(&issuer.refresh_grant(alice.refresh()?))?;

    issuer.process.kill()?;
    // Ten minutes.
    home.ask(
        "UPDATE refresh_tokens SET rotated_at = rotated_at - 600000, last_used_at = last_used_at - 600000",
    )?;
    home.ask("UPDATE liveness SET reported_at = reported_at - 600000, due_at = due_at - 600000")?;
    let issuer = home.serve()?;

    let again = issuer.tokens(&issuer.refresh_grant(alice.refresh()?))?;
    ensure!(again.refresh()? == lost.refresh()?, "another successor");
    issuer.tokens(&issuer.refresh_grant(again.refresh()?)).map(drop)
}

/// B-14
fn logins_and_refreshes_survive_the_loss_of_redis(lab: &Lab) -> Result<()> {
    let (mut backends, issuer) = on_postgres(lab, "no-redis", "")?;
    let before = issuer.login("alice")?;

    backends.redis.process.stop();

    issuer.login("alice")?;
    issuer.tokens(&issuer.refresh_grant(before.refresh()?))?;
    let metrics = issuer.operations.get("/metrics").send()?.expect(200)?.text();
    ensure!(metrics.contains("\nkeystone_redis_fallbacks_total "), "{metrics}");
    ensure!(!metrics.contains("\nkeystone_redis_fallbacks_total 0\n"), "{metrics}");
    issuer.operations.get("/health/ready").send()?.expect(200).map(drop)
}

fn keys_out_of_reach_mean_503_not_401(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("no-keys", |_| ())?;
    let issuer = serving_the_cast(&home)?;
    let setup = Setup {
        listen: ports::free()?,
        policy: cast::policy(&issuer.site.url("")).to_string(),
        orders: ports::free()?,
        issuer: ports::free()?,
    };
    let envoy = Envoy::start(&lab.tools, &home.directory.join("envoy"), &setup, &lab.ledger)?;
    let alice = issuer.login("alice")?;

    let answer = envoy.site.get("/orders").bearer(&alice.access).send()?.expect(503)?;

    assert_eq!(answer.reason().as_deref(), Some("keys_unavailable"));
    ensure!(answer.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()), "no Retry-After");
    ensure!(answer.header("www-authenticate").is_none(), "a challenge would send the caller to log in again");
    envoy.site.get("/orders").send()?.expect(401).map(drop)
}

/// Starts an issuer with the fixtures on servers of its own.
pub(crate) fn on_postgres(lab: &Lab, name: &str, sections: &str) -> Result<(Backends, Issuer)> {
    let (backends, home) =
        lab.issuer_home_on_postgres(name, |settings| settings.sections = sections.to_owned())?;
    let issuer = serving_the_cast(&home)?;
    Ok((backends, issuer))
}

/// Every grant that needs the store says "try again", as RFC 9110 §15.6.4 has it.
pub(crate) fn unavailable(issuer: &Issuer, refresh: &str) -> Result<()> {
    let login = issuer.password_grant("alice", cast::password("alice")?);
    for request in [login, issuer.refresh_grant(refresh)] {
        let answer = request.send()?.expect(503)?;
        assert_eq!(answer.member("error")?, "temporarily_unavailable");
        ensure!(
            answer.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()),
            "no Retry-After"
        );
    }
    Ok(())
}
