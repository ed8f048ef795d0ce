//! Revocations outlive the VM that knows them, while the issuer does not answer.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use keystone_tests::clock::Clock;
use keystone_tests::envoy::{Envoy, Setup, Start};
use keystone_tests::http2;
use keystone_tests::issuer::Issuer;
use keystone_tests::orders::Orders;
use keystone_tests::tools::Tools;
use keystone_tests::{cast, ports, wait};
use serde_json::{Value, json};

use crate::lab::{Alone, Lab, promises, serving_the_cast};
use crate::load::Load;
use crate::module;

pub(crate) const PROMISES: &[(&str, Alone)] = promises![
    a_revoked_token_stays_revoked_when_a_vm_ends,
    a_revoked_token_stays_revoked_when_the_code_is_updated,
    revocations_that_cannot_be_read_back_are_waited_for,
];

/// The module is the filter's own, but that a request with trailers traps. The VM is reloaded three times.
fn a_revoked_token_stays_revoked_when_a_vm_ends(lab: &Lab) -> Result<()> {
    let filter = lab.directory("vm-ends-filter")?.join("trap.wasm");
    fs::write(&filter, module::trapping_in(&fs::read(&lab.tools.filter)?, "proxy_on_request_trailers")?)?;
    let tools = Tools { filter, ..lab.tools.clone() };
    let followed = Followed::start(&Lab::new(tools, &lab.root, lab.ledger.clone()), "vm-ends", 1)?;
    followed.issuer.process.freeze()?;

    let refused = || followed.is_answered(&followed.gone, 401);
    let accepted = || followed.is_answered(&followed.other, 200);
    Load::new().and(refused).and(accepted).during(|watch| {
        for reloads in 1..=3 {
            watch.rounds(20)?;
            let request: [(&[u8], &[u8]); 4] =
                [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")];
            http2::send_with_trailers(followed.envoy.site.port, &request, &[(b"x-trailer", b"1")])?;
            wait::until("the VM to be reloaded", PATIENCE, || {
                Ok(followed.envoy.statistic("vm_reload_success")? >= reloads)
            })?;
        }
        watch.rounds(100)
    })?;

    let log = fs::read_to_string(followed.envoy.process.log())?;
    ensure!(log.contains("Function: proxy_on_request_trailers"), "no VM has failed");
    followed.judges()?;
    followed.issuer.process.thaw()
}

/// Other code of the filter begins in new VMs.
fn a_revoked_token_stays_revoked_when_the_code_is_updated(lab: &Lab) -> Result<()> {
    let followed = Followed::start(lab, "updated-code", 2)?;
    followed.issuer.process.freeze()?;

    let refused = || followed.envoy.site.get("/orders").bearer(&followed.gone).send()?.expect(401).map(drop);
    let accepted =
        || followed.envoy.site.get("/orders").bearer(&followed.other).send()?.expect(200).map(drop);
    Load::new().and(refused).and(accepted).during(|watch| {
        watch.rounds(5)?;
        let next = module::renamed(&fs::read(&lab.tools.filter)?);
        ensure!(followed.envoy.upgrade(&next, &followed.policy)?, "the other build was refused");
        watch.rounds(100)
    })?;

    followed.judges()?;
    followed.issuer.process.thaw()
}

/// As if another plugin with the same `vm_id` had written over them.
fn revocations_that_cannot_be_read_back_are_waited_for(lab: &Lab) -> Result<()> {
    let followed = Followed::start(lab, "foreign-records", 2)?;
    let site = &followed.envoy.site;
    followed.issuer.process.freeze()?;

    let next = module::of_another_release(&fs::read(&lab.tools.filter)?)?;
    ensure!(followed.envoy.upgrade(&next, &followed.policy)?, "the other build was refused");

    followed.all(&followed.other, 503)?;
    for token in [&followed.gone, &followed.other] {
        let answer = site.get("/orders").bearer(token).send()?.expect(503)?;
        assert_eq!(answer.reason().as_deref(), Some("revocations_stale"));
    }
    site.get("/").send()?.expect(200)?;
    site.get("/orders").send()?.expect(401)?;
    let log = fs::read_to_string(followed.envoy.process.log())?;
    ensure!(log.contains("could not be restored"), "the log does not say so");

    followed.issuer.process.thaw()?;
    followed.all(&followed.gone, 401)?;
    followed.all(&followed.other, 200)?;
    followed.judges()
}

/// Envoy behind an issuer whose revocation feed it follows.
pub(crate) struct Followed {
    pub(crate) envoy: Envoy,
    /// The keys are in it, so that only revocations can be missing.
    policy: String,
    pub(crate) issuer: Issuer,
    _orders: Orders,
    /// A token that [`Self::revoke`] revokes.
    gone: String,
    other: String,
}

/// The clocks of both programs, where they are not the machine's.
#[derive(Clone, Copy, Default)]
pub(crate) struct Clocks<'a> {
    pub(crate) envoy: Option<&'a Clock>,
    pub(crate) issuer: Option<&'a Clock>,
}

impl Followed {
    /// The token is revoked, as every worker knows.
    fn start(lab: &Lab, name: &str, workers: u32) -> Result<Self> {
        let followed = Self::start_by(lab, name, workers, Clocks::default())?;
        followed.all(&followed.gone, 200)?;
        followed.revoke()?;
        Ok(followed)
    }

    pub(crate) fn start_by(lab: &Lab, name: &str, workers: u32, clocks: Clocks<'_>) -> Result<Self> {
        let home = lab.issuer_home(name, |_| ())?;
        let home = match clocks.issuer {
            Some(clock) => home.on_clock(clock),
            None => home,
        };
        let issuer = serving_the_cast(&home)?;
        let mut policy = cast::policy_with_feed(&issuer.site.url(""));
        let keys = issuer.site.get("/.well-known/jwks.json").send()?.expect(200)?.json()?;
        *policy.pointer_mut("/issuers/0/keys").context("no keys in the policy")? = json!({ "inline": keys });
        let feed = policy.pointer_mut("/issuers/0/revocation").and_then(Value::as_object_mut);
        feed.context("no feed in the policy")?.insert("cluster".to_owned(), json!("keystone"));
        let (listen, api) = (ports::free()?, ports::free()?);
        let policy = policy.to_string();
        let setup = Setup { listen, policy: policy.clone(), orders: api, issuer: issuer.site.port };
        let orders = Orders::start(api, &lab.tools.package, json!({}))?;
        let start = Start::new(&lab.tools, &lab.ledger).workers(workers).dynamic();
        let start = match clocks.envoy {
            Some(clock) => start.clock(clock),
            None => start,
        };
        let envoy = start.run(&home.directory.join("envoy"), &setup)?;
        let (gone, other) = (issuer.login("alice")?.access, issuer.login("alice")?.access);
        Ok(Self { envoy, policy, issuer, _orders: orders, gone, other })
    }

    /// Revokes the token and waits until every worker refuses it.
    pub(crate) fn revoke(&self) -> Result<()> {
        self.issuer.site.post("/auth/logout").bearer(&self.gone).send()?.expect(204)?;
        self.all(&self.gone, 401)
    }

    /// Waits until every worker accepts the tokens.
    pub(crate) fn await_acceptance(&self) -> Result<()> {
        self.all(&self.gone, 200)?;
        self.all(&self.other, 200)
    }

    /// Waits for this answer from every worker.
    fn all(&self, token: &str, status: u16) -> Result<()> {
        let answers = (0..40).map(|_| self.envoy.site.get("/orders").bearer(token).send());
        wait::until(&format!("{status} from every worker"), PATIENCE, || {
            Ok(answers.clone().all(|answer| answer.is_ok_and(|answer| answer.status == status)))
        })
    }

    /// Whether this is the answer, unless there is no VM to give it.
    fn is_answered(&self, token: &str, status: u16) -> Result<()> {
        let answer = self.envoy.site.get("/orders").bearer(token).send()?;
        match answer.status {
            503 => Ok(()),
            _ => answer.expect(status).map(drop),
        }
    }

    /// One token is revoked, the other is not.
    pub(crate) fn judges(&self) -> Result<()> {
        let refused = self.envoy.site.get("/orders").bearer(&self.gone).send()?.expect(401)?;
        assert_eq!(refused.reason().as_deref(), Some("revoked"));
        self.envoy.site.get("/orders").bearer(&self.other).send()?.expect(200).map(drop)
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
