//! One request: its headers in, the verifier's decision out, carried out on Envoy.
//!
//! Two calls to the host read all there is to know, the headers and the clock. An accepted request costs at most two
//! more: one that changes its headers, however many, and one that notes the verdict for access logs.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use keystone_verifier::{Code, Decision, Gate, Preflight, Refusal, RequestView, Verified, record, text};

use crate::held::Awaited;
use crate::host::{Answer, Host};
use crate::pairs;
use crate::vm::Action;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// Envoy was told what to do.
    Done(Action, Verdict),
    /// Not yet decided: what it waits for is on its way.
    Held(Awaited),
}

/// What was decided: a word of [`Decision::word`], [`PREFLIGHT`] or [`INTERNAL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) word: &'static str,
    /// What the shadow policy says, where that is something else.
    pub(crate) shadow: Option<&'static str>,
}

impl From<&'static str> for Verdict {
    fn from(word: &'static str) -> Self {
        Self { word, shadow: None }
    }
}

const PREFLIGHT: &str = "preflight";
pub(crate) const INTERNAL: &str = "internal";

type Headers<'a> = [(&'a [u8], &'a [u8])];

/// Decides and acts, unless `may_wait` says that what could change the decision is on its way.
pub(crate) fn serve(
    host: &impl Host,
    gate: &mut Gate,
    may_wait: impl FnOnce(&mut Gate, Awaited, Duration) -> bool,
) -> Served {
    let time = host.now();
    let now = time.as_secs();
    let raw = host.request_headers().unwrap_or_default();
    let Some(headers) = pairs::read(&raw).filter(|_| now > 0) else {
        // Without a clock every token would be refused as if that were its holder's fault.
        return fail(host);
    };
    let view = RequestView {
        method: values(&headers, b":method").next().unwrap_or_default(),
        path: values(&headers, b":path").next().unwrap_or_default(),
        authorization: &values(&headers, b"authorization").collect::<Vec<_>>(),
    };
    if view.method == b"OPTIONS"
        && let Some(allowed) = preflight(gate, &view, &headers)
    {
        return answer_preflight(host, &allowed);
    }

    let decision = gate.decide(&view, now);
    if let Some(awaited) = lacks(&decision, &view)
        && may_wait(gate, awaited, time)
    {
        return Served::Held(awaited);
    }
    let shadow = gate.shadow(&view, &decision, now).map(|difference| difference.shadow.word());
    let verdict = Verdict { word: decision.word(), shadow };
    let caller = match decision {
        Decision::Public => None,
        Decision::Allow(caller) => Some(caller),
        Decision::Deny(refusal) => {
            note(host, gate, verdict, None);
            return answer(host, gate, &headers, (&refusal, verdict));
        }
    };
    if !forward(host, gate, &headers, caller.as_ref()) {
        // Going on would let a forged identity through, or none.
        return fail(host);
    }
    note(host, gate, verdict, caller.as_ref());
    Served::Done(Action::Continue, verdict)
}

/// The news that could still change a decision.
fn lacks(decision: &Decision, view: &RequestView<'_>) -> Option<Awaited> {
    let refusal = match decision {
        Decision::Public => return None,
        Decision::Allow(_) => return Some(Awaited::FirstPage),
        Decision::Deny(refusal) => refusal,
    };
    match refusal.code() {
        Code::UnknownKid => Some(Awaited::Key(key_named(view.authorization))),
        Code::RevocationsStale => Some(Awaited::Revocations),
        _ => None,
    }
}

/// A number for the header of the token, up to the first dot: every token of one key of an issuer has the same.
fn key_named(authorization: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for value in authorization {
        value.split(|&byte| byte == b'.').next().hash(&mut hasher);
    }
    hasher.finish()
}

/// Answers a request that cannot be judged because Envoy refused a call or runs no configuration.
pub(crate) fn fail(host: &impl Host) -> Served {
    host.respond(&Answer {
        status: 500,
        details: "keystone_internal",
        headers: &[("content-type", "application/problem+json"), ("cache-control", "no-store")],
        body: br#"{"type":"about:blank","title":"Internal Server Error","status":500}"#,
    });
    Served::Done(Action::Stop, INTERNAL.into())
}

/// Every value of a header, so that a second `authorization` is seen even where Envoy does not join them.
fn values<'a>(headers: &'a Headers<'a>, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// The value of a header that stands there once.
fn single<'a>(headers: &'a Headers<'a>, name: &'a [u8]) -> Option<&'a [u8]> {
    let mut values = values(headers, name);
    values.next().filter(|_| values.next().is_none())
}

fn preflight(
    gate: &Gate,
    view: &RequestView<'_>,
    headers: &Headers<'_>,
) -> Option<Vec<(&'static str, String)>> {
    gate.policy().preflight(&Preflight {
        path: view.path,
        origin: single(headers, b"origin")?,
        method: single(headers, b"access-control-request-method")?,
    })
}

fn answer_preflight(host: &impl Host, allowed: &[(&'static str, String)]) -> Served {
    let headers: Vec<_> = allowed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    host.respond(&Answer { status: 204, details: "keystone_preflight", headers: &headers, body: b"" });
    Served::Done(Action::Stop, PREFLIGHT.into())
}

/// Removes what the client sent under the names of identity headers, and sets the verified ones.
fn forward(host: &impl Host, gate: &Gate, headers: &Headers<'_>, caller: Option<&Verified>) -> bool {
    let identity = caller.map(|caller| gate.identity(caller)).unwrap_or_default();
    let hides_token = caller.is_some() && !gate.policy().envoy().forward_authorization;
    let is_dropped = |given: &[u8]| {
        gate.identity_headers().any(|name| reads_as(given, name.as_bytes()))
            || hides_token && given.eq_ignore_ascii_case(b"authorization")
    };
    let dropped: Vec<_> = headers.iter().map(|(name, _)| *name).filter(|name| is_dropped(name)).collect();
    if dropped.len() + identity.len() <= FEW {
        return dropped.iter().all(|name| host.remove_request_header(name))
            && identity.iter().all(|(name, value)| host.set_request_header(name, value));
    }
    let kept = headers.iter().copied().filter(|(name, _)| !is_dropped(name));
    let set = identity.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    host.set_request_headers(&kept.chain(set).collect::<Vec<_>>())
}

/// Removes what the client sent after the body under the names of identity headers. `false`: the host refused.
pub(crate) fn clean_trailers(host: &impl Host, identity_headers: &[&str]) -> bool {
    if identity_headers.is_empty() {
        return true;
    }
    let raw = host.request_trailers().unwrap_or_default();
    let Some(trailers) = pairs::read(&raw) else { return false };
    let is_dropped = |given: &[u8]| identity_headers.iter().any(|name| reads_as(given, name.as_bytes()));
    trailers.iter().filter(|(name, _)| is_dropped(name)).all(|(name, _)| host.remove_request_trailer(name))
}

/// So many changes of headers are cheaper one by one than all headers written anew: each call makes Envoy look for its
/// route again.
const FEW: usize = 1;

/// Many a server hands `x_keystone_subject` to its application as if it were `x-keystone-subject` (CGI names).
fn reads_as(given: &[u8], name: &[u8]) -> bool {
    let plain = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    given.len() == name.len() && given.iter().map(plain).eq(name.iter().map(plain))
}

fn answer(
    host: &impl Host,
    gate: &Gate,
    sent: &Headers<'_>,
    (refusal, verdict): (&Refusal, Verdict),
) -> Served {
    let mut headers = refusal.headers();
    let readable =
        gate.policy().cors().zip(single(sent, b"origin")).map(|(cors, origin)| cors.readable(origin));
    headers.extend(readable.unwrap_or_default());
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    host.respond(&Answer {
        status: refusal.status(),
        details: &text!("keystone_{}", verdict.word),
        headers: &headers,
        body: refusal.problem().as_bytes(),
    });
    // Stopped in any case: a request that cannot be answered must not go on.
    Served::Done(Action::Stop, verdict)
}

/// A note that cannot be made is missing in a log, which is no reason to refuse anybody.
fn note(host: &impl Host, gate: &Gate, verdict: Verdict, caller: Option<&Verified>) {
    if gate.policy().envoy().access_log {
        host.set_property("keystone", &record(verdict.word, verdict.shadow, caller));
    }
}

#[cfg(test)]
mod answers;
#[cfg(test)]
mod tests;
