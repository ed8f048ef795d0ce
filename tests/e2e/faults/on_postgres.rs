//! Faults of PostgreSQL and of the way to it.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Result, ensure};
use keystone_tests::postgres::Postgres;
use keystone_tests::relay::Relay;

use super::under_load::{Fault, work_through};
use super::{home, killed};
use crate::lab::Lab;
use crate::requests::Staffed;

pub(super) fn all(lab: &Lab, lasting: Duration) -> Result<Vec<String>> {
    let postgres = Postgres::start(&lab.tools, &lab.directory("faults-postgres-server")?, &lab.ledger)?;
    let direct = postgres.database("keystone")?;
    let (relay, url) = Relay::start(&direct)?;
    let home = home(lab, "faults-postgres", Some(url))?;
    home.migrate()?;
    let on = Staffed::serve(&home)?;
    let since = RefCell::new(None);
    let postgres = RefCell::new(postgres);
    let sql = |sql: &str| postgres.borrow().query("keystone", sql).map(drop);
    let holder = RefCell::new(None);
    let faults = [
        Fault {
            name: "a slow network",
            ready: Some(true),
            begin: Box::new(|| {
                relay.delay(Duration::from_millis(5));
                Ok(())
            }),
            end: Box::new(|| {
                relay.delay(Duration::ZERO);
                Ok(())
            }),
        },
        Fault {
            name: "the lock of changes is held",
            ready: Some(true),
            begin: Box::new(|| {
                let psql = postgres.borrow().client("psql").args(["-X", "-d", "keystone", "-c", HOLD]);
                holder.replace(Some(psql.start()?));
                Ok(())
            }),
            end: Box::new(|| {
                sql(LET_GO)?;
                holder.replace(None);
                Ok(())
            }),
        },
        Fault {
            name: "the database is read only",
            ready: Some(false),
            begin: Box::new(|| {
                sql("ALTER SYSTEM SET default_transaction_read_only = on;\nSELECT pg_reload_conf();")
            }),
            end: Box::new(|| {
                let set = "ALTER SYSTEM RESET default_transaction_read_only;\nSELECT pg_reload_conf();";
                sql(&format!("SET default_transaction_read_only = off;\n{set}"))
            }),
        },
        Fault {
            name: "the network is silent",
            ready: Some(false),
            begin: Box::new(|| {
                relay.hold_after(0);
                Ok(())
            }),
            end: Box::new(|| {
                relay.release();
                Ok(())
            }),
        },
        Fault {
            name: "the database is frozen",
            ready: Some(false),
            begin: Box::new(|| postgres.borrow().process.freeze()),
            end: Box::new(|| postgres.borrow().process.thaw()),
        },
        Fault {
            name: "the database has crashed",
            ready: Some(false),
            begin: Box::new(|| {
                postgres.borrow_mut().process.stop();
                Ok(())
            }),
            end: Box::new(|| postgres.borrow_mut().start_again()),
        },
        killed(&on, &home, &since),
    ];
    let lines = work_through(&on, lasting, &faults)?;
    let open = postgres.borrow().query("keystone", OPEN_TRANSACTIONS)?;
    ensure!(open.trim() == "0", "{open} transactions are open");
    Ok(lines)
}

const HOLD: &str = "BEGIN; LOCK TABLE scopes, roles IN SHARE ROW EXCLUSIVE MODE; SELECT pg_sleep(600)";
const LET_GO: &str = "
    SELECT pg_terminate_backend(pid)
    FROM pg_stat_activity
    WHERE query LIKE '%pg_sleep(600)%'
        AND pid <> pg_backend_pid();";
const OPEN_TRANSACTIONS: &str = "
    SELECT count(*)
    FROM pg_stat_activity
    WHERE application_name = 'keystone'
        AND state LIKE 'idle in transaction%'
        AND state_change < now() - interval '1 second';";
