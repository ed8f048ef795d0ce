//! The guides of backups and incidents in `docs/how-to`: every command is run as it is written, and does what is said.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::docs::shell_lines;
use keystone_tests::issuer::{Home, Issuer};
use keystone_tests::program::Finished;
use keystone_tests::stack::Backends;
use keystone_tests::{deployment, wait};
use serde_json::Value;

use crate::lab::{Alone, Lab, promises, serving_the_cast};
use crate::shell::{self, Name};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![every_command_of_the_runbook_does_what_it_says];

fn every_command_of_the_runbook_does_what_it_says(lab: &Lab) -> Result<()> {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/how-to");
    let mut written = BTreeSet::new();
    for (guide, title) in
        [("back-up-and-restore.md", "# Back up and restore"), ("incidents.md", "# Handle an incident")]
    {
        written.extend(shell_lines(&fs::read_to_string(guides.join(guide))?, title));
    }
    let book = Book { written, ran: RefCell::default() };

    let home = lab.issuer_home("runbook-sqlite", |settings| {
        settings.data_directory = Some("keystone-data".into());
    })?;
    tell(&Desk { lab, book: &book, home, database: "sqlite3" }, Ok)?;

    let backends = Backends::start(&lab.tools, &lab.directory("runbook-backends")?, &lab.ledger)?;
    let [before, after] = ["before", "after"].map(|name| backends.postgres.database(name));
    let home = lab
        .issuer_home("runbook-postgres", |settings| settings.redis_url = Some(backends.redis.url.clone()))?;
    let home = home.on(before?)?;
    home.migrate()?;
    let after = after?;
    tell(&Desk { lab, book: &book, home, database: "psql" }, |home| home.on(after))?;

    let never: Vec<_> = book.written.difference(&book.ran.borrow()).cloned().collect();
    ensure!(never.is_empty(), "nobody ran:\n{}", never.join("\n"));
    Ok(())
}

/// One issuer through all of it; `restored` gives the place to restore into.
fn tell(desk: &Desk<'_>, restored: impl FnOnce(Home) -> Result<Home>) -> Result<()> {
    let issuer = serving_the_cast(&desk.home)?;
    let secrets = desk.home.apply(STAFF)?;
    let secret = |client: &str| deployment::text(deployment::at(&secrets, &format!("/secrets/{client}"))?);
    let on_call = issuer.tokens(&issuer.client_grant("on-call", &secret("on-call")?))?.access;
    let names = [("ISSUER", issuer.site.url("")), ("TOKEN", on_call)];
    let alice = issuer.login("alice")?;
    desk.run(
        if desk.on_postgres() { "pg_dump" } else { "sqlite3 keystone-data/keystone.sqlite3 \".backup" },
        &[],
    )?;
    let refreshed = issuer.tokens(&issuer.refresh_grant(alice.refresh()?))?;

    a_client_secret_leaks(desk, &issuer, (&names, &secret("leaky")?))?;
    a_refresh_token_leaks(desk, &issuer, (&names, refreshed.refresh()?))?;
    a_signing_key_leaks(desk, &issuer)?;
    drop(issuer);
    let said = desk.run("keystone keys reseal", &[])?;
    ensure!(said.contains("secrets are now encrypted"), "{said}");

    let desk = Desk { home: restored(desk.home.clone())?, ..*desk };
    a_backup_is_restored(&desk, [alice.refresh()?, refreshed.refresh()?])?;
    nobody_can_administer(&desk)
}

fn a_client_secret_leaks(desk: &Desk<'_>, issuer: &Issuer, (names, leaked): (&[Name], &str)) -> Result<()> {
    let names = [names, &[("CLIENT", "leaky".to_owned())]].concat();

    let fresh: Value = serde_json::from_str(&desk.run("curl \"$ISSUER/admin/clients", &names)?)?;
    let secret = deployment::text(deployment::at(&fresh, "/client_secret")?)?;
    issuer.tokens(&issuer.client_grant("leaky", &secret))?;
    issuer.tokens(&issuer.client_grant("leaky", leaked))?;
    let slot = 3 - deployment::at(&fresh, "/slot")?.as_u64().context("no slot")?;
    let names = [names, vec![("SLOT", slot.to_string())]].concat();
    desk.run("curl -X DELETE \"$ISSUER/admin/clients", &names)?;

    issuer.client_grant("leaky", leaked).send()?.expect(401)?;
    issuer.tokens(&issuer.client_grant("leaky", &secret)).map(drop)
}

fn a_refresh_token_leaks(desk: &Desk<'_>, issuer: &Issuer, (names, token): (&[Name], &str)) -> Result<()> {
    let (_, on_call) = names.last().context("no token")?;
    let users = issuer.site.get("/admin/users").bearer(on_call).send()?.expect(200)?.json()?;
    let found = deployment::at(&users, "/users")?.as_array().context("no list")?;
    let alice =
        found.iter().find(|user| user.get("username") == Some(&"alice".into())).context("no Alice")?;
    let id = deployment::text(deployment::at(alice, "/id")?)?;

    let names = [names, &[("USER_ID", id)]].concat();
    let answer: Value = serde_json::from_str(&desk.run("curl -X POST \"$ISSUER/admin/users", &names)?)?;

    issuer.refresh_grant(token).send()?.expect(400)?;
    let password = deployment::text(deployment::at(&answer, "/one_time_password")?)?;
    issuer.tokens(&issuer.password_grant("alice", &password)).map(drop)
}

fn a_signing_key_leaks(desk: &Desk<'_>, issuer: &Issuer) -> Result<()> {
    let carol = issuer.login("carol")?;
    let kid = active(&desk.run("keystone keys list", &[])?)?;
    let names = [("KID", kid.clone())];

    let early = desk.finish("keystone keys compromise \"$KID\"", &names)?;
    ensure!(early.code() == Some(1) && early.stderr.contains("--now"), "{}", early.stderr);
    desk.run("keystone keys compromise \"$KID\" --now", &names)?;

    let gone = || Ok(!published(issuer)?.to_string().contains(&kid));
    wait::until("the issuer to drop the key", Duration::from_secs(60), gone)?;
    issuer.site.get("/users/me/sessions").bearer(&carol.access).send()?.expect(401)?;
    issuer.tokens(&issuer.refresh_grant(carol.refresh()?)).map(drop)
}

/// B-21: `tokens`: one that was used up after the backup, and its successor. Neither may be of use again.
fn a_backup_is_restored(desk: &Desk<'_>, tokens: [&str; 2]) -> Result<()> {
    if desk.on_postgres() {
        desk.run("pg_restore", &[])?;
    } else {
        desk.run("rm -f", &[])?;
        desk.run("cp", &[])?;
    }
    desk.sql("DELETE FROM server_secrets")?;
    desk.home.command(&["migrate"])?.succeeded()?;

    let issuer = desk.home.serve()?;
    for token in tokens {
        issuer.refresh_grant(token).send()?.expect(400)?;
    }
    let alice = issuer.login("alice")?;
    issuer.tokens(&issuer.refresh_grant(alice.refresh()?)).map(drop)
}

fn nobody_can_administer(desk: &Desk<'_>) -> Result<()> {
    desk.sql("DELETE FROM bootstrap_done")?;
    let said = desk.run("keystone bootstrap --username rescue", &[])?;
    let password = said.lines().find_map(|line| line.trim().strip_prefix("ksop_")).context("no password")?;
    let password = format!("ksop_{password}");

    let issuer = desk.home.serve()?;
    let own = "Chosen-By-Rescue-9";
    issuer.replace_password(("keystone-console", "rescue"), &password, own)?;
    let fields = [
        ("grant_type", "password"),
        ("client_id", "keystone-console"),
        ("username", "rescue"),
        ("password", own),
    ];
    let rescue = issuer.tokens(&issuer.token(&fields))?;
    ensure!(rescue.scope.contains("keystone:users:write"), "{}", rescue.scope);
    Ok(())
}

fn published(issuer: &Issuer) -> Result<Value> {
    issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?.json()
}

fn active(listed: &str) -> Result<String> {
    let line = listed.lines().find(|line| line.contains("  active ")).context("no active key")?;
    Ok(line.split_whitespace().next().unwrap_or_default().to_owned())
}

/// The commands of the document, and which of them were run.
struct Book {
    written: BTreeSet<String>,
    ran: RefCell<BTreeSet<String>>,
}

/// Where the person on call sits: in an issuer's directory, with every program at hand.
struct Desk<'a> {
    lab: &'a Lab,
    book: &'a Book,
    home: Home,
    database: &'static str,
}

impl Desk<'_> {
    fn on_postgres(&self) -> bool {
        self.database == "psql"
    }

    /// Runs the one command that is written and begins like this, with these shell variables; the answer is what it said.
    fn run(&self, beginning: &str, names: &[Name]) -> Result<String> {
        let finished = self.finish(beginning, names)?;
        ensure!(finished.code() == Some(0), "{beginning}: {}", finished.stderr);
        Ok(finished.stdout)
    }

    /// A statement of the document, in the words for this database.
    fn sql(&self, statement: &str) -> Result<String> {
        let lines = self.book.written.iter();
        let line = lines.filter(|line| line.starts_with(self.database)).find(|line| line.contains(statement));
        self.run(line.with_context(|| format!("{statement} is not written for {}", self.database))?, &[])
    }

    fn finish(&self, beginning: &str, names: &[Name]) -> Result<Finished> {
        // The shortest: `compromise "$KID"` also begins `compromise "$KID" --now`.
        let line =
            self.book.written.iter().filter(|line| line.starts_with(beginning)).min_by_key(|line| line.len());
        let line = line.with_context(|| format!("no command begins: {beginning}"))?;
        self.book.ran.borrow_mut().insert(line.clone());
        let tools = &self.lab.tools;
        let programs = [tools.keystone.parent(), Some(tools.postgres.as_path())];
        let path: Vec<String> =
            programs.iter().flatten().map(|folder| folder.display().to_string()).collect();
        let database = self.home.database_url().map(|url| ("KEYSTONE_DATABASE_URL", url.to_owned()));
        let names: Vec<Name> = names.iter().cloned().chain(database).collect();
        shell::run(&self.home, &format!("PATH={}:$PATH; {line}", path.join(":")), &names)
    }
}

/// A client to leak the secret of, and one that may do what the runbook asks of an administrator.
const STAFF: &str = r#"
[[clients]]
client_id = "leaky"
name = "A client whose secret leaks"
grants = ["client_credentials"]
scopes = ["orders:read"]

[[clients]]
client_id = "on-call"
name = "The person on call"
grants = ["client_credentials"]
scopes = ["keystone:users:read", "keystone:users:write", "keystone:clients:write", "orders:read"]
"#;
