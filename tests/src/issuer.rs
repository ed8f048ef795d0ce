//! The issuer as its operator knows it: a directory with a `keystone.toml`, a command, and an HTTP address.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::getuid;
use serde_json::{Value, json};

use crate::cast;
use crate::clock::Clock;
use crate::http::{Answer, Request, Site};
use crate::ledger::Ledger;
use crate::process::Process;
use crate::program::{Finished, Program};
use crate::tools::Tools;

/// The settings in which issuers differ.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub listen: u16,
    pub operations: u16,
    pub database_url: Option<String>,
    pub redis_url: Option<String>,
    /// The public URL; the listener's address unless set.
    pub issuer: Option<String>,
    /// Where data and development keys are; `data` beside `keystone.toml` unless set.
    pub data_directory: Option<PathBuf>,
    /// More of `keystone.toml`: keys first, then whole sections.
    pub sections: String,
}

/// A directory in which an issuer lives.
#[derive(Clone, Debug)]
pub struct Home {
    pub directory: PathBuf,
    program: PathBuf,
    psql: PathBuf,
    settings: Settings,
    environment: Vec<(&'static str, String)>,
    /// `serve` works on a disk of its own.
    small_disk: bool,
    clock: Option<Clock>,
    ledger: Ledger,
}

impl Home {
    /// Writes `keystone.toml`; data that is already in the directory stays.
    pub fn new(tools: &Tools, directory: &Path, settings: Settings, ledger: &Ledger) -> Result<Self> {
        fs::create_dir_all(directory)?;
        write_private(&directory.join("keystone.toml"), &keystone_toml(&settings))?;
        Ok(Self {
            directory: directory.to_owned(),
            program: tools.keystone.clone(),
            psql: tools.postgres.join("psql"),
            settings,
            environment: Vec::new(),
            small_disk: false,
            clock: None,
            ledger: ledger.clone(),
        })
    }

    /// The same, and `serve` works on a copy of the data, on a disk of 32 megabytes that only its process sees. A failed
    /// write beyond a limit is an error there and does not end it.
    pub fn on_a_small_disk(self) -> Self {
        Self { small_disk: true, ..self }
    }

    /// The same, and all its programs go by this clock.
    pub fn on_clock(self, clock: &Clock) -> Self {
        Self { clock: Some(clock.clone()), ..self }
    }

    /// The same with this in the environment of every command.
    pub fn with_environment(mut self, name: &'static str, value: String) -> Self {
        self.environment.push((name, value));
        self
    }

    /// `keystone ARGS`, run to its end.
    pub fn command(&self, args: &[&str]) -> Result<Finished> {
        self.command_reading(args, "")
    }

    /// The same with this on its standard input.
    pub fn command_reading(&self, args: &[&str], input: &str) -> Result<Finished> {
        self.program(args.first().copied().unwrap_or("keystone"))
            .args(args)
            .run(input, Duration::from_secs(60))
    }

    pub fn migrate(&self) -> Result<()> {
        self.command(&["migrate"])?.succeeded().map(drop)
    }

    /// The first administrator: `{"username", "one_time_password", "expires_at", "client_id"}`.
    pub fn bootstrap(&self) -> Result<Value> {
        let said = self.command(&["bootstrap", "--json"])?.succeeded()?;
        let administrator: Value =
            serde_json::from_str(&said).with_context(|| format!("bootstrap said: {said}"))?;
        self.note(administrator.get("one_time_password"));
        Ok(administrator)
    }

    /// Scopes, roles and clients from TOML: `{"created", "updated", "secrets"}`.
    pub fn apply(&self, wanted: &str) -> Result<Value> {
        fs::write(self.directory.join("apply.toml"), wanted)?;
        let said = self.command(&["apply", "apply.toml", "--json", "--show-secrets"])?.succeeded()?;
        let done: Value = serde_json::from_str(&said).context("apply said something that is not JSON")?;
        for secret in
            done.get("secrets").and_then(Value::as_object).into_iter().flat_map(|secrets| secrets.values())
        {
            self.note(Some(secret));
        }
        Ok(done)
    }

    /// Starts serving and waits until it says that it is ready.
    pub fn serve(&self) -> Result<Issuer> {
        let program = match self.small_disk {
            false => self.program("serve").arg("serve"),
            true => Program::new("serve", Path::new("unshare"), &self.directory)
                .arg(if getuid().is_root() { "-m" } else { "-rm" })
                .args(["sh", "-c", SMALL_DISK])
                .arg(data_directory(&self.settings))
                .arg(&self.program),
        };
        let process = program.start()?;
        Issuer::ready(process, [self.settings.listen, self.settings.operations], &self.ledger)
    }

    /// The same with no more than so many open files.
    pub fn serve_with_descriptors(&self, most: u32) -> Result<Issuer> {
        let limited = format!("ulimit -n {most} && exec \"$0\" serve");
        let program = Program::new("serve", Path::new("/bin/sh"), &self.directory);
        let process = program.args(["-c", &limited]).arg(&self.program).start()?;
        Issuer::ready(process, [self.settings.listen, self.settings.operations], &self.ledger)
    }

    /// Returns the database's answer to a statement, without decoration.
    pub fn ask(&self, sql: &str) -> Result<String> {
        let program = match self.database_url() {
            Some(url) => Program::new("psql", &self.psql, &self.directory).args(["-XAtc", sql, url]),
            None => Program::new("sqlite3", Path::new("sqlite3"), &self.directory)
                .arg(self.sqlite_file())
                .arg(sql),
        };
        Ok(program.run("", Duration::from_secs(30))?.succeeded()?.trim().to_owned())
    }

    /// Where the data is when no database is configured.
    pub fn sqlite_file(&self) -> PathBuf {
        self.directory.join(data_directory(&self.settings)).join("keystone.sqlite3")
    }

    pub fn database_url(&self) -> Option<&str> {
        self.settings.database_url.as_deref()
    }

    /// The same directory on another database.
    pub fn on(&self, database_url: String) -> Result<Self> {
        let settings = Settings { database_url: Some(database_url), ..self.settings.clone() };
        write_private(&self.directory.join("keystone.toml"), &keystone_toml(&settings))?;
        Ok(Self { settings, ..self.clone() })
    }

    /// The address it listens on, which is its public URL too unless set otherwise.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.settings.listen)
    }

    pub fn port(&self) -> u16 {
        self.settings.listen
    }

    fn program(&self, name: &str) -> Program {
        let program = Program::new(name, &self.program, &self.directory);
        let program =
            self.environment.iter().fold(program, |program, (name, value)| program.env(*name, value));
        match &self.clock {
            Some(clock) => clock.of(program),
            None => program,
        }
    }

    fn note(&self, secret: Option<&Value>) {
        if let Some(secret) = secret.and_then(Value::as_str) {
            self.ledger.note(secret);
        }
    }
}

/// A running issuer.
#[derive(Debug)]
pub struct Issuer {
    pub process: Process,
    pub site: Site,
    pub operations: Site,
    ledger: Ledger,
}

impl Issuer {
    /// A program that was started with these two ports, once it says that it is ready.
    pub fn ready(mut process: Process, [listen, operations]: [u16; 2], ledger: &Ledger) -> Result<Self> {
        let operations = Site::new(operations, ledger);
        process.ready(Duration::from_secs(60), || {
            operations.get("/health/ready").send().is_ok_and(|answer| answer.status == 200)
        })?;
        Ok(Self { process, site: Site::new(listen, ledger), operations, ledger: ledger.clone() })
    }

    /// Signs a user in through the app.
    pub fn login(&self, name: &str) -> Result<Tokens> {
        self.tokens(&self.password_grant(name, cast::password(name)?))
    }

    pub fn password_grant(&self, name: &str, password: &str) -> Request {
        self.ledger.note(password);
        self.token(&[("grant_type", "password"), ("username", name), ("password", password)])
    }

    pub fn refresh_grant(&self, token: &str) -> Request {
        self.ledger.note(token);
        self.token(&[("grant_type", "refresh_token"), ("client_id", cast::APP), ("refresh_token", token)])
    }

    /// A service asks for itself, with HTTP Basic.
    pub fn client_grant(&self, id: &str, secret: &str) -> Request {
        self.token(&[("grant_type", "client_credentials")]).basic(id, secret)
    }

    /// `POST /auth/token` with these form fields.
    pub fn token(&self, fields: &[(&str, &str)]) -> Request {
        self.site.post("/auth/token").form(fields)
    }

    /// Sends a token request that must succeed.
    pub fn tokens(&self, request: &Request) -> Result<Tokens> {
        self.received(&request.send()?.expect(200)?)
    }

    /// Returns the tokens in an answer of the token endpoint.
    pub fn received(&self, answer: &Answer) -> Result<Tokens> {
        Tokens::from(answer, &self.ledger)
    }

    /// Creates a user with a password of their own and one role, with a token that allows it.
    pub fn create_user(&self, creator: &str, (name, password, role): (&str, &str, &str)) -> Result<Answer> {
        let user = json!({ "username": name, "roles": [role] });
        let created = self.site.post("/admin/users").bearer(creator).json(&user).send()?;
        if created.status == 201 {
            self.replace_password((cast::APP, name), &created.member("one_time_password")?, password)?;
        }
        Ok(created)
    }

    /// The user logs in with a one-time password and sets one of their own.
    pub fn replace_password(&self, (client, name): (&str, &str), given: &str, own: &str) -> Result<()> {
        self.ledger.note(own);
        self.ledger.note(given);
        let login = [
            ("grant_type", "password"),
            ("client_id", client),
            ("username", name),
            ("password", given),
            ("scope", "keystone:account"),
        ];
        let body = json!({ "new_password": own });
        let answer = self
            .site
            .post("/users/me/password")
            .bearer(&self.tokens(&self.token(&login))?.access)
            .json(&body);
        answer.send()?.expect(204).map(drop)
    }
}

/// The tokens in an answer of the token endpoint.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: Option<String>,
    pub scope: String,
    pub expires_in: u64,
}

impl Tokens {
    pub fn from(answer: &Answer, ledger: &Ledger) -> Result<Self> {
        let body = answer.json()?;
        let refresh = body.get("refresh_token").and_then(Value::as_str).map(str::to_owned);
        let tokens = Self {
            access: answer.member("access_token")?,
            refresh,
            scope: answer.member("scope")?,
            expires_in: body.get("expires_in").and_then(Value::as_u64).context("no expires_in")?,
        };
        ledger.note(&tokens.access);
        tokens.refresh.iter().for_each(|token| ledger.note(token));
        Ok(tokens)
    }

    /// The refresh token, where one is expected.
    pub fn refresh(&self) -> Result<&str> {
        self.refresh.as_deref().context("no refresh token came")
    }
}

/// Readable by its owner only: it may hold passwords.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::write(path, "").with_context(|| format!("cannot write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    fs::write(path, text)?;
    Ok(())
}

/// Takes the directory of the data and the program.
const SMALL_DISK: &str = r#"
    set -e
    trap "" XFSZ
    cp -a "$0" "$0.before"
    mount -t tmpfs -o size=32m,mode=0700 tmpfs "$0"
    cp -a "$0.before/." "$0/"
    exec "$1" serve
"#;

fn data_directory(settings: &Settings) -> PathBuf {
    settings.data_directory.clone().unwrap_or_else(|| PathBuf::from("data"))
}

fn keystone_toml(settings: &Settings) -> String {
    let address = |port: u16| format!("127.0.0.1:{port}");
    let issuer = settings.issuer.clone().unwrap_or_else(|| format!("http://{}", address(settings.listen)));
    let data = data_directory(settings);
    let mut lines = vec![
        format!("issuer = {issuer:?}"),
        format!("listen = {:?}", address(settings.listen)),
        format!("operations_listen = {:?}", address(settings.operations)),
        format!("data_dir = {data:?}"),
        format!("default_client = {:?}", cast::APP),
    ];
    lines.extend(settings.database_url.iter().map(|url| format!("database_url = {url:?}")));
    lines.extend(settings.redis_url.iter().map(|url| format!("redis_url = {url:?}")));
    lines.push(settings.sections.clone());
    lines.join("\n") + "\n"
}
