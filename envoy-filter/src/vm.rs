//! One VM: the configurations that live in it, and which of them each request belongs to.

use keystone_verifier::text;

use crate::heartbeat::Heartbeat;
use crate::held::{HeldRequest, HeldRequests, MAX_ANSWERS_PER_CALL};
use crate::host::{Host, Level};
use crate::metrics::{DECISIONS, HELD_REQUESTS, Metrics, SHADOW_DIFFERENCES, WORKER_HEARTBEAT};
use crate::outcome::{Action, Codes, Outcome, fail};
use crate::request;
use crate::root::{Backlog, Root};

/// The state of a VM. Contexts are numbers that the host hands out: roots have parent 0, requests have a root.
#[derive(Debug)]
pub struct Vm<H> {
    host: H,
    /// By context, as all that follow. Lists, because they are short, and no operation of a list can panic.
    roots: Vec<(u32, Root)>,
    /// Requests of which nothing but their root is known yet, nearly always the newest one alone.
    begun: Vec<(u32, u32)>,
    held: HeldRequests,
    metrics: Metrics,
    heartbeat: Heartbeat,
}

impl<H: Host> Vm<H> {
    /// Makes a VM without configurations.
    pub const fn new(host: H) -> Self {
        Self {
            host,
            roots: Vec::new(),
            begun: Vec::new(),
            held: HeldRequests::new(),
            metrics: Metrics::new(),
            heartbeat: Heartbeat::new(),
        }
    }

    /// Called when a request begins, or a root that [`Self::configure`] configures.
    pub fn create(&mut self, context: u32, parent: u32) {
        if parent != 0 {
            self.begun.push((context, parent));
        }
    }

    /// Takes the configuration of a root. `false`: it is wrong, the log says where, and Envoy refuses to load it.
    pub fn configure(&mut self, context: u32) -> bool {
        match Root::configure(&self.host) {
            Ok(mut root) => {
                for (_, other) in &mut self.roots {
                    root.adopt_state(&self.host, other);
                }
                take(&mut self.roots, context);
                self.roots.push((context, root));
                self.share_memory();
                self.look_at_vm_id();
                true
            }
            Err(error) => {
                self.host.log(Level::Error, &text!("invalid configuration: {error}"));
                false
            }
        }
    }

    /// Called when the timer of a root has fired.
    pub fn tick(&mut self, context: u32) {
        if let Some(root) = find(&mut self.roots, context) {
            root.tick(&self.host, &mut self.metrics);
            self.decide_held(context);
        }
        if let Some(number) = self.heartbeat.beat(&self.host) {
            self.metrics.set(&self.host, WORKER_HEARTBEAT, &text!("{number}"), self.host.now().as_secs());
        }
        self.metrics.hand_over(&self.host);
    }

    /// Called when a fetch of a root has ended, with a body of `size` bytes, or without an answer.
    pub fn fetched(&mut self, context: u32, call: u32, size: usize) {
        if let Some(root) = find(&mut self.roots, context) {
            root.fetched(&self.host, call, size);
            self.decide_held(context);
        }
    }

    /// Called when the headers of a request have arrived.
    pub fn request(&mut self, context: u32) -> Action {
        let id = take(&mut self.begun, context).unwrap_or_default();
        let held = &self.held;
        let outcome = match find(&mut self.roots, id) {
            // What has been on its way for so long is not worth waiting for any more.
            Some(root) => root.request(&self.host, |awaited, is_new| is_new && held.has_room_for(awaited)),
            // No configuration, no way through.
            None => fail(&self.host),
        };
        match outcome {
            Outcome::Done(action, codes) => {
                self.count(codes);
                action
            }
            Outcome::Held(awaited) => {
                self.metrics.raise(HELD_REQUESTS, "", 1);
                if let Some(root) = find(&mut self.roots, id) {
                    let (since, news) = (self.host.now(), root.news());
                    self.held.push(HeldRequest { context, root: id, awaited, since, news });
                    root.tick_soon(&self.host);
                }
                Action::Stop
            }
        }
    }

    /// Called when the trailers of a request have arrived. Its root is not kept for as long, so what any root of this VM calls an
    /// identity header is removed.
    pub fn trailers(&mut self) -> Action {
        let is_identity_header =
            |name: &[u8]| self.roots.iter().any(|(_, root)| root.is_identity_header(name));
        let has_any = self.roots.iter().any(|(_, root)| root.has_identity_headers());
        if !has_any || request::clean_trailers(&self.host, is_identity_header) {
            return Action::Continue;
        }
        // Going on would let a forged identity through.
        if let Outcome::Done(_, codes) = fail(&self.host) {
            self.count(codes);
        }
        Action::Stop
    }

    /// Called when a request has ended, or a configuration was replaced.
    pub fn delete(&mut self, context: u32) {
        take(&mut self.begun, context);
        self.held.remove(context);
        if take(&mut self.roots, context).is_some() {
            self.share_memory();
        }
    }

    /// Logs a missing `vm_id`: shared data is shared with every plugin that has the same.
    fn look_at_vm_id(&self) {
        if self.host.vm_id().is_some_and(|vm_id| vm_id.is_empty()) {
            self.host.log(
                Level::Warn,
                "this plugin has no vm_id, so every other plugin without one can write to its shared data; set a unique vm_id",
            );
        }
    }

    /// Shares the memory of the VM among its configurations.
    fn share_memory(&mut self) {
        let caches = self.roots.iter().map(|(_, root)| root.token_caches()).sum::<usize>();
        let feeds = self.roots.iter().map(|(_, root)| root.followed_feeds()).sum::<usize>();
        for (_, root) in &mut self.roots {
            root.set_limits(TOKEN_CACHE_BYTES / caches.max(1), MAX_REVOCATIONS / feeds.max(1));
        }
    }

    /// Decides on the requests that are held for a root and need wait no longer. Only on so many: the others come with the
    /// next tick, which is near.
    fn decide_held(&mut self, id: u32) {
        let due = self.due(id);
        for held in due.iter().take(MAX_ANSWERS_PER_CALL) {
            self.reconsider(*held);
        }
        if !due.is_empty() {
            self.host.set_effective_context(id);
        }
        self.update_tick(id, due.len() > MAX_ANSWERS_PER_CALL);
    }

    /// The held requests of a root on which there is something to decide: nothing is judged anew as long as nothing is new.
    fn due(&mut self, id: u32) -> Vec<HeldRequest> {
        if self.held.is_empty() {
            return Vec::new();
        }
        let now = self.host.now();
        let Some(root) = find(&mut self.roots, id) else { return Vec::new() };
        let news = root.news();
        let is_due = |held: &HeldRequest| {
            !held.may_wait(now) || held.news != news || !root.is_awaited(held.awaited, now)
        };
        self.held.of(id).filter(is_due).collect()
    }

    fn reconsider(&mut self, held: HeldRequest) {
        if !self.host.set_effective_context(held.context) {
            return self.held.remove(held.context);
        }
        let Some(root) = find(&mut self.roots, held.root) else { return };
        let may_wait = held.may_wait(self.host.now());
        match root.request(&self.host, |_, _| may_wait) {
            Outcome::Held(awaited) => self.held.put_back(HeldRequest { awaited, news: root.news(), ..held }),
            Outcome::Done(action, codes) => {
                self.held.remove(held.context);
                self.count(codes);
                if action == Action::Continue {
                    self.host.resume();
                }
            }
        }
    }

    fn count(&mut self, codes: Codes) {
        self.metrics.raise(DECISIONS, codes.enforced, 1);
        if let Some(shadow) = codes.shadow {
            self.metrics.raise(SHADOW_DIFFERENCES, shadow, 1);
        }
    }

    fn update_tick(&mut self, id: u32, is_behind: bool) {
        let someone_waits = self.held.of(id).next().is_some();
        if let Some(root) = find(&mut self.roots, id) {
            root.update_tick(&self.host, Backlog { requests_wait: someone_waits, is_behind });
        }
    }
}

fn find<T>(list: &mut [(u32, T)], context: u32) -> Option<&mut T> {
    list.iter_mut().find(|(known, _)| *known == context).map(|(_, found)| found)
}

/// Newest first: requests are mostly asked about as soon as they begin.
fn take<T>(list: &mut Vec<(u32, T)>, context: u32) -> Option<T> {
    let at = list.iter().rposition(|(known, _)| *known == context)?;
    let last = list.pop()?;
    match list.get_mut(at) {
        Some(place) => Some(std::mem::replace(place, last).1),
        None => Some(last.1),
    }
}

/// The share of a VM's 128 MiB for accepted tokens.
const TOKEN_CACHE_BYTES: usize = 32 << 20;
/// Some 60 MiB, with those that are read anew.
const MAX_REVOCATIONS: usize = 200_000;

#[cfg(test)]
mod tests;
