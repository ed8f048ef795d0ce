//! TLS by the issuer itself: asked by curl, renewed while it runs, never replaced by what does not work.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use keystone_tests::issuer::Home;
use keystone_tests::ledger::lines_below;
use keystone_tests::program::Program;
use keystone_tests::wait;
use rustix::process::Signal;

use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    https_is_answered_and_a_renewed_certificate_needs_no_restart,
    a_key_of_another_certificate_is_refused_at_start,
    a_key_on_one_line_is_refused_and_not_repeated,
    sighup_without_a_certificate_ends_nothing,
    production_without_tls_is_refused_at_start,
];

fn https_is_answered_and_a_renewed_certificate_needs_no_restart(lab: &Lab) -> Result<()> {
    let home = secured(lab, "tls")?;
    make_pair(&home, "first")?;
    install(&home, ["first.crt", "first.key"])?;
    make_pair(&home, "second")?;
    let issuer = home.serve()?;

    for (options, version) in [
        (["--http2", "--tlsv1.3"], "2"),
        (["--http1.1", "--tls-max=1.3"], "1.1"),
        (["--http2", "--tls-max=1.2"], "2"),
    ] {
        assert_eq!(ask(&home, "first.crt", &options)?, format!("200 {version}"));
    }
    assert_eq!(issuer.operations.get("/health/live").send()?.status, 200, "health is asked over plain HTTP");

    install(&home, ["second.crt", "first.key"])?;
    issuer.process.signal(Signal::HUP)?;
    let told = || Ok(!lines_below(&home.directory, "reloading the certificate failed")?.is_empty());
    wait::until("a word about the pair that does not fit", PATIENCE, told)?;
    assert_eq!(ask(&home, "first.crt", &[])?, "200 2");

    // Nobody says so: the files are looked at.
    install(&home, ["second.crt", "second.key"])?;
    let renewed = || Ok(ask(&home, "second.crt", &[]).is_ok_and(|answer| answer == "200 2"));
    wait::until("the renewed certificate", PATIENCE, renewed)?;
    ensure!(ask(&home, "first.crt", &[]).is_err(), "the old certificate is still there");
    Ok(())
}

fn a_key_of_another_certificate_is_refused_at_start(lab: &Lab) -> Result<()> {
    let home = secured(lab, "tls-mismatch")?;
    make_pair(&home, "first")?;
    make_pair(&home, "second")?;
    install(&home, ["first.crt", "second.key"])?;

    let finished = home.command(&["serve"])?;

    assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
    let why = "the private key in tls.key does not belong to the first certificate in tls.crt";
    ensure!(finished.stderr.contains(why), "{}", finished.stderr);
    Ok(())
}

fn a_key_on_one_line_is_refused_and_not_repeated(lab: &Lab) -> Result<()> {
    let home = secured(lab, "tls-one-line")?;
    make_pair(&home, "first")?;
    install(&home, ["first.crt", "first.key"])?;
    let key = fs::read_to_string(home.directory.join("tls.key"))?;
    fs::write(home.directory.join("tls.key"), key.replace('\n', ""))?;

    for command in ["serve", "doctor"] {
        let finished = home.command(&[command])?;

        assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
        let said = format!("{}{}", finished.stdout, finished.stderr);
        ensure!(said.contains("tls.key cannot be read as PEM: a `-----BEGIN"), "{said}");
        let secret = key.lines().nth(1).unwrap_or_default();
        let numbers = format!("{:?}", secret.as_bytes());
        ensure!(
            !said.contains(secret) && !said.contains(numbers.trim_matches(['[', ']'])),
            "repeated the key"
        );
    }
    Ok(())
}

fn sighup_without_a_certificate_ends_nothing(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("sighup", |_| ())?;
    let issuer = home.serve()?;

    issuer.process.signal(Signal::HUP)?;

    let told = || Ok(!lines_below(&home.directory, "SIGHUP ignored")?.is_empty());
    wait::until("a word about the signal", PATIENCE, told)?;
    assert_eq!(issuer.operations.get("/health/ready").send()?.status, 200);
    Ok(())
}

/// P-24
fn production_without_tls_is_refused_at_start(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("no-tls", |settings| {
        settings.issuer = Some("https://id.example.com".to_owned());
        let key = "5e".repeat(32);
        settings.sections = format!("mode = \"production\"\nkey_encryption_key = \"kskek_{key}\"\n");
    })?;

    let finished = home.command(&["serve"])?;

    assert_eq!(finished.code(), Some(2), "{}", finished.stderr);
    for named in ["limits.trusted_proxies", "tls.certificate_file", "tls.key_file"] {
        ensure!(finished.stderr.contains(named), "does not name {named}: {}", finished.stderr);
    }
    Ok(())
}

fn secured(lab: &Lab, name: &str) -> Result<Home> {
    lab.issuer_home(name, |settings| {
        settings.issuer = Some(format!("https://localhost:{}", settings.listen));
        settings.sections = "[tls]\ncertificate_file = \"tls.crt\"\nkey_file = \"tls.key\"\n".to_owned();
    })
}

/// Makes a certificate and its key, as an operator would by hand.
fn make_pair(home: &Home, name: &str) -> Result<()> {
    let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
    Program::new("openssl", Path::new("/usr/bin/openssl"), &home.directory)
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "90",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-out", &certificate, "-keyout", &key])
        .run("", PATIENCE)?
        .succeeded()
        .map(drop)
}

fn install(home: &Home, from: [&str; 2]) -> Result<()> {
    for (from, to) in from.into_iter().zip(["tls.crt", "tls.key"]) {
        fs::copy(home.directory.join(from), home.directory.join(to))?;
    }
    Ok(())
}

/// Status and HTTP version of the key set, for a curl that trusts this certificate only.
fn ask(home: &Home, trusted: &str, options: &[&str]) -> Result<String> {
    Program::new("curl", Path::new("/usr/bin/curl"), &home.directory)
        .args([
            "--silent",
            "--show-error",
            "--output",
            "answer.json",
            "--write-out",
            "%{http_code} %{http_version}",
        ])
        .args(["--cacert", trusted])
        .args(options.iter().flat_map(|option| option.split('=')))
        .arg(format!("https://localhost:{}/.well-known/jwks.json", home.port()))
        .run("", PATIENCE)?
        .succeeded()
}

/// More than two looks at the files.
const PATIENCE: Duration = Duration::from_secs(30);
