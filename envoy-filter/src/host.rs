//! Everything the filter asks of the proxy: one method per proxy-wasm call, so that tests can stand in for Envoy.

use std::time::Duration;

/// The proxy, seen from one VM. A refused call (a missing capability, a call at the wrong moment) is an answer
/// here, never a panic.
pub trait Host {
    /// Writes one line to Envoy's log. Never a token, never a header of a client.
    fn log(&self, level: Level, line: &str);
    /// The time since 1970 by the host's clock.
    fn now(&self) -> Duration;
    /// The configuration of the plugin, as the operator wrote it.
    fn configuration(&self) -> Option<Vec<u8>>;
    /// The `vm_id` that the operator gave this VM, empty where they gave none. `None`: the host does not tell.
    fn vm_id(&self) -> Option<Vec<u8>>;
    /// Asks for a tick every `period`.
    fn tick_every(&self, period: Duration);

    /// Reads a record that all VMs of the process with the same `vm_id` see.
    fn shared(&self, name: &str) -> Option<Shared>;
    /// Writes a record, if it was not written since `version` was read. `None` writes in any case.
    fn share(&self, name: &str, value: &[u8], version: Option<u32>) -> bool;

    /// Starts a GET through a cluster of this Envoy. `None`: it could not start, the cluster is unknown.
    fn fetch(&self, fetch: &Fetch<'_>) -> Option<u32>;
    /// The `:status` of the answer. `None`: there was no answer.
    fn fetched_status(&self) -> Option<Vec<u8>>;
    /// At most `limit` bytes of the answer's body.
    fn fetched_body(&self, limit: usize) -> Option<Vec<u8>>;

    /// All headers of the request, in the form that [`crate::header_map`] reads.
    fn request_headers(&self) -> Option<Vec<u8>>;
    /// Sets a header of the request, in place of every earlier value.
    fn set_request_header(&self, name: &str, value: &str) -> bool;
    /// Removes every value of a header of the request.
    fn remove_request_header(&self, name: &[u8]) -> bool;
    /// All trailers of the request, in the same form.
    fn request_trailers(&self) -> Option<Vec<u8>>;
    /// Removes every value of a trailer of the request.
    fn remove_request_trailer(&self, name: &[u8]) -> bool;
    /// Replaces all headers of the request by these.
    fn set_request_headers(&self, headers: &[(&[u8], &[u8])]) -> bool;
    /// Notes something about the request where access logs find it, as `%FILTER_STATE(wasm.NAME:PLAIN)%`.
    fn set_property(&self, name: &str, value: &str) -> bool;
    /// Answers the request; it goes no further.
    fn respond(&self, answer: &Answer<'_>) -> bool;

    /// Makes the calls that follow concern this context instead of the one that was called. `false`: it is gone.
    fn set_effective_context(&self, context: u32) -> bool;
    /// Lets the request go on that was stopped.
    fn resume(&self) -> bool;

    /// Makes a statistic of this process, or finds it by its name. The answer is its number in this VM.
    fn define_metric(&self, kind: Metric, name: &str) -> Option<u32>;
    /// Raises a counter.
    fn raise_metric(&self, metric: u32, by: u64);
    /// Sets a gauge.
    fn set_metric(&self, metric: u32, value: u64);
}

/// Kinds of Envoy's statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    Counter = 0,
    Gauge = 1,
}

/// Levels of Envoy's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

/// A record and the version to name when it is written back.
#[derive(Clone, Debug)]
pub struct Shared {
    pub value: Vec<u8>,
    pub version: u32,
}

/// A GET through a cluster.
#[derive(Debug)]
pub struct Fetch<'a> {
    pub cluster: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub timeout: Duration,
}

/// An answer of the filter's own. `details` becomes `%RESPONSE_CODE_DETAILS%` in access logs.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pub details: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}
