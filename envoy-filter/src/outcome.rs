//! The outcome of a request and of its trailers.

use crate::held::Awaited;
use crate::host::{Answer, Host};

/// The return value that tells Envoy what to do with a request next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes on to the next filter.
    Continue = 0,
    /// It goes no further: it was answered, or is held. Body and trailers wait, too: the weaker 1 lets them go on where the plugin's
    /// `allow_on_headers_stop_iteration` is set, and what is held with them.
    Stop = 4,
}

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Envoy was told what to do.
    Done(Action, Codes),
    /// Not yet decided: what it waits for is on its way.
    Held(Awaited),
}

/// A decision as metrics and access logs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Codes {
    /// [`Decision::as_str`](keystone_verifier::Decision::as_str), [`PREFLIGHT`] or [`INTERNAL`].
    pub(crate) enforced: &'static str,
    /// The decision of the shadow policy where it differs.
    pub(crate) shadow: Option<&'static str>,
}

impl From<&'static str> for Codes {
    fn from(enforced: &'static str) -> Self {
        Self { enforced, shadow: None }
    }
}

pub(crate) const PREFLIGHT: &str = "preflight";
pub(crate) const INTERNAL: &str = "internal";

/// Answers a request that cannot be decided because Envoy refused a call or has no configuration.
pub(crate) fn fail(host: &impl Host) -> Outcome {
    host.respond(&Answer {
        status: 500,
        details: "keystone_internal",
        headers: &[("content-type", "application/problem+json"), ("cache-control", "no-store")],
        body: br#"{"type":"about:blank","title":"Internal Server Error","status":500}"#,
    });
    Outcome::Done(Action::Stop, INTERNAL.into())
}
