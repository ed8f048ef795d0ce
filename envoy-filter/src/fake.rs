//! A stand-in for Envoy: workers of one process with a common clock and shared data, and what each was asked to do.
//!
//! What a call into the VM asks for a stream is done when the call returns, one inside the other as Envoy does it: an answer
//! ends its stream, which calls into the VM, and the end of that call does the next (`DeferAfterCallActions` of
//! proxy-wasm-cpp-host).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::host::{Answer, Fetch, Host, Level, Metric, Shared};
use crate::pairs;
use crate::vm::{Action, Vm};

mod given;
mod issuer;

pub(crate) use given::*;
pub(crate) use issuer::*;

/// One Envoy process.
#[derive(Debug)]
pub(crate) struct Process {
    now: Cell<Duration>,
    records: RefCell<BTreeMap<String, Shared>>,
    last_version: Cell<u32>,
    /// The names of the records in the order in which they were written.
    written: RefCell<Vec<String>>,
    /// By their numbers.
    metrics: RefCell<Vec<(String, u64)>>,
}

impl Process {
    pub(crate) fn start() -> Rc<Self> {
        Rc::new(Self {
            now: Cell::new(NOW),
            records: RefCell::default(),
            last_version: Cell::new(0),
            written: RefCell::default(),
            metrics: RefCell::default(),
        })
    }

    /// The side of one more worker that its VM speaks to.
    pub(crate) fn host(self: &Rc<Self>) -> Rc<Fake> {
        Rc::new(Fake::new(self))
    }

    /// Seconds since 1970.
    pub(crate) fn set_time(&self, now: u64) {
        self.now.set(Duration::from_secs(now));
    }

    pub(crate) fn wait(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }

    pub(crate) fn set_back(&self, time: Duration) {
        self.now.set(self.now.get() - time);
    }

    /// What another plugin does that writes this to all records with such a name.
    pub(crate) fn overwrite(&self, part: &str, value: &[u8]) {
        let version = self.last_version.get() + 1;
        self.last_version.set(version);
        for (_, record) in self.records.borrow_mut().iter_mut().filter(|(name, _)| name.contains(part)) {
            *record = Shared { value: value.into(), version };
        }
    }

    pub(crate) fn written(&self) -> Vec<String> {
        self.written.borrow().clone()
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
        let taken = self.vm.configure(1);
        self.returned(0);
        taken
    }

    pub(crate) fn tick(&mut self) {
        self.host.attended.set(1);
        self.vm.tick(1);
        self.returned(0);
    }

    /// Ticks at the pace that the filter asked for, until so much time has passed.
    pub(crate) fn tick_for(&mut self, time: Duration) {
        let end = self.host.process.now.get() + time;
        while self.host.process.now.get() < end {
            self.host.process.wait(self.host.pace.get().unwrap_or(time));
            self.tick();
        }
    }

    /// Does what the call that has returned asked for, `depth` calls inside others.
    fn returned(&mut self, depth: usize) {
        assert!(depth <= DEEPEST, "Maximum call stack size exceeded");
        loop {
            let Some(asked) = self.host.asked.borrow_mut().pop_front() else { return };
            let ends = match asked {
                Asked::Answer(context, response) => {
                    let mut streams = self.host.streams.borrow_mut();
                    streams.get_mut(&context).map(|stream| stream.response = Some(response));
                    Some(context)
                }
                Asked::GoOn(context) => {
                    let mut streams = self.host.streams.borrow_mut();
                    streams.get_mut(&context).map(|stream| stream.resumed = true);
                    // Without an upstream the router answers at once.
                    Some(context).filter(|_| !self.host.has_upstream.get())
                }
            };
            if let Some(context) = ends {
                self.vm.delete(context);
                self.returned(depth + 1);
            }
        }
    }

    /// Answers the fetch that was started last.
    pub(crate) fn fetched(&mut self, status: &str, body: &[u8]) {
        let last = self.host.fetches.borrow().len();
        self.answer(last, status, body);
    }

    pub(crate) fn send(&mut self, headers: &[(&str, &str)]) -> Outcome {
        self.send_raw(pairs::write(headers))
    }

    pub(crate) fn send_raw(&mut self, headers: Vec<u8>) -> Outcome {
        let action = self.begin_raw(7, headers);
        let outcome = Outcome { action, ..self.outcome(7) };
        self.end(7);
        outcome
    }

    /// A request that stays open under this context until [`Self::end`].
    pub(crate) fn begin(&mut self, context: u32, headers: &[(&str, &str)]) -> Action {
        self.begin_raw(context, pairs::write(headers))
    }

    fn begin_raw(&mut self, context: u32, headers: Vec<u8>) -> Action {
        self.host.calls.set(0);
        self.host.streams.borrow_mut().insert(context, Stream { headers, ..Stream::default() });
        self.host.attended.set(context);
        self.vm.create(context, 1);
        let action = self.vm.request(context);
        self.returned(0);
        action
    }

    pub(crate) fn end(&mut self, context: u32) {
        let stream = self.host.streams.borrow_mut().remove(&context);
        if stream.is_some_and(|stream| stream.response.is_none()) {
            self.vm.delete(context);
            self.returned(0);
        }
    }

    /// What became of a request up to now. It counts as gone on if the filter let it do so later.
    pub(crate) fn outcome(&self, context: u32) -> Outcome {
        let mut streams = self.host.streams.borrow_mut();
        let stream = streams.get_mut(&context).unwrap();
        let readable = pairs::read(&stream.headers).unwrap_or_default();
        let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Outcome {
            action: if stream.resumed { Action::Continue } else { Action::Stop },
            calls: self.host.calls.get(),
            upstream: readable.iter().map(|(name, value)| (owned(name), owned(value))).collect(),
            note: stream.note.take(),
            response: stream.response.take(),
        }
    }

    /// `GET path` with a bearer token: the status and the reason, 200 if it goes on, 0 if it is held.
    pub(crate) fn get(&mut self, path: &str, token: &str) -> (u16, String) {
        let bearer = format!("Bearer {token}");
        let outcome = self.send(&[(":method", "GET"), (":path", path), ("authorization", &bearer)]);
        match (outcome.response, outcome.action) {
            (Some(response), _) => (response.status, response.details),
            (None, Action::Continue) => (200, String::new()),
            (None, Action::Stop) => (0, String::new()),
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) action: Action,
    pub(crate) calls: u32,
    pub(crate) upstream: Vec<(String, String)>,
    /// What access logs find under `keystone`.
    pub(crate) note: Option<String>,
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
    streams: RefCell<BTreeMap<u32, Stream>>,
    /// Of these so many were judged.
    pub(crate) judged: Cell<usize>,
    /// What the running call asks for and Envoy does when it has returned.
    asked: RefCell<VecDeque<Asked>>,
    pub(crate) has_upstream: Cell<bool>,
    /// The context that calls concern.
    attended: Cell<u32>,
}

/// What is done for a stream when a call into the VM has returned.
#[derive(Debug)]
enum Asked {
    Answer(u32, Response),
    GoOn(u32),
}

/// So many calls may be inside each other: Envoy 1.40 with a plain filter chain endures some 320.
const DEEPEST: usize = 32;

/// A request as Envoy sees it.
#[derive(Debug, Default)]
struct Stream {
    headers: Vec<u8>,
    note: Option<String>,
    response: Option<Response>,
    resumed: bool,
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
            streams: RefCell::default(),
            judged: Cell::new(0),
            asked: RefCell::default(),
            has_upstream: Cell::new(true),
            attended: Cell::new(1),
        }
    }

    /// The last line of the log.
    pub(crate) fn last_line(&self) -> String {
        self.log.borrow().last().map(|(_, line)| line.clone()).unwrap_or_default()
    }

    /// The value of a statistic of the whole process.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        self.process.metrics.borrow().iter().find(|(given, _)| given == name).map(|(_, value)| *value)
    }

    pub(crate) fn definitions(&self) -> usize {
        self.process.metrics.borrow().len()
    }

    /// The request that calls concern.
    fn stream<T>(&self, call: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        self.count();
        self.streams.borrow_mut().get_mut(&self.attended.get()).map(call)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<(Vec<u8>, Vec<u8>)>)) -> bool {
        let done = self.stream(|stream| {
            let old = pairs::read(&stream.headers).unwrap();
            let mut headers = old.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            change(&mut headers);
            stream.headers = pairs::write(&headers);
        });
        done.is_some() && !self.refuses_changes.get()
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
        self.process.written.borrow_mut().push(name.into());
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
        self.judged.set(self.judged.get() + 1);
        self.stream(|stream| stream.headers.clone())
    }

    fn set_request_header(&self, name: &str, value: &str) -> bool {
        self.change(|headers| {
            headers.retain(|(given, _)| given != name.as_bytes());
            headers.push((name.into(), value.into()));
        })
    }

    fn remove_request_header(&self, name: &[u8]) -> bool {
        self.change(|headers| headers.retain(|(given, _)| given != name))
    }

    fn set_request_headers(&self, headers: &[(&[u8], &[u8])]) -> bool {
        self.change(|all| {
            *all = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
        })
    }

    fn set_property(&self, name: &str, value: &str) -> bool {
        assert_eq!(name, "keystone");
        self.stream(|stream| stream.note = Some(value.into())).is_some()
    }

    fn respond(&self, answer: &Answer<'_>) -> bool {
        let headers = answer.headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let response = Response {
            status: answer.status,
            details: answer.details.into(),
            headers,
            body: String::from_utf8(answer.body.into()).unwrap(),
        };
        let asked = Asked::Answer(self.attended.get(), response);
        self.stream(|_| self.asked.borrow_mut().push_back(asked)).is_some()
    }

    fn attend(&self, context: u32) -> bool {
        self.count();
        let lives = |stream: &Stream| stream.response.is_none();
        let exists = context == 1 || self.streams.borrow().get(&context).is_some_and(lives);
        if exists {
            self.attended.set(context);
        }
        exists
    }

    fn resume(&self) -> bool {
        let asked = Asked::GoOn(self.attended.get());
        self.stream(|_| self.asked.borrow_mut().push_back(asked)).is_some()
    }

    fn define_metric(&self, _: Metric, name: &str) -> Option<u32> {
        let mut metrics = self.process.metrics.borrow_mut();
        let known = metrics.iter().position(|(given, _)| given == name);
        let number = known.unwrap_or_else(|| {
            metrics.push((name.into(), 0));
            metrics.len() - 1
        });
        u32::try_from(number).ok()
    }

    fn raise_metric(&self, metric: u32, by: u64) {
        self.process.metrics.borrow_mut()[metric as usize].1 += by;
    }

    fn set_metric(&self, metric: u32, value: u64) {
        self.process.metrics.borrow_mut()[metric as usize].1 = value;
    }
}
