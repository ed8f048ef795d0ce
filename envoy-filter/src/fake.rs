//! A stand-in for Envoy: workers of one process with a common clock and shared data, and what each was asked to do.
//!
//! The stand-in does what a call asks for a stream when the call returns, one inside the other as Envoy does it: an answer
//! ends its stream, which calls into the VM, and the end of that call does the next (`DeferAfterCallActions` of
//! proxy-wasm-cpp-host).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::header_map;
use crate::host::{Answer, Fetch, Host, Level, Metric, Shared};
use crate::outcome::Action;

mod fixtures;
mod issuer;
mod process;
mod worker;

pub(crate) use fixtures::*;
pub(crate) use issuer::*;
pub(crate) use process::*;
pub(crate) use worker::*;

/// The outcome of a request as a client sees it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) action: Action,
    pub(crate) calls: u32,
    pub(crate) upstream: Vec<(String, String)>,
    /// The entry that access logs find under `keystone`.
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
    pub(crate) vm_id: RefCell<String>,
    pub(crate) calls: Cell<u32>,
    pub(crate) refuses_changes: Cell<bool>,
    pub(crate) knows_cluster: Cell<bool>,
    pub(crate) log: RefCell<Vec<(Level, String)>>,
    pub(crate) tick_period: Cell<Option<Duration>>,
    /// The clusters, authorities and paths of the fetches.
    pub(crate) fetches: RefCell<Vec<String>>,
    fetched: RefCell<Option<(String, Vec<u8>)>>,
    streams: RefCell<BTreeMap<u32, Stream>>,
    /// The number of requests that were judged.
    pub(crate) judged: Cell<usize>,
    /// The tasks of the running call, which Envoy does when it has returned.
    asked: RefCell<VecDeque<Asked>>,
    pub(crate) has_upstream: Cell<bool>,
    /// The context that calls concern.
    attended: Cell<u32>,
}

/// A task for a stream, done when a call into the VM has returned.
#[derive(Debug)]
enum Asked {
    Answer(u32, Response),
    GoOn(u32),
}

/// A request as Envoy sees it.
#[derive(Debug, Default)]
struct Stream {
    headers: Vec<u8>,
    trailers: Vec<u8>,
    note: Option<String>,
    response: Option<Response>,
    resumed: bool,
}

impl Fake {
    fn new(process: &Rc<Process>) -> Self {
        Self {
            process: Rc::clone(process),
            configuration: RefCell::default(),
            vm_id: RefCell::new("keystone".into()),
            calls: Cell::new(0),
            refuses_changes: Cell::new(false),
            knows_cluster: Cell::new(true),
            log: RefCell::default(),
            tick_period: Cell::new(None),
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
            let old = header_map::read(&stream.headers).unwrap();
            let mut headers = old.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            change(&mut headers);
            stream.headers = header_map::write(&headers);
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

    fn vm_id(&self) -> Option<Vec<u8>> {
        Some(self.vm_id.borrow().clone().into())
    }

    fn tick_every(&self, period: Duration) {
        self.count();
        self.tick_period.set(Some(period));
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

    fn request_trailers(&self) -> Option<Vec<u8>> {
        self.stream(|stream| stream.trailers.clone())
    }

    fn remove_request_trailer(&self, name: &[u8]) -> bool {
        let done = self.stream(|stream| {
            let old = header_map::read(&stream.trailers).unwrap();
            let kept: Vec<_> = old.into_iter().filter(|(given, _)| *given != name).collect();
            stream.trailers = header_map::write(&kept);
        });
        done.is_some() && !self.refuses_changes.get()
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

    fn set_effective_context(&self, context: u32) -> bool {
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
