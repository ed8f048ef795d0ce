//! Any number of issuers on one PostgreSQL and Redis are one issuer, of which any may be lost at any time, as may Redis.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::issuer::{Home, Issuer, Tokens};
use keystone_tests::postgres::Postgres;
use keystone_tests::redis::Redis;
use keystone_tests::sentinel::Sentinels;
use keystone_tests::wait;
use rustix::process::Signal;
use serde_json::Value;

use crate::lab::{Alone, Lab, promises, serving_the_cast};
use crate::load::Load;
use crate::refresh::one_successor;

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    two_issuers_on_one_database_are_one,
    two_issuers_asked_at_once_give_the_one_successor,
    wrong_passwords_count_at_every_issuer,
    what_was_given_up_at_one_issuer_is_of_no_use_at_the_other,
    an_issuer_that_is_killed_under_load_loses_no_session,
    an_issuer_that_is_told_to_stop_under_load_cuts_no_request,
    a_sentinel_fails_over_under_load_without_a_wrong_answer,
    a_redis_that_hangs_under_load_changes_no_answer,
];

fn two_issuers_on_one_database_are_one(lab: &Lab) -> Result<()> {
    let (_redis, pair) = Pair::on_redis(lab, "two")?;

    assert_eq!(published_keys(&pair.first)?, published_keys(&pair.second)?);
    let alice = pair.first.login("alice")?;
    let refreshed = pair.second.tokens(&pair.second.refresh_grant(alice.refresh()?))?;
    pair.first.tokens(&pair.first.refresh_grant(refreshed.refresh()?))?;
    pair.second.refresh_grant(alice.refresh()?).send()?.expect(400).map(drop)
}

fn two_issuers_asked_at_once_give_the_one_successor(lab: &Lab) -> Result<()> {
    let (_redis, pair) = Pair::on_redis(lab, "two-at-once")?;
    let alice = pair.first.login("alice")?;

    let successor = one_successor(&[&pair.first, &pair.second], alice.refresh()?)?;

    assert_eq!(pair.home.ask("SELECT generation FROM refresh_tokens WHERE ended_at IS NULL")?, "1");
    pair.second.tokens(&pair.second.refresh_grant(&successor)).map(drop)
}

fn wrong_passwords_count_at_every_issuer(lab: &Lab) -> Result<()> {
    let (_redis, pair) = Pair::on_redis(lab, "two-limits")?;

    assert_eq!(pair.guesses("nobody", 2 * LIMIT)?, LIMIT);
    pair.first.password_grant("nobody", "guess").send()?.expect(429)?;
    pair.second.password_grant("nobody", "guess").send()?.expect(429).map(drop)
}

fn what_was_given_up_at_one_issuer_is_of_no_use_at_the_other(lab: &Lab) -> Result<()> {
    let (_redis, pair) = Pair::on_redis(lab, "two-given-up")?;
    let both = [&pair.first, &pair.second];
    let alice = pair.first.login("alice")?;
    let listed = pair.home.command(&["keys", "list"])?.succeeded()?;
    let active = listed.lines().find(|line| line.contains("active")).context("no active key")?;
    let leaked = active.split_whitespace().next().context("no kid")?.to_owned();
    // Both know the client.
    for issuer in both {
        issuer.tokens(&issuer.client_grant("steady", &pair.secret))?;
    }

    pair.home.apply(&STEADY.replace("enabled = true", "enabled = false"))?;
    pair.home.command(&["keys", "compromise", &leaked, "--now"])?.succeeded()?;

    for issuer in both {
        let refused = || Ok(issuer.client_grant("steady", &pair.secret).send()?.status == 401);
        wait::until("a disabled client to be refused", Duration::from_secs(3), refused)?;
        let dropped = || Ok(!published_keys(issuer)?.to_string().contains(&leaked));
        wait::until("a leaked key to be dropped", Duration::from_secs(35), dropped)?;
    }
    let [one, two] = [pair.first.login("carol")?.access, pair.second.login("carol")?.access];
    assert_eq!(header(&one), header(&two));
    ensure!(header(&one) != header(&alice.access), "a leaked key signs");
    pair.second.tokens(&pair.second.refresh_grant(alice.refresh()?)).map(drop)
}

fn an_issuer_that_is_killed_under_load_loses_no_session(lab: &Lab) -> Result<()> {
    let (_redis, pair) = Pair::on_redis(lab, "two-killed")?;
    let Pair { first, second, secret, .. } = &pair;
    let mut token = first.login("carol")?.refresh()?.to_owned();
    // As a client behind a load balancer: who does not answer is not asked again.
    let wandering = move || {
        let answer = match first.refresh_grant(&token).send() {
            Ok(answer) => answer,
            Err(_) => second.refresh_grant(&token).send()?,
        };
        token = Tokens::from(&answer.expect(200)?, &lab.ledger)?.refresh()?.to_owned();
        Ok(())
    };

    let load = Load::new().logins(second, "alice").services(second, ("steady", secret)).and(wandering);
    load.during(|load| {
        load.rounds(20)?;
        first.process.signal(Signal::KILL)?;
        load.rounds(20)
    })
}

/// B-19: as in a rolling deployment.
fn an_issuer_that_is_told_to_stop_under_load_cuts_no_request(lab: &Lab) -> Result<()> {
    let redis = Redis::start(&lab.tools, &lab.directory("two-stopped-redis")?, &lab.ledger)?;
    let mut pair = Pair::start(lab, "two-stopped", redis.url.clone(), "drain = 3\n")?;
    let Pair { first, second, secret, .. } = &pair;
    let mut token = first.login("carol")?.refresh()?.to_owned();
    // As a load balancer does it: who says that it is not ready gets no more requests.
    let ready = || {
        let answer = first.operations.get("/health/ready").send();
        if answer.is_ok_and(|answer| answer.status == 200) { first } else { second }
    };
    let logins = || ready().login("alice").map(drop);
    let services = || {
        let issuer = ready();
        issuer.tokens(&issuer.client_grant("steady", secret)).map(drop)
    };
    let refreshes = || {
        let issuer = ready();
        token = issuer.tokens(&issuer.refresh_grant(&token))?.refresh()?.to_owned();
        Ok(())
    };

    Load::new().and(logins).and(services).and(refreshes).during(|load| {
        load.rounds(20)?;
        first.process.signal(Signal::TERM)?;
        let gone = || Ok(first.operations.get("/health/live").send().is_err());
        wait::until("the issuer to stop", Duration::from_secs(30), gone)?;
        load.rounds(20)
    })?;

    let status = pair.first.process.ended(Duration::from_secs(30))?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

fn a_sentinel_fails_over_under_load_without_a_wrong_answer(lab: &Lab) -> Result<()> {
    let redis = Sentinels::start(&lab.tools, &lab.directory("failover-redis")?, &lab.ledger)?;
    let pair = Pair::start(lab, "failover", redis.url.clone(), "")?;
    pair.share_limits()?;

    let load = pair.load()?;
    let guessed = std::cell::Cell::new(0);
    load.during(|load| {
        load.rounds(10)?;
        guessed.set(pair.guesses("mallory", LIMIT / 2)?);
        redis.primary.process.signal(Signal::KILL)?;
        // Not off for a moment: what Redis cannot count, each process does.
        guessed.set(guessed.get() + pair.guesses("mallory", 4 * LIMIT)?);
        redis.failed_over()?;
        pair.share_limits()?;
        guessed.set(guessed.get() + pair.guesses("mallory", 4 * LIMIT)?);
        load.rounds(10)
    })?;

    ensure!(
        guessed.get() <= 4 * LIMIT,
        "{} guesses: once in each Redis and each process at most",
        guessed.get()
    );
    pair.second.password_grant("mallory", "guess").send()?.expect(429)?;
    assert_eq!(pair.guesses("another", 2 * LIMIT)?, LIMIT, "the new primary counts for both");
    Ok(())
}

fn a_redis_that_hangs_under_load_changes_no_answer(lab: &Lab) -> Result<()> {
    let (redis, pair) = Pair::on_redis(lab, "hanging")?;

    pair.load()?.during(|load| {
        load.rounds(10)?;
        redis.process.freeze()?;
        load.rounds(10)?;
        let guesses = pair.guesses("mallory", 4 * LIMIT)?;
        ensure!(guesses <= 2 * LIMIT, "{guesses} guesses: once in each process at most");
        redis.process.thaw()?;
        pair.share_limits()?;
        load.rounds(10)
    })?;
    assert_eq!(pair.guesses("another", 2 * LIMIT)?, LIMIT);
    Ok(())
}

/// Two issuers on one database and one Redis, with the fixtures and a service.
struct Pair {
    first: Issuer,
    second: Issuer,
    home: Home,
    /// The secret of the service `steady`.
    secret: String,
    _postgres: Postgres,
}

impl Pair {
    fn on_redis(lab: &Lab, name: &str) -> Result<(Redis, Self)> {
        let redis = Redis::start(&lab.tools, &lab.directory(&format!("{name}-redis"))?, &lab.ledger)?;
        let pair = Self::start(lab, name, redis.url.clone(), "")?;
        pair.share_limits()?;
        Ok((redis, pair))
    }

    /// `keys`: more of `keystone.toml`.
    fn start(lab: &Lab, name: &str, redis: String, keys: &str) -> Result<Self> {
        let postgres =
            Postgres::start(&lab.tools, &lab.directory(&format!("{name}-postgres"))?, &lab.ledger)?;
        let database = postgres.database("keystone")?;
        let home = lab.issuer_home(name, |settings| {
            settings.database_url = Some(database.clone());
            settings.redis_url = Some(redis.clone());
            settings.sections = format!("{keys}{SETTINGS}");
        })?;
        let other = lab.issuer_home(&format!("{name}-other"), |settings| {
            settings.database_url = Some(database);
            settings.redis_url = Some(redis);
            settings.sections = format!("{keys}{SETTINGS}");
            settings.issuer = Some(home.url());
            settings.data_directory = Some(home.directory.join("data"));
        })?;
        home.migrate()?;
        let first = serving_the_cast(&home)?;
        let applied = home.apply(STEADY)?;
        let secret = applied.pointer("/secrets/steady").and_then(Value::as_str).context("no secret")?;
        Ok(Self { first, second: other.serve()?, secret: secret.to_owned(), home, _postgres: postgres })
    }

    /// Logins, refreshes and services, at both.
    fn load(&self) -> Result<Load<'_>> {
        let Self { first, second, secret, .. } = self;
        let load = Load::new().logins(first, "alice").refreshes(second, "carol")?;
        Ok(load.services(first, ("steady", secret)).services(second, ("steady", secret)))
    }

    /// Waits until both issuers count in Redis.
    fn share_limits(&self) -> Result<()> {
        for issuer in [&self.first, &self.second] {
            let counted =
                || Ok(issuer.operations.get("/health/ready").send()?.text().contains("\"cache\":\"ok\""));
            wait::until("an issuer to count in Redis", Duration::from_secs(60), counted)?;
        }
        Ok(())
    }

    /// So many wrong passwords, at both in turn; the answer is how many of them were looked at.
    fn guesses(&self, name: &str, tries: usize) -> Result<usize> {
        let mut looked_at = 0;
        for turn in 0..tries {
            let issuer = if turn.is_multiple_of(2) { &self.first } else { &self.second };
            let answer = issuer.password_grant(name, "guess").send()?;
            match (answer.status, answer.reason().as_deref()) {
                (400, Some("invalid_grant")) => looked_at += 1,
                (429, _) => {}
                _ => anyhow::bail!("a wrong password: {} {}", answer.status, answer.text()),
            }
        }
        Ok(looked_at)
    }
}

fn published_keys(issuer: &Issuer) -> Result<Value> {
    issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?.json()
}

/// The first part of a token, which differs by nothing but the key's name.
fn header(access_token: &str) -> Option<&str> {
    access_token.split('.').next()
}

/// Wrong passwords for one user from one address.
const LIMIT: usize = 10;
/// Hashes are cheap, and nothing but the one limit is reached.
const SETTINGS: &str = "[limits]\nlogin_attempts = 10\nlogin_window = 600\nuser_attempts = 1000000\naddress_attempts = 1000000\n\n[passwords]\nmemory_kib = 8192\npasses = 1\ndeadline_ms = 30000\n";
const STEADY: &str = r#"
[[clients]]
client_id = "steady"
name = "A service that never stops asking"
enabled = true
grants = ["client_credentials"]
scopes = ["orders:read"]
"#;
