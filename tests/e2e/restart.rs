//! A restart loses nothing and creates nothing twice.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use keystone_tests::issuer::{Home, Issuer};
use keystone_tests::stack::{Plan, Stack, Store};
use serde_json::Value;

use crate::lab::{Alone, Lab, promises, serving_the_cast};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    a_second_start_finds_its_data,
    serve_and_bootstrap_at_the_first_start_both_succeed,
    a_copy_of_one_file_after_a_stop_is_the_whole_issuer,
    nothing_starts_anew_beside_a_key_or_a_log,
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

/// At the same moment, on SQLite; a few times, for one order may do by chance.
fn serve_and_bootstrap_at_the_first_start_both_succeed(lab: &Lab) -> Result<()> {
    for turn in 0..5 {
        let home = lab.issuer_home(&format!("first-start-{turn}"), |_| ())?;
        let (issuer, administrator) = thread::scope(|both| {
            let bootstrap = both.spawn(|| home.bootstrap());
            (home.serve(), bootstrap.join().map_err(|_| anyhow!("bootstrap panicked")))
        });
        let (issuer, administrator) = (issuer?, administrator??);

        let password =
            administrator.get("one_time_password").and_then(Value::as_str).context("no password")?;
        let login = [
            ("grant_type", "password"),
            ("client_id", "keystone-console"),
            ("username", "admin"),
            ("password", password),
        ];
        issuer.tokens(&issuer.token(&login))?;
        let published = published_keys(&issuer)?;
        let kids = published.get("keys").and_then(Value::as_array).context("no keys")?;
        assert_eq!(home.ask("SELECT count(*) FROM signing_keys")?, kids.len().to_string());
        assert_eq!(home.ask("SELECT count(*) FROM users")?, "1");
    }
    Ok(())
}

fn a_copy_of_one_file_after_a_stop_is_the_whole_issuer(lab: &Lab) -> Result<()> {
    let [home, copy] = two_homes(lab, "copy")?;
    let issuer = serving_the_cast(&home)?;
    let alice = issuer.login("alice")?;
    let keys = published_keys(&issuer)?;
    drop(issuer);

    let left: Vec<_> =
        files(&home)?.into_iter().filter(|name| name.starts_with("keystone.sqlite3")).collect();
    assert_eq!(left, ["keystone.sqlite3"]);
    take(&home, &copy, &["keystone.sqlite3", "development.key"])?;
    let issuer = copy.serve()?;

    assert_eq!(published_keys(&issuer)?, keys);
    issuer.tokens(&issuer.refresh_grant(alice.refresh()?))?;
    issuer.login("alice").map(drop)
}

fn nothing_starts_anew_beside_a_key_or_a_log(lab: &Lab) -> Result<()> {
    let [home, copy] = two_homes(lab, "traces")?;
    let mut issuer = serving_the_cast(&home)?;
    let alice = issuer.login("alice")?;
    // Its last changes are in the log alone.
    issuer.process.kill()?;

    for trace in ["development.key", "keystone.sqlite3-wal"] {
        for main_file in [None, Some("")] {
            take(&home, &copy, &[trace])?;
            if let Some(text) = main_file {
                fs::write(copy.sqlite_file(), text)?;
            }
            for command in ["serve", "bootstrap"] {
                let finished = copy.command(&[command])?;
                assert_eq!(finished.code(), Some(1), "{trace} {command}: {}", finished.stderr);
                let says = format!("{trace} says that there was data");
                ensure!(finished.stderr.contains(&says), "{command}: {}", finished.stderr);
            }
        }
    }

    take(&home, &copy, &["keystone.sqlite3", "keystone.sqlite3-wal", "development.key"])?;
    let issuer = copy.serve()?;
    issuer.tokens(&issuer.refresh_grant(alice.refresh()?)).map(drop)
}

fn two_homes(lab: &Lab, name: &str) -> Result<[Home; 2]> {
    let home = lab.issuer_home(name, |_| ())?;
    Ok([home, lab.issuer_home(&format!("{name}-elsewhere"), |_| ())?])
}

/// Leaves `to` with these files of `from` and nothing else.
fn take(from: &Home, to: &Home, names: &[&str]) -> Result<()> {
    for name in files(to)? {
        fs::remove_file(data(to)?.join(name))?;
    }
    fs::create_dir_all(data(to)?)?;
    for name in names {
        fs::copy(data(from)?.join(name), data(to)?.join(name))?;
    }
    Ok(())
}

fn files(home: &Home) -> Result<Vec<String>> {
    let data = data(home)?;
    if !data.exists() {
        return Ok(Vec::new());
    }
    let names = fs::read_dir(data)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

fn data(home: &Home) -> Result<PathBuf> {
    home.sqlite_file().parent().map(Path::to_owned).context("no directory")
}

fn published_keys(issuer: &Issuer) -> Result<Value> {
    issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?.json()
}
