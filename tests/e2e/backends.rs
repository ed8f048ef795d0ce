//! The servers behind an issuer as operators run them: a pooler before PostgreSQL, Redis over TLS.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use keystone_tests::ledger::lines_below;
use keystone_tests::pgbouncer::PgBouncer;
use keystone_tests::postgres::Postgres;
use keystone_tests::program::Program;
use keystone_tests::redis::Redis;
use rustix::process::Signal;

use crate::lab::{Alone, Lab, promises, serving_the_cast};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    a_pooler_in_transaction_mode_is_refused,
    an_issuer_works_through_a_pooler_in_session_mode,
    redis_over_tls_is_trusted_by_a_private_ca,
];

/// Whichever command comes first, and whether the schema is there or not.
fn a_pooler_in_transaction_mode_is_refused(lab: &Lab) -> Result<()> {
    let directory = lab.directory("transaction-pooler")?;
    let postgres = Postgres::start(&lab.tools, &directory.join("postgres"), &lab.ledger)?;
    let database = postgres.database("keystone")?;
    let pooler = PgBouncer::start(&directory.join("pgbouncer"), &database, "transaction")?;
    let home = lab.issuer_home("transaction-pooler-issuer", |_| ())?;
    let pooled = home.on(pooler.url())?;

    for command in ["migrate", "serve", "bootstrap", "doctor"] {
        let finished = pooled.command(&[command])?;

        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert_eq!(finished.code(), Some(1), "{command}: {said}");
        let why = "the connection pooler before the database gives each transaction another connection";
        ensure!(said.contains(why) && said.contains("pool_mode = session"), "{command}: {said}");
    }
    home.on(database)?.migrate()?;
    let serve = home.on(pooler.url())?.command(&["serve"])?;
    ensure!(serve.stderr.contains("set the pooler to session mode"), "{}", serve.stderr);
    Ok(())
}

fn an_issuer_works_through_a_pooler_in_session_mode(lab: &Lab) -> Result<()> {
    let directory = lab.directory("session-pooler")?;
    let postgres = Postgres::start(&lab.tools, &directory.join("postgres"), &lab.ledger)?;
    let pooler = PgBouncer::start(&directory.join("pgbouncer"), &postgres.database("keystone")?, "session")?;
    let home = lab.issuer_home("session-pooler-issuer", |_| ())?.on(pooler.url())?;
    home.migrate()?;

    let issuer = serving_the_cast(&home)?;
    let mut tokens = issuer.login("alice")?;
    for _ in 0..3 {
        tokens = issuer.tokens(&issuer.refresh_grant(tokens.refresh()?))?;
    }
    issuer.process.signal(Signal::TERM)?;
    drop(issuer);
    let again = home.serve()?;

    again.tokens(&again.refresh_grant(tokens.refresh()?))?;
    let report = home.command(&["doctor"])?;
    assert_eq!(report.code(), Some(0), "{}", report.stdout);
    Ok(())
}

fn redis_over_tls_is_trusted_by_a_private_ca(lab: &Lab) -> Result<()> {
    let directory = lab.directory("private-ca")?;
    make_certificates(&directory)?;
    let redis = Redis::start_with_tls(&lab.tools, &directory, &lab.ledger)?;
    let home =
        lab.issuer_home("private-ca-issuer", |settings| settings.redis_url = Some(redis.url.clone()))?;
    let ca = directory.join("ca.crt").display().to_string();
    let trusting = home.clone().with_environment("SSL_CERT_FILE", ca);

    let report = home.command(&["doctor"])?;
    ensure!(report.stdout.contains("UnknownIssuer"), "the machine trusts the CA: {}", report.stdout);
    ensure!(report.stdout.contains("SSL_CERT_FILE"), "{}", report.stdout);
    let report = trusting.command(&["doctor"])?;
    ensure!(report.stdout.contains("ok       redis               answers"), "{}", report.stdout);

    let issuer = trusting.serve()?;
    issuer.password_grant("nobody", "guess").send()?;
    let ready = issuer.operations.get("/health/ready").send()?.expect(200)?.json()?;
    assert_eq!(ready.get("cache"), Some(&"ok".into()), "{ready}");
    assert_eq!(lines_below(&home.directory, "redis is unavailable")?.len(), 0);
    Ok(())
}

/// A CA that no machine knows, and what it signed for a server called `localhost`.
fn make_certificates(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    let make = |name: &str, more: &[&str]| {
        Program::new("openssl", Path::new("openssl"), directory)
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-days", "90", "-out", &format!("{name}.crt"), "-keyout", &format!("{name}.key")])
            .args(more.iter().copied())
            .run("", Duration::from_secs(30))?
            .succeeded()
    };
    make("ca", &["-subj", "/CN=A private CA"])?;
    let by_the_ca = ["-CA", "ca.crt", "-CAkey", "ca.key", "-subj", "/CN=localhost"];
    let of_a_server = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"];
    make("redis", &[by_the_ca.as_slice(), &of_a_server].concat()).map(drop)
}
