//! One worker thread, and what becomes of its requests.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::{Asked, Fake, Outcome, Process, Stream};
use crate::header_map;
use crate::held::HOLD_TIMEOUT;
use crate::outcome::Action;
use crate::vm::Vm;

/// One worker thread with its VM, in which one plugin is configured as context 1.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) host: Rc<Fake>,
    pub(super) vm: Vm<Rc<Fake>>,
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
            self.host.process.wait(self.host.tick_period.get().unwrap_or(time));
            self.tick();
        }
    }

    /// Does what the call that has returned asked for, `depth` calls inside others.
    pub(super) fn returned(&mut self, depth: usize) {
        assert!(depth <= DEEPEST, "Maximum call stack size exceeded");
        loop {
            let Some(asked) = self.host.asked.borrow_mut().pop_front() else { return };
            let mut streams = self.host.streams.borrow_mut();
            let ends = match asked {
                Asked::Answer(context, response) => {
                    if let Some(stream) = streams.get_mut(&context) {
                        stream.response = Some(response);
                    }
                    Some(context)
                }
                Asked::GoOn(context) => {
                    if let Some(stream) = streams.get_mut(&context) {
                        stream.resumed = true;
                    }
                    // Without an upstream the router answers at once.
                    Some(context).filter(|_| !self.host.has_upstream.get())
                }
            };
            drop(streams);
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
        self.send_raw(header_map::write(headers))
    }

    pub(crate) fn send_raw(&mut self, headers: Vec<u8>) -> Outcome {
        let action = self.begin_raw(7, headers);
        let outcome = Outcome { action, ..self.outcome(7) };
        self.end(7);
        outcome
    }

    /// A request that stays open under this context until [`Self::end`].
    pub(crate) fn begin(&mut self, context: u32, headers: &[(&str, &str)]) -> Action {
        self.begin_raw(context, header_map::write(headers))
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

    /// The trailers of an open request: what the filter says, and what is left of them.
    pub(crate) fn trailers(&mut self, context: u32, trailers: &[(&str, &str)]) -> (Action, Vec<String>) {
        self.host.streams.borrow_mut().get_mut(&context).unwrap().trailers = header_map::write(trailers);
        self.host.attended.set(context);
        let action = self.vm.trailers();
        self.returned(0);
        let streams = self.host.streams.borrow();
        let left = header_map::read(&streams.get(&context).unwrap().trailers).unwrap();
        (action, left.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect())
    }

    pub(crate) fn end(&mut self, context: u32) {
        let stream = self.host.streams.borrow_mut().remove(&context);
        if stream.is_some_and(|stream| stream.response.is_none()) {
            self.vm.delete(context);
            self.returned(0);
        }
    }

    /// Returns the outcome of a request up to now. It counts as gone on if the filter let it do so later.
    pub(crate) fn outcome(&self, context: u32) -> Outcome {
        let mut streams = self.host.streams.borrow_mut();
        let stream = streams.get_mut(&context).unwrap();
        let readable = header_map::read(&stream.headers).unwrap_or_default();
        let owned = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Outcome {
            action: if stream.resumed { Action::Continue } else { Action::Stop },
            calls: self.host.calls.get(),
            upstream: readable.iter().map(|(name, value)| (owned(name), owned(value))).collect(),
            note: stream.note.take(),
            response: stream.response.take(),
        }
    }

    /// Returns the outcome of a request that is held for as long as it may be.
    pub(crate) fn send_and_wait(&mut self, headers: &[(&str, &str)]) -> Outcome {
        self.begin(7, headers);
        self.tick_for(HOLD_TIMEOUT);
        let outcome = self.outcome(7);
        self.end(7);
        outcome
    }

    /// Sends `GET path` with a bearer token. Returns the status and the reason, 200 if it goes on, [`HELD`] if it is held.
    pub(crate) fn get(&mut self, path: &str, token: &str) -> (u16, String) {
        let bearer = format!("Bearer {token}");
        let outcome = self.send(&[(":method", "GET"), (":path", path), ("authorization", &bearer)]);
        match (outcome.response, outcome.action) {
            (Some(response), _) => (response.status, response.details),
            (None, Action::Continue) => (200, String::new()),
            (None, Action::Stop) => (HELD, String::new()),
        }
    }
}

/// Stands for the status of a request that is held.
pub(crate) const HELD: u16 = 0;

/// The number of calls that may be inside each other: Envoy 1.40 with a plain filter chain endures some 320.
const DEEPEST: usize = 32;
