//! Checks that the files in `issuer/deploy/` work: their arguments, settings and probes, on this machine's addresses.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::cast;
use keystone_tests::deployment::{self, Launch};
use keystone_tests::http::Site;
use keystone_tests::issuer::{Issuer, write_private};
use keystone_tests::orders::Orders;
use keystone_tests::process::Process;
use keystone_tests::program::Program;
use keystone_tests::stack::{self, Backends};
use keystone_tests::{ports, wait};
use serde_json::{Value, json};

use crate::lab::{Alone, Lab, promises};

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    the_image_starts_with_nothing_else,
    the_manifests_start_an_issuer_that_passes_its_probes,
    the_compose_file_puts_an_issuer_behind_a_gateway,
    the_unit_starts_an_issuer_in_production,
];

fn the_image_starts_with_nothing_else(lab: &Lab) -> Result<()> {
    let bench = Bench::new(lab, "image")?;
    let data = bench.path("data");
    let launch = bench.on_loopback(Launch::image()?)?.with(&[("/var/lib/keystone", &data)])?;

    bench.serve(launch).map(drop)
}

fn the_manifests_start_an_issuer_that_passes_its_probes(lab: &Lab) -> Result<()> {
    let bench = Bench::new(lab, "kubernetes")?;
    let backends = Backends::start(&lab.tools, &bench.home.join("backends"), &lab.ledger)?;
    let template = deployment::resource("kubernetes/secret.yaml", "Secret")?;
    let wanted = deployment::at(&template, "/stringData")?.as_object().context("no map")?;
    ensure!(wanted.values().all(|value| value == ""), "the template holds a secret: {wanted:?}");
    for (name, value) in bench.secrets(&backends)? {
        ensure!(wanted.contains_key(name), "the template lacks {name}");
        write_private(&bench.home.join(name), &value)?;
    }
    let mounted = [("/run/secrets/keystone/", bench.path(""))];
    let mounted: Vec<(&str, &str)> = mounted.iter().map(|(from, to)| (*from, to.as_str())).collect();

    let migrate = Launch::kubernetes("kubernetes/migrate.yaml", "Job")?.with(&mounted)?;
    bench.run(&migrate)?;
    let launch = Launch::kubernetes("kubernetes/issuer.yaml", "Deployment")?;
    let probes = deployment::probes(&launch, "kubernetes/issuer.yaml", "Deployment")?;
    let issuer = bench.serve(bench.on_loopback(launch.with(&mounted)?)?)?;

    for path in probes {
        issuer.operations.get(&path).send()?.expect(200)?;
    }
    ensure!(!bench.home.join("keystone-data").exists(), "a file system that is only read was written to");
    Ok(())
}

fn the_compose_file_puts_an_issuer_behind_a_gateway(lab: &Lab) -> Result<()> {
    let bench = Bench::new(lab, "compose")?;
    let backends = Backends::start(&lab.tools, &bench.home.join("backends"), &lab.ledger)?;
    let secrets = made_secrets(&bench)?;
    for (name, value) in bench.secrets(&backends)?.into_iter().filter(|(name, _)| *name != KEK) {
        fs::remove_file(bench.home.join("secrets").join(name))?;
        write_private(&bench.home.join("secrets").join(name), &value)?;
    }
    let mounted = [("/run/secrets/", secrets.as_str()), ("172.30.77.0/24", "127.0.0.1")];

    let migrate = Launch::compose("migrate")?.with(&mounted)?;
    bench.run(&migrate)?;
    let launch = bench.on_loopback(Launch::compose("keystone")?.with(&mounted)?)?;
    let applied = bench.apply(&launch)?;
    let issuer = bench.serve(launch)?;
    stack::create_people(&issuer, &applied)?;
    let gateway = Gateway::start(&bench, &secrets, &issuer)?;

    let login =
        gateway.ask(&["/auth/token", "-d", "grant_type=password", "-d", "client_id=orders-app"], "alice")?;
    let login: Value = serde_json::from_str(&login)?;
    let token = deployment::text(deployment::at(&login, "/access_token")?)?;
    lab.ledger.note(&token);
    let bearer = format!("authorization: Bearer {token}");
    let status =
        |args: &[&str]| gateway.ask(&[args, &["-o", "answer.txt", "-w", "%{http_code}"]].concat(), "");
    let judged = || Ok(status(&["/orders", "-H", &bearer])? == "200");
    wait::until("the gateway to let Alice read orders", Duration::from_secs(30), judged)?;
    assert_eq!(status(&["/orders"])?, "401");
    assert_eq!(status(&["/orders", "-H", &bearer, "-d", "{}"])?, "403");
    assert_eq!(status(&["/admin/users", "-H", &bearer])?, "403");
    assert_eq!(
        status(&["/users/me", "-H", &bearer])?,
        "401",
        "the issuer judges for itself: another audience"
    );
    Ok(())
}

fn the_unit_starts_an_issuer_in_production(lab: &Lab) -> Result<()> {
    let bench = Bench::new(lab, "unit")?;
    let settings = format!(
        "mode = 'production'\nissuer = 'https://id.example.com'\nlisten = '127.0.0.1:{}'\noperations_listen = '127.0.0.1:{}'\nlimits.trusted_proxies = ['127.0.0.1']\n",
        bench.listen, bench.operations
    );
    write_private(&bench.home.join("keystone.toml"), &settings)?;
    write_private(&bench.home.join(KEK), &key_encryption_key())?;
    let unit = deployment::read("keystone.service")?;
    ensure!(unit.contains(&format!("LoadCredential={KEK}:/etc/keystone/{KEK}\n")), "the unit gets no key");
    let (home, data) = (bench.path(""), bench.path("data"));

    let launch =
        Launch::unit()?.with(&[("/etc/keystone/", &home), ("%d/", &home), ("/var/lib/keystone", &data)])?;

    bench.serve(launch).map(drop)
}

/// A directory and two free ports for what a deployment file starts.
struct Bench<'a> {
    lab: &'a Lab,
    home: std::path::PathBuf,
    listen: u16,
    operations: u16,
}

impl<'a> Bench<'a> {
    fn new(lab: &'a Lab, name: &str) -> Result<Self> {
        let home = lab.directory(&format!("deployment-{name}"))?;
        Ok(Self { lab, home, listen: ports::free()?, operations: ports::free()? })
    }

    fn path(&self, name: &str) -> String {
        self.home.join(name).display().to_string()
    }

    fn on_loopback(&self, launch: Launch) -> Result<Launch> {
        let (listen, operations) =
            (format!("127.0.0.1:{}", self.listen), format!("127.0.0.1:{}", self.operations));
        launch.with(&[("0.0.0.0:8000", &listen), ("0.0.0.0:9000", &operations)])
    }

    /// Under the names of the files that hold them.
    fn secrets(&self, backends: &Backends) -> Result<[(&'static str, String); 3]> {
        let database = backends.postgres.database("keystone")?;
        Ok([
            ("database_url", database),
            ("redis_url", backends.redis.url.clone()),
            (KEK, key_encryption_key()),
        ])
    }

    fn program(&self, launch: &Launch, args: &[String]) -> Result<Program> {
        ensure!(launch.program == "/usr/local/bin/keystone", "{} is not the issuer", launch.program);
        let name = args.last().context("no arguments")?.trim_start_matches('-');
        let program = Program::new(name, &self.lab.tools.keystone, &self.home).args(args);
        Ok(launch.env.iter().fold(program, |program, (name, value)| program.env(name, value)))
    }

    /// To its end.
    fn run(&self, launch: &Launch) -> Result<String> {
        self.program(launch, &launch.args)?.run("", Duration::from_secs(60))?.succeeded()
    }

    /// The cast's scopes, roles and clients; the answer is the secret of `demo-setup`.
    fn apply(&self, launch: &Launch) -> Result<String> {
        fs::write(self.home.join("apply.toml"), cast::orders("https://localhost:8443"))?;
        let args = ["apply", "apply.toml", "--json", "--show-secrets"].map(str::to_owned).to_vec();
        let applied: Value = serde_json::from_str(&self.run(&Launch { args, ..launch.clone() })?)?;
        for secret in
            applied.pointer("/secrets").and_then(Value::as_object).into_iter().flat_map(|all| all.values())
        {
            self.lab.ledger.note(&deployment::text(secret)?);
        }
        deployment::text(deployment::at(&applied, "/secrets/demo-setup")?)
    }

    /// Until it says that it is ready.
    fn serve(&self, launch: Launch) -> Result<Issuer> {
        let process = self.program(&launch, &launch.args)?.start()?;
        Issuer::ready(process, [self.listen, self.operations], &self.lab.ledger)
    }
}

/// Checks that `secrets.sh` makes the files that `compose.yaml` mounts; returns the folder, with a slash.
fn made_secrets(bench: &Bench<'_>) -> Result<String> {
    let script = bench.home.join("secrets.sh");
    fs::copy(deployment::folder().join("secrets.sh"), &script)?;
    let run = || {
        Program::new("secrets", Path::new("/bin/sh"), &bench.home)
            .arg(&script)
            .run("", Duration::from_secs(60))
    };
    run()?.succeeded()?;
    let secret = |name: &str| {
        fs::read_to_string(bench.home.join("secrets").join(name)).with_context(|| name.to_owned())
    };
    let password = secret("postgres_password")?;
    run()?.succeeded()?;
    assert_eq!(secret("postgres_password")?, password, "a second run changed what was there");
    assert_eq!(
        secret("database_url")?.trim(),
        format!("postgres://keystone:{}@postgres/keystone", password.trim())
    );

    let file = deployment::compose()?;
    for service in ["postgres", "redis", "keystone", "envoy"] {
        for name in
            deployment::at(&file, &format!("/services/{service}/secrets"))?.as_array().context("no list")?
        {
            let name = deployment::text(name)?;
            let source = deployment::text(deployment::at(&file, &format!("/secrets/{name}/file"))?)?;
            ensure!(bench.home.join(&source).exists(), "secrets.sh makes no {source}");
            bench.lab.ledger.note(secret(&name)?.trim());
        }
    }
    Ok(bench.path("secrets/"))
}

/// The Envoy of `compose.yaml` with the file that is mounted there, in front of the issuer and the orders API.
struct Gateway<'a> {
    bench: &'a Bench<'a>,
    port: u16,
    _process: Process,
    _orders: Orders,
}

impl<'a> Gateway<'a> {
    fn start(bench: &'a Bench<'_>, secrets: &str, issuer: &Issuer) -> Result<Self> {
        let [port, admin, api] = [ports::free()?, ports::free()?, ports::free()?];
        let file = deployment::compose()?;
        let public = deployment::at(&file, "/services/keystone/environment/KEYSTONE_ISSUER")?;
        let config = deployment::read("envoy.yaml")?;
        ensure!(
            config.contains(&format!("\"issuer\": {public}")),
            "the policy is for another issuer than {public}"
        );
        let address = |host: &str, port: u16| format!("address: {host}, port_value: {port}");
        let config = deployment::replaced(
            &config,
            &[
                (&address("127.0.0.1", 9901), &address("127.0.0.1", admin)),
                (&address("0.0.0.0", 8443), &address("127.0.0.1", port)),
                (&address("keystone", 8000), &address("127.0.0.1", issuer.site.port)),
                (&address("host.docker.internal", 8080), &address("127.0.0.1", api)),
                ("/run/secrets/", secrets),
                ("/etc/envoy/keystone_envoy_filter.wasm", &bench.lab.tools.filter.display().to_string()),
            ],
        )?;
        fs::write(bench.home.join("envoy.yaml"), config)?;
        let orders = Orders::start(api, &bench.lab.tools.package, json!({}))?;
        let args = deployment::at(&file, "/services/envoy/command")?.as_array().context("no list")?;
        let args = args.iter().map(deployment::text).collect::<Result<Vec<_>>>()?;
        let mut process = Program::new("envoy", &bench.lab.tools.envoy, &bench.home)
            .args(args.iter().map(|arg| arg.replace("/etc/envoy/envoy.yaml", "envoy.yaml")))
            .args(["--disable-hot-restart", "--concurrency", "1"])
            .start()?;
        let admin = Site::new(admin, &bench.lab.ledger);
        let ready = || admin.get("/ready").send().is_ok_and(|answer| answer.status == 200);
        process.ready(Duration::from_secs(60), ready)?;
        Ok(Self { bench, port, _process: process, _orders: orders })
    }

    /// `curl` over TLS, trusting only the certificate that `secrets.sh` made; `name` signs in.
    fn ask(&self, args: &[&str], name: &str) -> Result<String> {
        let (path, args) = args.split_first().context("no path")?;
        let mut curl = Program::new("curl", Path::new("/usr/bin/curl"), &self.bench.home)
            // A refusal that comes before the end of the body is an error for some curls over HTTP/2 (RFC 9113 §8.1).
            .args(["--silent", "--show-error", "--http1.1", "--cacert", "secrets/tls.crt"])
            .args(args.iter().copied());
        if !name.is_empty() {
            let password = cast::password(name)?;
            self.bench.lab.ledger.note(password);
            curl = curl.args(["-d", &format!("username={name}"), "-d", &format!("password={password}")]);
        }
        curl.arg(format!("https://127.0.0.1:{}{path}", self.port))
            .run("", Duration::from_secs(60))?
            .succeeded()
    }
}

fn key_encryption_key() -> String {
    format!("kskek_{}", "5e".repeat(32))
}

const KEK: &str = "key_encryption_key";
