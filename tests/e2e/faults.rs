//! Faults of an issuer at work: it is killed, its database is slow, silent, locked, read only, full or away. No answer that
//! was given is lost, everything recovers by itself, and readiness tells the truth.

mod answers;
mod on_postgres;
mod on_sqlite;
mod under_load;

use std::cell::RefCell;
use std::time::Duration;

use anyhow::Result;
use keystone_tests::issuer::{Home, Issuer};
use keystone_tests::process::Signal;

use self::under_load::Fault;
use crate::interruption::{CHEAP_PASSWORDS, LONG_GRACE};
use crate::lab::{Alone, Lab, promises};
use crate::requests::Staffed;
use crate::soak::say;

pub(crate) use self::on_sqlite::set_immutable;

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    an_issuer_on_postgresql_survives_every_fault_at_work,
    an_issuer_on_sqlite_survives_every_fault_at_work,
    an_issuer_on_sqlite_survives_a_full_disk_at_work,
];

fn an_issuer_on_postgresql_survives_every_fault_at_work(lab: &Lab) -> Result<()> {
    on_postgres::all(lab, FOR_A_TEST).map(drop)
}

fn an_issuer_on_sqlite_survives_every_fault_at_work(lab: &Lab) -> Result<()> {
    on_sqlite::all(lab, FOR_A_TEST).map(drop)
}

fn an_issuer_on_sqlite_survives_a_full_disk_at_work(lab: &Lab) -> Result<()> {
    on_sqlite::on_a_small_disk(lab, FOR_A_TEST).map(drop)
}

/// Each fault lasts for a minute.
pub(crate) fn run(lab: &Lab) -> Result<()> {
    let lasting = Duration::from_secs(60);
    for faults in [on_postgres::all, on_sqlite::all, on_sqlite::on_a_small_disk] {
        faults(lab, lasting)?.iter().for_each(|line| say(line));
    }
    Ok(())
}

/// Longer than an issuer waits for a silent database. With the time to recover, each fault takes about ten seconds.
const FOR_A_TEST: Duration = Duration::from_secs(7);

fn home(lab: &Lab, name: &str, database_url: Option<String>) -> Result<Home> {
    lab.issuer_home(name, |settings| {
        settings.database_url = database_url;
        settings.sections =
            format!("log = \"warn\"\n{LONG_GRACE}{CHEAP_PASSWORDS}[database]\nmax_connections = 8\n");
    })
}

fn killed<'a>(on: &'a Staffed, home: &'a Home, since: &'a RefCell<Option<Issuer>>) -> Fault<'a> {
    Fault {
        name: "the issuer is killed",
        ready: Some(false),
        begin: Box::new(|| match &*since.borrow() {
            Some(issuer) => issuer.process.signal(Signal::KILL),
            None => on.issuer.process.signal(Signal::KILL),
        }),
        end: Box::new(|| {
            since.replace(Some(home.serve()?));
            Ok(())
        }),
    }
}
