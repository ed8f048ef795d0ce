//! A stand-in for Envoy: workers of one process with a common clock and shared data, and what each was asked to do.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crate::host::{Answer, Fetch, Host, Level, Shared};
use crate::pairs;
use crate::vm::{Action, Vm};

/// One Envoy process.
#[derive(Debug)]
pub(crate) struct Process {
    now: Cell<Duration>,
    records: RefCell<BTreeMap<String, Shared>>,
    last_version: Cell<u32>,
}

impl Process {
    pub(crate) fn start() -> Rc<Self> {
        Rc::new(Self { now: Cell::new(NOW), records: RefCell::default(), last_version: Cell::new(0) })
    }

    pub(crate) fn wait(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }

    /// As if the host refused to tell the time.
    pub(crate) fn stop_clock(&self) {
        self.now.set(Duration::ZERO);
    }
}

/// One worker thread with its VM, in which one plugin is configured as context 1.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) host: Rc<Fake>,
    vm: Vm<Rc<Fake>>,
}

impl Worker {
    pub(crate) fn new(process: &Rc<Process>, policy: &str) -> Self {
        let mut worker = Self::unconfigured(process, policy);
        assert!(worker.configure(), "{:?}", worker.host.log);
        worker
    }

    pub(crate) fn unconfigured(process: &Rc<Process>, policy: &str) -> Self {
        let host = Rc::new(Fake { configuration: RefCell::new(policy.into()), ..Fake::new(process) });
        let mut vm = Vm::new(Rc::clone(&host));
        vm.create(1, 0);
        Self { host, vm }
    }

    pub(crate) fn configure(&mut self) -> bool {
        self.vm.configure(1)
    }

    pub(crate) fn tick(&mut self) {
        self.vm.tick(1);
    }

    /// Answers the fetch that was started last.
    pub(crate) fn fetched(&mut self, status: &str, body: &[u8]) {
        self.host.fetched.replace(Some((status.into(), body.into())));
        let call = u32::try_from(self.host.fetches.borrow().len()).unwrap();
        self.vm.fetched(1, call, body.len());
    }

    pub(crate) fn send(&mut self, headers: &[(&str, &str)]) -> Outcome {
        self.send_raw(pairs::write(headers))
    }

    pub(crate) fn send_raw(&mut self, headers: Vec<u8>) -> Outcome {
        let readable = pairs::read(&headers).unwrap_or_default();
        let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.host
            .upstream
            .replace(readable.iter().map(|(name, value)| (owned(name), owned(value))).collect());
        self.host.request.replace(headers);
        self.host.response.replace(None);
        self.host.calls.set(0);

        self.vm.create(7, 1);
        let action = self.vm.request(7);
        self.vm.delete(7);
        Outcome {
            action,
            calls: self.host.calls.get(),
            upstream: self.host.upstream.take(),
            response: self.host.response.take(),
        }
    }

    /// `GET path` with a bearer token: the status and the reason, 200 if it goes on.
    pub(crate) fn get(&mut self, path: &str, token: &str) -> (u16, String) {
        let bearer = format!("Bearer {token}");
        let outcome = self.send(&[(":method", "GET"), (":path", path), ("authorization", &bearer)]);
        outcome.response.map_or((200, String::new()), |response| (response.status, response.details))
    }
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) action: Action,
    pub(crate) calls: u32,
    pub(crate) upstream: Vec<(String, String)>,
    pub(crate) response: Option<Response>,
}

impl Outcome {
    pub(crate) fn upstream(&self, name: &str) -> Vec<&str> {
        self.upstream.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str()).collect()
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) details: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// The host of one worker.
#[derive(Debug)]
pub(crate) struct Fake {
    process: Rc<Process>,
    pub(crate) configuration: RefCell<String>,
    pub(crate) calls: Cell<u32>,
    pub(crate) refuses_changes: Cell<bool>,
    pub(crate) knows_cluster: Cell<bool>,
    pub(crate) log: RefCell<Vec<(Level, String)>>,
    pub(crate) pace: Cell<Option<Duration>>,
    /// The clusters, authorities and paths of the fetches.
    pub(crate) fetches: RefCell<Vec<String>>,
    fetched: RefCell<Option<(String, Vec<u8>)>>,
    request: RefCell<Vec<u8>>,
    upstream: RefCell<Vec<(String, String)>>,
    response: RefCell<Option<Response>>,
}

impl Fake {
    fn new(process: &Rc<Process>) -> Self {
        Self {
            process: Rc::clone(process),
            configuration: RefCell::default(),
            calls: Cell::new(0),
            refuses_changes: Cell::new(false),
            knows_cluster: Cell::new(true),
            log: RefCell::default(),
            pace: Cell::new(None),
            fetches: RefCell::default(),
            fetched: RefCell::default(),
            request: RefCell::default(),
            upstream: RefCell::default(),
            response: RefCell::default(),
        }
    }

    /// The last line of the log.
    pub(crate) fn last_line(&self) -> String {
        self.log.borrow().last().map(|(_, line)| line.clone()).unwrap_or_default()
    }

    fn count(&self) {
        self.calls.set(self.calls.get() + 1);
    }
}

impl Host for Rc<Fake> {
    fn log(&self, level: Level, line: &str) {
        self.count();
        self.log.borrow_mut().push((level, line.into()));
    }

    fn now(&self) -> Duration {
        self.count();
        self.process.now.get()
    }

    fn configuration(&self) -> Option<Vec<u8>> {
        Some(self.configuration.borrow().clone().into())
    }

    fn tick_every(&self, period: Duration) {
        self.count();
        self.pace.set(Some(period));
    }

    fn shared(&self, name: &str) -> Option<Shared> {
        self.count();
        self.process.records.borrow().get(name).cloned()
    }

    fn share(&self, name: &str, value: &[u8], version: Option<u32>) -> bool {
        self.count();
        let mut records = self.process.records.borrow_mut();
        // As the host does it: a version is only compared where there is a record.
        if let (Some(record), Some(version)) = (records.get(name), version)
            && record.version != version
        {
            return false;
        }
        let version = self.process.last_version.get() + 1;
        self.process.last_version.set(version);
        records.insert(name.into(), Shared { value: value.into(), version });
        true
    }

    fn fetch(&self, fetch: &Fetch<'_>) -> Option<u32> {
        let header = |name| fetch.headers.iter().find(|(given, _)| *given == name).unwrap().1;
        if !self.knows_cluster.get() {
            return None;
        }
        let mut fetches = self.fetches.borrow_mut();
        fetches.push(format!("{} {}{}", fetch.cluster, header(":authority"), header(":path")));
        u32::try_from(fetches.len()).ok()
    }

    fn fetched_status(&self) -> Option<Vec<u8>> {
        self.fetched
            .borrow()
            .as_ref()
            .map(|(status, _)| status.clone().into())
            .filter(|s: &Vec<u8>| !s.is_empty())
    }

    fn fetched_body(&self, limit: usize) -> Option<Vec<u8>> {
        self.fetched.borrow().as_ref().map(|(_, body)| body.iter().copied().take(limit).collect())
    }

    fn request_headers(&self) -> Option<Vec<u8>> {
        self.count();
        Some(self.request.borrow().clone())
    }

    fn set_request_header(&self, name: &str, value: &str) -> bool {
        self.count();
        let mut upstream = self.upstream.borrow_mut();
        upstream.retain(|(given, _)| given != name);
        upstream.push((name.into(), value.into()));
        !self.refuses_changes.get()
    }

    fn remove_request_header(&self, name: &[u8]) -> bool {
        self.count();
        self.upstream.borrow_mut().retain(|(given, _)| given.as_bytes() != name);
        !self.refuses_changes.get()
    }

    fn respond(&self, answer: &Answer<'_>) -> bool {
        self.count();
        self.response.replace(Some(Response {
            status: answer.status,
            details: answer.details.into(),
            headers: answer.headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            body: String::from_utf8(answer.body.into()).unwrap(),
        }));
        true
    }
}

/// A policy of one issuer with these `keys` and these `identity_headers`.
pub(crate) fn policy(keys: &str, identity_headers: &str) -> String {
    format!(
        r#"{{ "version": 1,
  "issuers": [ {{ "issuer": "http://as.test", "audiences": ["orders"], "keys": {keys} }} ],
  "routes": [ {{ "methods": ["GET"], "path": "/", "public": true }},
              {{ "methods": ["GET"], "path": "/orders", "require": {{ "all": ["orders:read"] }} }},
              {{ "methods": ["POST"], "path": "/orders", "require": {{ "all": ["orders:write"] }} }} ],
  "identity_headers": {identity_headers} }}"#
    )
}

/// Where the fetched keys of a test are.
pub(crate) const REMOTE: &str = r#"{ "url": "http://as.test/jwks.json", "cluster": "keystone" }"#;

/// When the tokens below were issued, for 900 seconds.
pub(crate) const NOW: Duration = Duration::from_secs(1_800_000_000);

/// The set of the first key.
pub(crate) const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"eGVygzLgOmO2RCtC75jusdS-_R6cUDK4PXD2Tl9VGlA","kid":"RTr_Og-QZMZvUb4H-wYdOARbkdo0f5KAKIIkzJ8xpdU","alg":"EdDSA","use":"sig"}]}"#;

/// The set of both keys.
pub(crate) const JWKS_OF_BOTH: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"eGVygzLgOmO2RCtC75jusdS-_R6cUDK4PXD2Tl9VGlA","kid":"RTr_Og-QZMZvUb4H-wYdOARbkdo0f5KAKIIkzJ8xpdU","alg":"EdDSA","use":"sig"},{"kty":"OKP","crv":"Ed25519","x":"X_m_tz-PLK-6Ym3Vm9oOtIA70mLt8UD_buxjlzaRMhw","kid":"fmTdqvbNzWesXwJxeo_YValX2Mz1Uit50rGAwa7RoYA","alg":"EdDSA","use":"sig"}]}"#;

/// Signed by the first key: alice, client `orders-app`, scope `orders:read`, session `s-1`, role `customer`.
pub(crate) const TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6IlJUcl9PZy1RWk1adlViNEgtd1lkT0FSYmtkbzBmNUtBS0lJa3pKOHhwZFUiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJodHRwOi8vYXMudGVzdCIsImF1ZCI6Im9yZGVycyIsInN1YiI6ImFsaWNlLTEiLCJjbGllbnRfaWQiOiJvcmRlcnMtYXBwIiwiaWF0IjoxODAwMDAwMDAwLCJuYmYiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMDkwMCwianRpIjoiajEiLCJzaWQiOiJzLTEiLCJzY29wZSI6Im9yZGVyczpyZWFkIiwicm9sZXMiOlsiY3VzdG9tZXIiXSwidHlwZSI6ImFjY2VzcyJ9.HJWc1B-Ju68aEbK92ETCiuLZhzXIK025LlIGcCHWpY8B1ioGHFQ9opYoWSOvoFGRjUFIxNHKUJ_VZryzs6RHAg";

/// The same, signed by the second key.
pub(crate) const TOKEN_OF_SECOND_KEY: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImZtVGRxdmJOeldlc1h3Snhlb19ZVmFsWDJNejFVaXQ1MHJHQXdhN1JvWUEiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJodHRwOi8vYXMudGVzdCIsImF1ZCI6Im9yZGVycyIsInN1YiI6ImFsaWNlLTEiLCJjbGllbnRfaWQiOiJvcmRlcnMtYXBwIiwiaWF0IjoxODAwMDAwMDAwLCJuYmYiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMDkwMCwianRpIjoiajEiLCJzaWQiOiJzLTEiLCJzY29wZSI6Im9yZGVyczpyZWFkIiwicm9sZXMiOlsiY3VzdG9tZXIiXSwidHlwZSI6ImFjY2VzcyJ9.oiwK_Qd_rbUmGZazvaepCr2qPNbRfNkNW3s3cuq5nPlkOiXDZ_Ka3IdZmIdzUY7uED-HLJc0AyaCRr9zogNADQ";
