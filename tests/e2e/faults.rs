//! What happens to an issuer that is at work: it is killed, its database is slow, silent, locked, read only, full. No
//! answer that was given is lost, everything recovers by itself, and readiness tells the truth.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use keystone_tests::cast;
use keystone_tests::http::{Answer, Request};
use keystone_tests::issuer::{Home, Issuer};
use keystone_tests::postgres::Postgres;
use keystone_tests::process::{Process, Signal};
use keystone_tests::program::Program;
use keystone_tests::relay::Relay;
use keystone_tests::wait::{self, Deadline};
use serde_json::json;

use crate::interruption::{CHEAP_PASSWORDS, LONG_GRACE};
use crate::lab::{Alone, Lab, promises};
use crate::load::{Load, Watch};
use crate::requests::{ROBOT, Staffed};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    an_issuer_on_postgresql_survives_every_fault_at_work,
    an_issuer_on_sqlite_survives_every_fault_at_work,
    an_issuer_on_sqlite_survives_a_full_disk_at_work,
];

fn an_issuer_on_postgresql_survives_every_fault_at_work(lab: &Lab) -> Result<()> {
    on_postgresql(lab, FOR_A_TEST)
}

fn an_issuer_on_sqlite_survives_every_fault_at_work(lab: &Lab) -> Result<()> {
    on_sqlite(lab, FOR_A_TEST)
}

fn an_issuer_on_sqlite_survives_a_full_disk_at_work(lab: &Lab) -> Result<()> {
    on_a_small_disk(lab, FOR_A_TEST)
}

/// Each fault lasts for a minute.
pub(crate) fn run(lab: &Lab) -> Result<()> {
    let lasting = Duration::from_secs(60);
    on_postgresql(lab, lasting)?;
    on_sqlite(lab, lasting)?;
    on_a_small_disk(lab, lasting)
}

/// Longer than an issuer waits for a silent database. With the time to recover, each fault takes about ten seconds.
const FOR_A_TEST: Duration = Duration::from_secs(7);

/// Something that goes wrong, and what `/health/ready` says meanwhile.
struct Fault<'a> {
    name: &'static str,
    /// `None`: as long as anyone is answered. A full disk has room in the files that are there.
    ready: Option<bool>,
    begin: Box<dyn Fn() -> Result<()> + 'a>,
    end: Box<dyn Fn() -> Result<()> + 'a>,
}

fn on_postgresql(lab: &Lab, lasting: Duration) -> Result<()> {
    let postgres = Postgres::start(&lab.tools, &lab.directory("faults-postgres-server")?, &lab.ledger)?;
    let direct = postgres.database("keystone")?;
    let (relay, url) = Relay::start(&direct)?;
    let home = home(lab, "faults-postgres", Some(url))?;
    home.migrate()?;
    let on = Staffed::serve(&home)?;
    let since = RefCell::new(None);
    let sql = |sql: &str| postgres.query("keystone", sql).map(drop);
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
                let psql = postgres.client("psql").args(["-X", "-d", "keystone", "-c", HOLD]);
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
            begin: Box::new(|| postgres.process.freeze()),
            end: Box::new(|| postgres.process.thaw()),
        },
        killed(&on, &home, &since),
    ];
    work_through(&on, lasting, &faults)?;
    let open = postgres.query("keystone", OPEN_TRANSACTIONS)?;
    ensure!(open.trim() == "0", "{open} transactions are open");
    Ok(())
}

fn on_sqlite(lab: &Lab, lasting: Duration) -> Result<()> {
    let home = home(lab, "faults-sqlite", None)?;
    let on = Staffed::serve(&home)?;
    let (since, holder) = (RefCell::new(None), RefCell::new(None));
    let faults = [
        Fault {
            name: "another program holds the write lock",
            ready: Some(false),
            begin: Box::new(|| {
                holder.replace(Some(holds_write_lock(&home)?));
                Ok(())
            }),
            end: Box::new(|| {
                holder.replace(None);
                Ok(())
            }),
        },
        killed(&on, &home, &since),
    ];
    work_through(&on, lasting, &faults)
}

fn on_a_small_disk(lab: &Lab, lasting: Duration) -> Result<()> {
    let home = home(lab, "faults-small", None)?.on_a_small_disk();
    let on = Staffed::serve(&home)?;
    let pid = on.issuer.process.pid()?.as_raw_nonzero();
    let data = fs::canonicalize(home.sqlite_file())?;
    let data = data.parent().context("a file is in a directory")?;
    // The disk is in the issuer's own mount namespace.
    let inside: PathBuf = [&format!("/proc/{pid}/root"), ""].iter().collect();
    let data = inside.join(data.strip_prefix("/")?);
    let faults = [
        Fault {
            name: "the disk is full",
            ready: None,
            begin: Box::new(|| fill(&data.join("fill"))),
            end: Box::new(|| Ok(fs::remove_file(data.join("fill"))?)),
        },
        Fault {
            name: "writing fails",
            ready: Some(false),
            begin: Box::new(|| on.issuer.process.writes_at_most(Some(0))),
            end: Box::new(|| on.issuer.process.writes_at_most(None)),
        },
    ];
    work_through(&on, lasting, &faults)
}

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

fn holds_write_lock(home: &Home) -> Result<Process> {
    let sqlite = Program::new("sqlite3", Path::new("sqlite3"), &home.directory).arg(home.sqlite_file());
    sqlite.args([".timeout 5000", "BEGIN IMMEDIATE", ".shell exec sleep 600"]).start()
}

fn fill(file: &Path) -> Result<()> {
    let mut file = File::create(file)?;
    while file.write_all(&[1; 4096]).is_ok() {}
    while file.write_all(&[1]).is_ok() {}
    Ok(())
}

/// One fault after the other, under a load that never stops.
fn work_through(on: &Staffed, lasting: Duration, faults: &[Fault<'_>]) -> Result<()> {
    let kept = Kept::default();
    let mut load = Load::new();
    // Carol logs in no more: a user's oldest session ends when there are too many.
    for _ in 0..4 {
        load = load.and(refreshes(on, "carol")?);
    }
    let login = on.issuer.password_grant("alice", cast::password("alice")?);
    let client = on.issuer.client_grant(ROBOT, &on.secret);
    load = load
        .and(move || answered(&login, 200).map(drop))
        .and(move || answered(&client, 200).map(drop))
        .and(addresses(on, &kept)?)
        .and(revocations(on, &kept))
        .and(roles(on, &kept))
        .and(hang_ups(on)?);
    load.during(|watch| {
        for fault in faults {
            under(fault, on, (watch, lasting)).with_context(|| fault.name)?;
        }
        Ok(())
    })
    .with_context(|| on.issuer.process.log_tail())?;
    kept.holds(on)
}

fn under(fault: &Fault<'_>, on: &Staffed, (watch, lasting): (&Watch<'_>, Duration)) -> Result<()> {
    let probe = || on.issuer.operations.get("/health/ready").send().map_or(0, |answer| answer.status);
    watch.rounds_within(1, RECOVERY)?;
    ensure!(probe() == 200, "not ready before");
    (fault.begin)()?;
    let told = told_the_truth(fault, lasting, watch, &probe);
    (fault.end)()?;
    told?;
    wait::until("the issuer to be ready again", RECOVERY, || Ok(probe() == 200))?;
    watch.rounds_within(1, RECOVERY)
}

/// Whether readiness says what those who ask for tokens meet, as long as the fault lasts.
fn told_the_truth(
    fault: &Fault<'_>,
    lasting: Duration,
    watch: &Watch<'_>,
    probe: &dyn Fn() -> u16,
) -> Result<()> {
    let tokens = || watch.counts().into_iter().take(TOKENS).collect::<Vec<_>>();
    let before = tokens();
    let (mut answered, mut since) = (before.clone(), Deadline::after(NOTICE));
    let (noticed, over) = (Deadline::after(NOTICE), Deadline::after(lasting));
    while !over.passed() {
        let said = probe();
        let now = tokens();
        if now != answered || said != 200 {
            (answered, since) = (now, Deadline::after(NOTICE));
        }
        let is_true = fault.ready.map_or(!since.passed(), |ready| (said == 200) == ready);
        ensure!(is_true || !noticed.passed(), "/health/ready said {said} meanwhile");
        watch.goes_on()?;
        wait::breathe();
    }
    let all = before.iter().zip(tokens()).all(|(before, now)| now > *before);
    ensure!(fault.ready != Some(true) || all, "token requests stood still");
    Ok(())
}

/// The first loops of the load ask for tokens.
const TOKENS: usize = 6;
/// From the cause to what readiness says, and from its end to an answer for everyone.
const NOTICE: Duration = Duration::from_secs(4);
const RECOVERY: Duration = Duration::from_secs(10);

/// What was acknowledged, and must be so in the end.
#[derive(Debug, Default)]
struct Kept {
    /// How often the address was asked to change, and how often it did.
    asked: AtomicUsize,
    changed: AtomicUsize,
    revoked: Mutex<Vec<String>>,
    roles: AtomicUsize,
}

impl Kept {
    fn holds(&self, on: &Staffed) -> Result<()> {
        let address = on.own("GET", "/users/me")?.send()?.expect(200)?.member("email")?;
        let number =
            address.trim_start_matches("mia-").split('@').next().and_then(|number| number.parse().ok());
        let (changed, asked) = (self.changed.load(Ordering::Relaxed), self.asked.load(Ordering::Relaxed));
        ensure!(
            number.is_some_and(|number| (changed..=asked).contains(&number)),
            "{address} after {changed}"
        );
        for token in self.revoked.lock().map_err(|_| anyhow!("poisoned"))?.iter() {
            on.issuer.refresh_grant(token).send()?.expect(400)?;
        }
        for number in 0..self.roles.load(Ordering::Relaxed) {
            on.admin("GET", &format!("/admin/roles/kept-{number}")).send()?.expect(200)?;
        }
        Ok(())
    }
}

/// A session that is refreshed with the token that came last. An answer that was lost is asked for again.
fn refreshes<'a>(on: &'a Staffed, name: &str) -> Result<impl FnMut() -> Result<()> + Send + 'a> {
    let mut token = on.issuer.login(name)?.refresh()?.to_owned();
    Ok(move || {
        let answer = answered(&on.issuer.refresh_grant(&token), 200)?;
        token = on.issuer.received(&answer)?.refresh()?.to_owned();
        Ok(())
    })
}

fn addresses<'a>(on: &'a Staffed, kept: &'a Kept) -> Result<impl FnMut() -> Result<()> + Send + 'a> {
    let change = on.own("PATCH", "/users/me")?;
    change.clone().json(&json!({ "email": "mia-0@example.com" })).send()?.expect(200)?;
    Ok(move || {
        let number = kept.asked.fetch_add(1, Ordering::Relaxed) + 1;
        answered(&change.clone().json(&json!({ "email": format!("mia-{number}@example.com") })), 200)?;
        kept.changed.store(number, Ordering::Relaxed);
        Ok(())
    })
}

fn revocations<'a>(on: &'a Staffed, kept: &'a Kept) -> impl FnMut() -> Result<()> + Send + 'a {
    move || {
        let login = on.issuer.password_grant("alice", cast::password("alice")?);
        let tokens = on.issuer.received(&answered(&login, 200)?)?;
        let token = tokens.refresh()?.to_owned();
        let fields = [("client_id", cast::APP), ("token", token.as_str())];
        answered(&on.issuer.site.post("/auth/revoke").form(&fields), 200)?;
        kept.revoked.lock().map_err(|_| anyhow!("poisoned"))?.push(token);
        Ok(())
    }
}

fn roles<'a>(on: &'a Staffed, kept: &'a Kept) -> impl FnMut() -> Result<()> + Send + 'a {
    move || {
        let number = kept.roles.load(Ordering::Relaxed);
        let role = json!({ "name": format!("kept-{number}"), "scopes": ["orders:read"] });
        // 409 where the answer to the one before was lost.
        let answer = persisting(&on.admin("POST", "/admin/roles").json(&role))?;
        ensure!(matches!(answer.status, 201 | 409), "{} {}", answer.status, answer.text());
        kept.roles.store(number + 1, Ordering::Relaxed);
        Ok(())
    }
}

/// Clients that hang up, each a little later than the one before.
fn hang_ups<'a>(on: &'a Staffed) -> Result<impl FnMut() -> Result<()> + Send + 'a> {
    let profile = on.own("GET", "/users/me")?.header("connection", "keep-alive");
    let change = on.own("PATCH", "/users/me")?.header("connection", "keep-alive").json(&json!({}));
    let mut moments = (0..20).cycle();
    Ok(move || {
        for request in [&profile, &change] {
            if let Ok(asked) = request.begin() {
                thread::sleep(Duration::from_millis(moments.next().unwrap_or_default()));
                drop(asked);
            }
        }
        Ok(())
    })
}

/// Sends it until it is answered with something else than 503, which must be this.
fn answered(request: &Request, expected: u16) -> Result<Answer> {
    persisting(request)?.expect(expected)
}

fn persisting(request: &Request) -> Result<Answer> {
    let over = Deadline::after(PATIENCE);
    loop {
        match request.send() {
            Ok(answer) if answer.status != 503 => return Ok(answer),
            last => ensure!(!over.passed(), "no answer for {PATIENCE:?}: {last:?}"),
        }
        wait::breathe();
    }
}

/// Longer than any fault.
const PATIENCE: Duration = Duration::from_secs(120);

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
