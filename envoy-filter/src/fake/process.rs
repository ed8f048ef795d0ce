//! One Envoy process: a clock, and what its workers share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::{Fake, NOW};
use crate::host::Shared;

/// One Envoy process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(super) now: Cell<Duration>,
    pub(super) records: RefCell<BTreeMap<String, Shared>>,
    pub(super) last_version: Cell<u32>,
    /// The names of the records in the order in which they were written.
    pub(super) written: RefCell<Vec<String>>,
    /// By their numbers.
    pub(super) metrics: RefCell<Vec<(String, u64)>>,
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

    /// Overwrites all records with such a name, as another plugin could.
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
