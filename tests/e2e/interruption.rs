//! An issuer that dies or a client that hangs up during a refresh: a client that comes back with the same refresh
//! token continues its session, wherever the interruption was.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::http::Sent;
use keystone_tests::issuer::{Home, Issuer};
use keystone_tests::postgres::Postgres;
use keystone_tests::process::Signal;
use keystone_tests::relay::Relay;
use keystone_tests::wait;

use crate::lab::{Alone, Lab, promises, serving_the_cast};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    an_issuer_killed_between_two_messages_loses_no_session,
    an_issuer_killed_in_any_write_to_sqlite_loses_no_session,
    a_rotation_runs_to_its_end_when_its_client_hangs_up,
];

///
fn an_issuer_killed_between_two_messages_loses_no_session(lab: &Lab) -> Result<()> {
    let (_postgres, relay, home) = behind_a_relay(lab, "killed-postgres")?;
    let mut issuer = serving_the_cast(&home)?;
    let mut token = issuer.login("alice")?.refresh()?.to_owned();
    let mut committed = Vec::new();
    loop {
        let before = generation(&home)?;
        relay.hold_after(committed.len());
        let asked = issuer.refresh_grant(&token).begin()?;
        held_or_over(&relay, &asked)?;
        if !relay.holds() {
            asked.answer()?.expect(200)?;
            break;
        }
        issuer.process.kill()?;
        relay.lose()?;

        issuer = home.serve()?;
        committed.push(generation(&home)? - before);
        token = goes_on(&issuer, &token)?;
    }

    // Each run let one message more pass, and the last one let them all.
    ensure!(committed.len() >= 10 && committed.contains(&0) && committed.contains(&1), "{committed:?}");
    Ok(())
}

///
fn an_issuer_killed_in_any_write_to_sqlite_loses_no_session(lab: &Lab) -> Result<()> {
    // No line in the log that could be the write too many.
    let home = lab.issuer_home("killed-sqlite", |settings| {
        settings.sections = format!("log = \"off\"\n{LONG_GRACE}")
    })?;
    let wal = home.sqlite_file().with_extension("sqlite3-wal");
    let mut issuer = serving_the_cast(&home)?;
    let mut token = issuer.login("alice")?.refresh()?.to_owned();
    // What a killed process has written stays: the states it can leave are those between any two bytes of the log.
    for room in (0..).map(|step| step * STEP) {
        let before = generation(&home)?;
        issuer.process.dies_writing_beyond(fs::metadata(&wal)?.len() + room)?;
        let answer = issuer.refresh_grant(&token).send();
        let ran_through = answer.is_ok();
        if let Ok(answer) = answer {
            answer.expect(200)?;
            ensure!(room > 10 * STEP, "a rotation writes more than {room} bytes");
            issuer.process.kill()?;
        } else {
            let signal = issuer.process.ended(PATIENCE)?.signal();
            ensure!(signal == Some(Signal::XFSZ.as_raw()), "the issuer ended by itself: {signal:?}");
        }

        issuer = home.serve()?;
        ensure!(generation(&home)? == before + u32::from(ran_through), "after {room} bytes");
        token = goes_on(&issuer, &token)?;
        if ran_through {
            return Ok(());
        }
    }
    Ok(())
}

fn a_rotation_runs_to_its_end_when_its_client_hangs_up(lab: &Lab) -> Result<()> {
    let (_postgres, relay, home) = behind_a_relay(lab, "hung-up")?;
    let issuer = serving_the_cast(&home)?;
    let mut token = issuer.login("alice")?.refresh()?.to_owned();
    let mut carried_out = 0;
    for messages in 0.. {
        let before = generation(&home)?;
        relay.hold_after(messages);
        // On a connection that is to be closed anyway, the issuer does not look whether its client is still there.
        let asked = issuer.refresh_grant(&token).header("connection", "keep-alive").begin()?;
        held_or_over(&relay, &asked)?;
        let was_given_up = asked.hang_up()?;
        relay.release();
        if !was_given_up {
            break;
        }
        // The one connection to the database serves in turn: what was under way on it is done before this.
        token = goes_on(&issuer, &token)?;
        let rotations = generation(&home)? - before;
        // A message of something else was held where the rotation had not begun.
        ensure!(matches!(rotations, 1 | 2), "{rotations} rotations for two successors");
        carried_out += rotations - 1;
    }

    ensure!(carried_out >= 5, "only {carried_out} rotations ran to their end without their client");
    Ok(())
}

/// An issuer with one connection to its database, through a relay.
pub(crate) fn behind_a_relay(lab: &Lab, name: &str) -> Result<(Postgres, Relay, Home)> {
    let postgres = Postgres::start(&lab.tools, &lab.directory(&format!("{name}-postgres"))?, &lab.ledger)?;
    let (relay, url) = Relay::start(&postgres.database("keystone")?)?;
    let home = lab.issuer_home(name, |settings| {
        settings.database_url = Some(url);
        settings.sections = format!("{LONG_GRACE}{CHEAP_PASSWORDS}[database]\nmax_connections = 1\n");
    })?;
    home.migrate()?;
    Ok((postgres, relay, home))
}

/// The session goes on from this token, whatever became of its refresh: the first retry gets a successor, a second
/// gets the same one, and the successor works. The answer is the newest token.
fn goes_on(issuer: &Issuer, token: &str) -> Result<String> {
    let successor = issuer.tokens(&issuer.refresh_grant(token))?;
    let again = issuer.tokens(&issuer.refresh_grant(token))?;
    ensure!(successor.refresh()? == again.refresh()?, "two retries got two successors");
    Ok(issuer.tokens(&issuer.refresh_grant(successor.refresh()?))?.refresh()?.to_owned())
}

/// How often the one session was refreshed.
fn generation(home: &Home) -> Result<u32> {
    let said = home.ask("SELECT generation FROM refresh_tokens WHERE ended_at IS NULL")?;
    said.parse().with_context(|| format!("not one session: {said}"))
}

pub(crate) fn held_or_over(relay: &Relay, asked: &Sent) -> Result<()> {
    wait::until("a message to hold, or an answer", PATIENCE, || Ok(relay.holds() || asked.is_over()?))
}

/// Longer than a restart on a busy machine takes.
pub(crate) const LONG_GRACE: &str = "\n[sessions]\ngrace = 60\n\n";
/// These tests are about the database.
pub(crate) const CHEAP_PASSWORDS: &str = "[passwords]\nmemory_kib = 8192\npasses = 5\n\n[limits]\nlogin_attempts = 100000\nuser_attempts = 100000\naddress_attempts = 100000\n\n";
/// Bytes; a page is 4096.
const STEP: u64 = 400;
const PATIENCE: Duration = Duration::from_secs(30);
