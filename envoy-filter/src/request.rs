//! One request: its headers in, the verifier's decision out, carried out on Envoy.
//!
//! Two calls to the host read all there is to know, the headers and the clock; an accepted request costs one more
//! for each identity header.

use keystone_verifier::{Code, Decision, Gate, Refusal, RequestView, Verified};

use crate::host::{Answer, Host};
use crate::pairs;
use crate::vm::Action;

/// Decides and acts. The second value is the refusal, where there is one.
pub(crate) fn serve(host: &impl Host, gate: &mut Gate) -> (Action, Option<Code>) {
    let now = host.now().as_secs();
    if now == 0 {
        // No clock: every token would be refused as if that were its holder's fault.
        return (fail(host), None);
    }
    let raw = host.request_headers().unwrap_or_default();
    let Some(headers) = pairs::read(&raw) else { return (fail(host), None) };
    let authorization: Vec<_> = values(&headers, b"authorization").collect();
    let view = RequestView {
        method: values(&headers, b":method").next().unwrap_or_default(),
        path: values(&headers, b":path").next().unwrap_or_default(),
        authorization: &authorization,
    };

    let caller = match gate.decide(&view, now) {
        Decision::Public => None,
        Decision::Allow(caller) => Some(caller),
        Decision::Deny(refusal) => return (answer(host, &refusal), Some(refusal.code())),
    };
    if remove_forged(host, gate, &headers) && caller.is_none_or(|caller| forward(host, gate, &caller)) {
        (Action::Continue, None)
    } else {
        // Going on would let a forged identity through, or none.
        (fail(host), None)
    }
}

/// Answers a request that cannot be judged because Envoy refused a call or runs no configuration.
pub(crate) fn fail(host: &impl Host) -> Action {
    host.respond(&Answer {
        status: 500,
        details: "keystone_internal",
        headers: &[("content-type", "application/problem+json"), ("cache-control", "no-store")],
        body: br#"{"type":"about:blank","title":"Internal Server Error","status":500}"#,
    });
    Action::Stop
}

/// Every value of a header, so that a second `authorization` is seen even where Envoy does not join them.
fn values<'a>(headers: &'a [(&'a [u8], &'a [u8])], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// Removes what the client sent under the names of identity headers.
fn remove_forged(host: &impl Host, gate: &Gate, headers: &[(&[u8], &[u8])]) -> bool {
    headers
        .iter()
        .filter(|(given, _)| gate.identity_headers().any(|name| reads_as(given, name.as_bytes())))
        .all(|(given, _)| host.remove_request_header(given))
}

/// Many a server hands `x_keystone_subject` to its application as if it were `x-keystone-subject` (CGI names).
fn reads_as(given: &[u8], name: &[u8]) -> bool {
    let plain = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    given.len() == name.len() && given.iter().map(plain).eq(name.iter().map(plain))
}

fn forward(host: &impl Host, gate: &Gate, caller: &Verified) -> bool {
    gate.identity(caller).iter().all(|(name, value)| host.set_request_header(name, value))
}

fn answer(host: &impl Host, refusal: &Refusal) -> Action {
    let challenge = refusal.challenge();
    let retry_after = refusal.retry_after().map(|seconds| seconds.to_string());
    let mut headers = vec![("content-type", "application/problem+json"), ("cache-control", "no-store")];
    headers.extend(challenge.as_deref().map(|value| ("www-authenticate", value)));
    headers.extend(retry_after.as_deref().map(|value| ("retry-after", value)));
    host.respond(&Answer {
        status: refusal.status(),
        details: &format!("keystone_{}", refusal.code()),
        headers: &headers,
        body: refusal.problem().as_bytes(),
    });
    // Stopped in any case: a request that cannot be answered must not go on.
    Action::Stop
}

#[cfg(test)]
mod tests;
