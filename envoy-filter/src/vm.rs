//! One VM: the configurations that live in it, and which of them each request belongs to.

use std::collections::BTreeMap;

use crate::host::{Host, Level};
use crate::request;
use crate::root::Root;

/// What Envoy does with a request next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes on to the next filter.
    Continue = 0,
    /// It goes no further: it was answered.
    Stop = 1,
}

/// The state of a VM. Contexts are numbers that the host hands out: roots have parent 0, requests have a root.
#[derive(Debug)]
pub struct Vm<H> {
    host: H,
    roots: BTreeMap<u32, Root>,
    requests: BTreeMap<u32, u32>,
}

impl<H: Host> Vm<H> {
    /// Nothing is configured yet.
    pub const fn new(host: H) -> Self {
        Self { host, roots: BTreeMap::new(), requests: BTreeMap::new() }
    }

    /// A request begins, or a root of which [`Self::configure`] tells more.
    pub fn create(&mut self, context: u32, parent: u32) {
        if parent != 0 {
            self.requests.insert(context, parent);
        }
    }

    /// Takes the configuration of a root. `false`: it is wrong, the log says where, and Envoy refuses to load it.
    pub fn configure(&mut self, context: u32) -> bool {
        match Root::configure(&self.host) {
            Ok(root) => {
                self.roots.insert(context, root);
                true
            }
            Err(error) => {
                self.host.log(Level::Error, &format!("wrong configuration: {error}"));
                false
            }
        }
    }

    /// The timer of a root has fired.
    pub fn tick(&mut self, context: u32) {
        if let Some(root) = self.roots.get_mut(&context) {
            root.tick(&self.host);
        }
    }

    /// A fetch of a root has ended with a body of `size` bytes, or without an answer.
    pub fn fetched(&mut self, context: u32, call: u32, size: usize) {
        if let Some(root) = self.roots.get_mut(&context) {
            root.fetched(&self.host, call, size);
        }
    }

    /// The headers of a request are there.
    pub fn request(&mut self, context: u32) -> Action {
        match self.requests.get(&context).and_then(|root| self.roots.get_mut(root)) {
            Some(root) => root.request(&self.host),
            // No configuration, no way through.
            None => request::fail(&self.host),
        }
    }

    /// A request has ended, or a configuration was replaced.
    pub fn delete(&mut self, context: u32) {
        self.requests.remove(&context);
        self.roots.remove(&context);
    }
}
