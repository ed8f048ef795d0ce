//! Commands for operators: `doctor`, `explain`, and `apply` as a dry run.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use keystone_tests::cast;
use keystone_tests::issuer::{Home, Settings};
use keystone_tests::postgres::Postgres;
use keystone_tests::stack::Stack;
use rustix::process::getuid;
use serde_json::{Value, json};

use crate::faults::set_immutable;
use crate::lab::{Alone, Lab, OnStack, promises, serving_the_cast};

pub(crate) const PROMISES: &[(&str, OnStack)] = promises![
    doctor_finds_nothing_wrong_with_an_issuer_that_serves,
    explain_follows_a_session_from_its_login_to_its_end,
    explain_knows_whose_a_client_secret_is,
    explain_repeats_nothing_usable,
];

pub(crate) const ALONE: &[(&str, Alone)] = promises![
    apply_says_what_it_would_do_and_then_does_that,
    doctor_changes_nothing_before_the_first_start,
    doctor_asks_the_issuer_itself_behind_split_dns,
    doctor_says_what_to_do_about_each_thing_that_is_wrong,
    doctor_says_that_a_database_takes_no_changes,
];

fn doctor_finds_nothing_wrong_with_an_issuer_that_serves(stack: &Stack) -> Result<()> {
    let report = doctor(&stack.home, Some(0))?;

    for (check, says) in [
        ("database", if stack.backends.is_some() { "PostgreSQL " } else { "SQLite 3." }),
        ("schema", "up to date"),
        ("redis", if stack.backends.is_some() { "answers" } else { "not configured" }),
        ("key-encryption key", "decrypts all 6 secrets"),
        ("set-up", "1 administrator"),
        ("listeners", "an issuer is listening on `listen`"),
        ("listeners", "an issuer is listening on `operations_listen`"),
        ("issuer URL", "responds as expected"),
        ("published keys", "has every key that signs or is due to sign"),
    ] {
        found(&report, check, "ok", says)?;
    }
    Ok(())
}

fn explain_follows_a_session_from_its_login_to_its_end(stack: &Stack) -> Result<()> {
    let first = stack.issuer.login("alice")?;
    let access = explained(&stack.home, &["--audience", cast::AUDIENCE], &first.access, true)?;
    for (check, says) in [
        ("key", "active"),
        ("signature", ""),
        ("exp", "expires in"),
        ("audience", "orders"),
        ("subject", "alice"),
        ("session", "open"),
        ("user scopes", "orders:read"),
    ] {
        checked(&access, check, "passed", says)?;
    }
    assert_eq!(access.pointer("/claims/client_id"), Some(&cast::APP.into()));

    let elsewhere = explained(&stack.home, &["--audience", "elsewhere"], &first.access, false)?;
    assert_eq!(elsewhere.get("code"), Some(&"audience".into()));
    checked(&elsewhere, "exp", "not_reached", "expires in")?;
    let forged = format!("{}AAAA", first.access.trim_end_matches(|letter| letter != '.'));
    let forged = explained(&stack.home, &[], &forged, false)?;
    assert_eq!(forged.get("code"), Some(&"signature".into()));
    ensure!(forged.get("claims").is_none(), "{forged}");

    let refresh = first.refresh()?;
    checked(&explained(&stack.home, &[], refresh, true)?, "generation", "passed", "latest")?;
    let second = stack.issuer.tokens(&stack.issuer.refresh_grant(refresh))?;
    stack.issuer.tokens(&stack.issuer.refresh_grant(second.refresh()?))?;
    let reuse = explained(&stack.home, &[], refresh, false)?;
    assert_eq!(reuse.get("code"), Some(&"reused".into()));
    checked(&reuse, "generation", "failed", "would end the session")?;
    // Asking was no use of it.
    explained(&stack.home, &[], &second.access, true)?;

    stack.issuer.site.post("/auth/logout").bearer(&second.access).send()?;
    let ended = explained(&stack.home, &[], &second.access, false)?;
    assert_eq!(ended.get("code"), Some(&"revoked".into()));
    checked(&ended, "session", "failed", "logged_out")?;
    assert_eq!(explained(&stack.home, &[], second.refresh()?, false)?.get("code"), Some(&"ended".into()));
    Ok(())
}

fn explain_knows_whose_a_client_secret_is(stack: &Stack) -> Result<()> {
    let explained_secret = explained(&stack.home, &[], stack.secret("fulfilment")?, true)?;
    checked(&explained_secret, "client", "passed", "fulfilment")?;
    let retired = explained(&stack.home, &[], stack.secret("retired")?, false)?;
    checked(&retired, "client", "failed", "disabled")?;

    let secret = stack.secret("fulfilment")?;
    let token = stack.issuer.tokens(&stack.issuer.client_grant("fulfilment", secret))?;
    checked(&explained(&stack.home, &[], &token.access, true)?, "client scopes", "passed", "orders:write")
}

fn explain_repeats_nothing_usable(stack: &Stack) -> Result<()> {
    let alice = stack.issuer.login("alice")?;
    let signature = alice.access.rsplit_once('.').context("no signature")?.1;
    let secrets = [alice.access.as_str(), alice.refresh()?, stack.secret("fulfilment")?];

    for secret in secrets {
        for format in [&["explain"][..], &["explain", "--json"]] {
            let said = stack.home.command_reading(format, secret)?;
            let said = format!("{}{}", said.stdout, said.stderr);
            ensure!(!said.contains(secret) && !said.contains(signature), "repeated a secret");
        }
        let on_the_command_line = stack.home.command(&["explain", secret])?;
        assert_eq!(on_the_command_line.code(), Some(1));
        ensure!(!on_the_command_line.stderr.contains(secret), "repeated a secret");
        ensure!(on_the_command_line.stderr.contains("standard input"), "{}", on_the_command_line.stderr);
    }
    Ok(())
}

fn apply_says_what_it_would_do_and_then_does_that(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("rehearsal-sqlite", |_| ())?;
    rehearse_and_apply(&home)?;
    let (_backends, home) = lab.issuer_home_on_postgres("rehearsal-postgres", |_| ())?;
    rehearse_and_apply(&home)
}

fn rehearse_and_apply(home: &Home) -> Result<()> {
    let issuer = serving_the_cast(home)?;
    let alice = issuer.login("alice")?;
    fs::write(home.directory.join("less.toml"), LESS)?;
    let apply = |flags: &[&str]| -> Result<Value> {
        let said =
            home.command(&[&["apply", "less.toml", "--prune", "--json"], flags].concat())?.succeeded()?;
        serde_json::from_str(&said).context("apply said something that is not JSON")
    };

    let mut planned = apply(&["--dry-run"])?;
    explained(home, &[], &alice.access, true)?;
    let words = home.command(&["apply", "less.toml", "--prune", "--dry-run"])?.succeeded()?;
    ensure!(words.contains("would delete role customer, which 1 user held"), "{words}");
    ensure!(words.ends_with("changes would be made (dry run)\n"), "{words}");
    ensure!(words.contains("would create client new") && !words.contains("kscs_"), "{words}");

    let homeless = home.command(&["apply", "less.toml", "--prune", "--json"])?;
    ensure!(homeless.code() == Some(1) && homeless.stdout.is_empty(), "{}", homeless.stdout);
    ensure!(homeless.stderr.contains("--secrets DIR"), "{}", homeless.stderr);
    assert_eq!(apply(&["--dry-run"])?, planned, "a refused run changed something");
    let applied = apply(&["--secrets", "secrets"])?;
    assert_eq!(applied.pointer("/secrets"), Some(&json!({})));
    assert_eq!(applied.pointer("/secret_files/new"), Some(&json!("secrets/new.secret")));
    let secret = fs::read_to_string(home.directory.join("secrets/new.secret"))?;
    issuer.tokens(&issuer.client_grant("new", secret.trim()))?;
    let plan = planned.as_object_mut().context("no plan")?;
    for (member, value) in
        plan.iter().filter(|(member, _)| !["dry_run", "secrets", "secret_files"].contains(&member.as_str()))
    {
        assert_eq!(Some(value), applied.get(member), "{member}");
    }
    let revoked = explained(home, &[], &alice.access, false)?;
    checked(&revoked, "user scopes", "failed", "no longer held: orders:read")?;
    assert_eq!(apply(&["--dry-run"])?.get("changes"), Some(&0.into()));

    fs::write(
        home.directory.join("wrong.toml"),
        "[[roles]]\nname = \"x\"\nscopes = [\"orders:read\", \"gone\"]\n",
    )?;
    let wrong = home.command(&["apply", "wrong.toml", "--prune"])?;
    assert_eq!(wrong.code(), Some(1));
    ensure!(wrong.stderr.contains("wrong.toml: role `x`: scope `gone` is neither"), "{}", wrong.stderr);
    let piped = home.command_reading(&["apply", "-", "--prune", "--dry-run"], LESS)?.succeeded()?;
    assert_eq!(piped, "no changes; everything is as declared\n");
    let wrong = home.command_reading(&["apply", "-"], "[[roles]]\nnam = 1\n")?;
    ensure!(wrong.stderr.contains("standard input: line 2: unknown field `nam`"), "{}", wrong.stderr);
    Ok(())
}

/// The fixtures without the customers, with another app.
const LESS: &str = r#"
[[scopes]]
name = "orders:read"
description = "See orders"
resource = "orders"

[[roles]]
name = "clerk"
scopes = ["orders:read"]

[[clients]]
client_id = "new"
name = "Another service"
grants = ["client_credentials"]
scopes = ["orders:read"]
"#;

fn doctor_changes_nothing_before_the_first_start(lab: &Lab) -> Result<()> {
    let home = lab.issuer_home("doctor-first", |_| ())?;
    let report = doctor(&home, Some(0))?;
    found(&report, "database", "warning", "`keystone serve` creates it")?;
    found(&report, "clock", "skipped", "database")?;
    found(&report, "listeners", "ok", "no issuer is running here")?;
    found(&report, "issuer URL", "warning", "start an issuer")?;
    ensure!(!home.directory.join("data").exists(), "the doctor made the data directory");

    fs::write(home.directory.join("apply.toml"), LESS)?;
    let early = home.command(&["apply", "apply.toml", "--dry-run"])?;
    ensure!(early.code() == Some(1) && early.stderr.contains("no database yet"), "{}", early.stderr);
    ensure!(!home.directory.join("data").exists(), "the rehearsal made the data directory");
    Ok(())
}

fn doctor_says_what_to_do_about_each_thing_that_is_wrong(lab: &Lab) -> Result<()> {
    let postgres = Postgres::start(&lab.tools, &lab.directory("doctor-postgres")?, &lab.ledger)?;
    let url = postgres.database("doctor")?;
    let home =
        |name: &str, change: &dyn Fn(&mut Settings)| lab.issuer_home(name, |settings| change(settings));
    let on = |settings: &mut Settings, url: &str| settings.database_url = Some(url.to_owned());

    let nobody = home("doctor-nobody", &|settings| on(settings, "postgres://keystone@127.0.0.1:1/keystone"))?;
    found(&doctor(&nobody, Some(1))?, "database", "failed", "start PostgreSQL there")?;
    let stranger = url.replace("keystone:", "keystone:not-");
    let stranger = home("doctor-stranger", &|settings| on(settings, &stranger))?;
    found(&doctor(&stranger, Some(1))?, "database", "failed", "correct the user or the password")?;
    let nowhere = home("doctor-nowhere", &|settings| on(settings, &format!("{url}-gone")))?;
    found(&doctor(&nowhere, Some(1))?, "database", "failed", "create the database")?;

    let half = home("doctor-half", &|settings| {
        on(settings, &url);
        settings.redis_url = Some("redis://127.0.0.1:1".to_owned());
    })?;
    found(&doctor(&half, Some(1))?, "schema", "failed", "run `keystone migrate`")?;
    half.migrate()?;
    let report = doctor(&half, Some(1))?;
    found(&report, "redis", "failed", "each issuer counts attempts on its own")?;
    found(&report, "set-up", "warning", "run `keystone bootstrap`")?;
    drop(half.serve()?);

    let key = format!("key_encryption_key = \"kskek_{}\"", "5a".repeat(32));
    let other_key = home("doctor-other-key", &|settings| {
        on(settings, &url);
        settings.sections = key.clone();
    })?;
    fs::set_permissions(other_key.directory.join("keystone.toml"), fs::Permissions::from_mode(0o644))?;
    let report = doctor(&other_key, Some(1))?;
    found(&report, "key-encryption key", "failed", "set the key that this database was set up with")?;
    found(&report, "secret files", "warning", "chmod 600 keystone.toml")?;

    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let port = taken.local_addr()?.port();
    let crowded = home("doctor-crowded", &|settings| settings.listen = port)?;
    found(&doctor(&crowded, Some(1))?, "listeners", "failed", "another program is listening on `listen`")?;
    let typo = home("doctor-typo", &|settings| settings.sections = "lissten = 1".to_owned())?;
    found(&doctor(&typo, Some(1))?, "configuration", "failed", "did you mean `listen`?").map(drop)
}

fn doctor_says_that_a_database_takes_no_changes(lab: &Lab) -> Result<()> {
    let postgres = Postgres::start(&lab.tools, &lab.directory("read-only-postgres")?, &lab.ledger)?;
    let url = postgres.database("standby")?;
    let standby = lab.issuer_home("read-only-database", |settings| settings.database_url = Some(url))?;
    standby.migrate()?;
    drop(standby.serve()?);
    postgres.query("standby", "ALTER DATABASE standby SET default_transaction_read_only = on")?;
    found(&doctor(&standby, Some(1))?, "writes", "failed", "connect to the primary")?;

    if !getuid().is_root() {
        // Who owns a file may write it again.
        return Ok(());
    }
    let home = lab.issuer_home("read-only-file", |_| ())?;
    let _issuer = home.serve()?;
    set_immutable(&home, true)?;
    let report = doctor(&home, Some(1));
    set_immutable(&home, false)?;
    found(&report?, "writes", "failed", "give the file and its directory to the user who runs Keystone")
}

fn doctor_asks_the_issuer_itself_behind_split_dns(lab: &Lab) -> Result<()> {
    let home = |name, jwks_url: &str| {
        let section = format!("[keys]\njwks_url = \"{jwks_url}\"\n");
        lab.issuer_home(name, |settings| {
            settings.issuer = Some("http://127.0.0.1:1".to_owned());
            settings.sections = section.replace("LISTEN", &settings.listen.to_string());
        })
    };
    let unreachable = home("split-dns", "http://127.0.0.1:1/.well-known/jwks.json")?;
    let _issuer = unreachable.serve()?;
    let report = doctor(&unreachable, Some(1))?;
    found(&report, "issuer URL", "warning", "the issuer on `listen` responds as expected")?;
    found(&report, "published keys", "failed", "set `keys.jwks_url`")?;

    let set = home("split-dns-set", "http://127.0.0.1:LISTEN/.well-known/jwks.json")?;
    let _issuer = set.serve()?;
    let report = doctor(&set, Some(0))?;
    found(&report, "published keys", "ok", "has every key")?;

    fs::set_permissions(set.directory.join("data"), fs::Permissions::from_mode(0o777))?;
    fs::set_permissions(set.directory.join("data/keystone.sqlite3"), fs::Permissions::from_mode(0o666))?;
    let report = doctor(&set, Some(0))?;
    found(&report, "data_dir", "warning", "chmod 700 data")?;
    found(&report, "secret files", "warning", "chmod 600 data/keystone.sqlite3")
}

fn doctor(home: &Home, code: Option<i32>) -> Result<Value> {
    let finished = home.command(&["doctor", "--json"])?;
    ensure!(finished.code() == code, "{}{}", finished.stdout, finished.stderr);
    let words = home.command(&["doctor"])?;
    ensure!(words.code() == code && !words.stdout.is_empty(), "{}", words.stderr);
    serde_json::from_str(&finished.stdout).with_context(|| format!("doctor said {}", finished.stdout))
}

fn found(report: &Value, check: &str, outcome: &str, says: &str) -> Result<()> {
    one_of(report, "findings", (check, outcome, says))
}

fn checked(explanation: &Value, check: &str, outcome: &str, says: &str) -> Result<()> {
    one_of(explanation, "checks", (check, outcome, says))
}

fn one_of(document: &Value, list: &str, (check, outcome, says): (&str, &str, &str)) -> Result<()> {
    let is = |entry: &Value, member: &str, text: &str| entry.get(member) == Some(&text.into());
    let entries = document.get(list).and_then(Value::as_array).context("no list")?;
    let fits = |entry: &&Value| {
        let words = entry.get("says").and_then(Value::as_str).unwrap_or_default();
        is(entry, "check", check) && is(entry, "outcome", outcome) && words.contains(says)
    };
    ensure!(entries.iter().any(|entry| fits(&entry)), "no `{check}` {outcome} with {says:?} in {document:#}");
    Ok(())
}

/// The secret goes in on standard input; the exit status tells the verdict.
fn explained(home: &Home, flags: &[&str], secret: &str, accepted: bool) -> Result<Value> {
    let said = home.command_reading(&[&["explain", "--json"], flags].concat(), secret)?;
    let explanation: Value = serde_json::from_str(&said.stdout)
        .with_context(|| format!("explain said {}{}", said.stdout, said.stderr))?;
    ensure!(explanation.get("accepted") == Some(&accepted.into()), "{explanation:#}");
    ensure!(said.code() == Some(i32::from(!accepted)), "exit status {:?}", said.code());
    Ok(explanation)
}
