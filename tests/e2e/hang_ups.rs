//! Clients that hang up at any moment: their request is carried out or not, and other clients do not notice.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::issuer::{Home, Issuer};
use keystone_tests::relay::Relay;
use keystone_tests::wait;

use crate::interruption::{behind_a_relay, held_or_over};
use crate::lab::{Alone, Lab, promises};
use crate::requests::{ACCOUNT, ADMINISTRATION, Kind, Staffed, TOKENS};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    a_hang_up_in_a_token_request_leaves_no_transaction,
    a_hang_up_in_self_service_leaves_no_transaction,
    a_hang_up_in_administration_leaves_no_transaction,
    a_call_that_is_given_up_leaves_no_transaction,
];

fn a_hang_up_in_a_token_request_leaves_no_transaction(lab: &Lab) -> Result<()> {
    hang_up_everywhere(lab, "hung-up-tokens", TOKENS)
}

fn a_hang_up_in_self_service_leaves_no_transaction(lab: &Lab) -> Result<()> {
    hang_up_everywhere(lab, "hung-up-account", ACCOUNT)
}

fn a_hang_up_in_administration_leaves_no_transaction(lab: &Lab) -> Result<()> {
    hang_up_everywhere(lab, "hung-up-admin", ADMINISTRATION)
}

/// A client hangs up while the issuer waits for each message of PostgreSQL, which is every moment at which it waits, and
/// carol refreshes after that. The pool has one connection, so she is served on the one that the client left.
fn hang_up_everywhere(lab: &Lab, name: &str, kinds: &[Kind]) -> Result<()> {
    let (_postgres, relay, home) = behind_a_relay(lab, name)?;
    let mut on = Staffed::serve(&home)?;
    let mut carol = Carol::log_in(&on.issuer)?;
    let mut all = 0;
    for (number, kind) in (0..).step_by(1000).zip(kinds) {
        let (what, _) = kind;
        let given_up =
            hang_ups(&on, &relay, (number, kind), &mut carol).with_context(|| (*what).to_owned())?;
        all += given_up;
        carol.is_stored(&home).with_context(|| format!("{what}: {given_up} hang-ups"))?;
        let open = home.ask(OPEN_TRANSACTIONS)?;
        ensure!(open == "0", "{what}: {open} transactions are open");
    }
    ensure!(all > 10 * kinds.len(), "only {all} clients hung up");
    on.issuer.process.kill()?;
    drop(on);
    let issuer = home.serve()?;
    carol.refresh(&issuer)
}

/// How many clients hung up before their answer came.
fn hang_ups(
    on: &Staffed,
    relay: &Relay,
    (number, (_, kind)): (usize, &Kind),
    carol: &mut Carol,
) -> Result<usize> {
    for messages in 0.. {
        let request = kind(on, number + messages)?;
        relay.hold_after_answers(messages);
        // On a connection that is to be closed anyway, the issuer does not look whether its client is still there.
        let asked = request.header("connection", "keep-alive").begin()?;
        held_or_over(relay, &asked)?;
        let was_given_up = asked.hang_up()?;
        relay.release();
        carol.refresh(&on.issuer)?;
        if !was_given_up {
            return Ok(messages);
        }
    }
    Ok(0)
}

/// The database is silent for so long that the issuer gives up the connection, in the middle of a `BEGIN`.
fn a_call_that_is_given_up_leaves_no_transaction(lab: &Lab) -> Result<()> {
    let (_postgres, relay, home) = behind_a_relay(lab, "given-up")?;
    let on = Staffed::serve(&home)?;
    let mut carol = Carol::log_in(&on.issuer)?;
    let (_, change) = ACCOUNT.iter().find(|(name, _)| *name == "own address").context("there are kinds")?;
    let change = change(&on, 0)?;

    relay.hold_after_text("BEGIN");
    change.send()?.expect(503)?;
    let connections = || Ok(on.issuer.operations.get("/metrics").send()?.expect(200)?.text().contains(NONE));
    wait::until("the issuer to give up its connection", PATIENCE, connections)?;
    relay.release();

    wait::until("a refresh", PATIENCE, || Ok(carol.refresh(&on.issuer).is_ok()))?;
    carol.is_stored(&home)
}

/// A user who refreshes again and again.
struct Carol {
    token: String,
    times: usize,
}

impl Carol {
    fn log_in(issuer: &Issuer) -> Result<Self> {
        Ok(Self { token: issuer.login("carol")?.refresh()?.to_owned(), times: 0 })
    }

    fn refresh(&mut self, issuer: &Issuer) -> Result<()> {
        self.token = issuer.tokens(&issuer.refresh_grant(&self.token))?.refresh()?.to_owned();
        self.times += 1;
        Ok(())
    }

    /// Whether each of her refreshes is in the database, for others to see.
    fn is_stored(&self, home: &Home) -> Result<()> {
        let stored = home.ask(GENERATION)?;
        ensure!(stored == self.times.to_string(), "{} refreshes, {stored} in the database", self.times);
        Ok(())
    }
}

const NONE: &str = "\nkeystone_database_connections{pool=\"main\",state=\"in_use\"} 0.0\n";
const PATIENCE: Duration = Duration::from_secs(10);

const GENERATION: &str = "
    SELECT max(t.generation)
    FROM refresh_tokens AS t
    JOIN users AS u ON u.id = t.user_id
    WHERE u.username = 'carol'";

const OPEN_TRANSACTIONS: &str = "
    SELECT count(*)
    FROM pg_stat_activity
    WHERE application_name = 'keystone'
        AND state LIKE 'idle in transaction%'";
