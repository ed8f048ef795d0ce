//! One request: its headers in, the verifier's decision out, carried out on Envoy.
//!
//! Two calls to the host read all there is to know, the headers and the clock. An accepted request costs at most two
//! more: one that changes its headers, however many, and one that notes the decision for access logs.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use keystone_verifier::{
    Authorizer, Awaits, Decision, Preflight, Refusal, RequestView, Verified, access_log_entry, text,
};

use crate::header_map;
use crate::held::Awaited;
use crate::host::{Answer, Host};
use crate::outcome::{Action, Codes, Outcome, PREFLIGHT, fail};

type Headers<'a> = [(&'a [u8], &'a [u8])];

/// Decides and acts, unless `may_wait` returns that the news which could change the decision is on its way.
pub(crate) fn serve(
    host: &impl Host,
    authorizer: &mut Authorizer,
    may_wait: impl FnOnce(&mut Authorizer, Awaited, Duration) -> bool,
) -> Outcome {
    let time = host.now();
    let now = time.as_secs();
    let raw = host.request_headers().unwrap_or_default();
    let Some(headers) = header_map::read(&raw).filter(|_| now > 0) else {
        // Without a clock every token would be refused as if that were its holder's fault.
        return fail(host);
    };
    let view = RequestView {
        method: values(&headers, b":method").next().unwrap_or_default(),
        path: values(&headers, b":path").next().unwrap_or_default(),
        authorization: &values(&headers, b"authorization").collect::<Vec<_>>(),
    };
    if view.method == b"OPTIONS"
        && let Some(allowed) = preflight(authorizer, &view, &headers)
    {
        return answer_preflight(host, &allowed);
    }

    let decision = authorizer.decide(&view, now);
    if let Some(awaited) = awaited(&decision, &view)
        && may_wait(authorizer, awaited, time)
    {
        return Outcome::Held(awaited);
    }
    let shadow = authorizer.shadow(&view, &decision, now).map(|difference| difference.shadow.as_str());
    let codes = Codes { enforced: decision.as_str(), shadow };
    let caller = match decision {
        Decision::Public => None,
        Decision::Allow(caller) => Some(caller),
        Decision::Deny(refusal) => {
            note(host, authorizer, codes, None);
            answer(host, authorizer, &headers, &refusal);
            // Stopped in any case: a request that cannot be answered must not go on.
            return Outcome::Done(Action::Stop, codes);
        }
    };
    if !forward(host, authorizer, &headers, caller.as_ref()) {
        // Going on would let a forged identity through, or none.
        return fail(host);
    }
    note(host, authorizer, codes, caller.as_ref());
    Outcome::Done(Action::Continue, codes)
}

/// Returns the news that could still change a decision.
fn awaited(decision: &Decision, view: &RequestView<'_>) -> Option<Awaited> {
    match decision {
        Decision::Public => None,
        Decision::Allow(_) => Some(Awaited::FirstPage),
        Decision::Deny(refusal) => match refusal.code().awaits()? {
            Awaits::Keys => Some(Awaited::Keys(key_named(view.authorization))),
            Awaits::Revocations => Some(Awaited::Revocations),
        },
    }
}

/// Returns a number for the header of the token, the text up to the first dot, which is the same for all tokens of a key.
fn key_named(authorization: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for value in authorization {
        value.split(|&byte| byte == b'.').next().hash(&mut hasher);
    }
    hasher.finish()
}

/// Returns every value of a header, so that a second `authorization` is seen even where Envoy does not join them.
fn values<'a>(headers: &'a Headers<'a>, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
}

/// Returns the value of a header that occurs once.
fn single<'a>(headers: &'a Headers<'a>, name: &'a [u8]) -> Option<&'a [u8]> {
    let mut values = values(headers, name);
    values.next().filter(|_| values.next().is_none())
}

fn preflight(
    authorizer: &Authorizer,
    view: &RequestView<'_>,
    headers: &Headers<'_>,
) -> Option<Vec<(&'static str, String)>> {
    authorizer.policy().preflight(&Preflight {
        path: view.path,
        origin: single(headers, b"origin")?,
        method: single(headers, b"access-control-request-method")?,
    })
}

fn answer_preflight(host: &impl Host, allowed: &[(&'static str, String)]) -> Outcome {
    let headers: Vec<_> = allowed.iter().map(|(name, value)| (*name, value.as_str())).collect();
    host.respond(&Answer { status: 204, details: "keystone_preflight", headers: &headers, body: b"" });
    Outcome::Done(Action::Stop, PREFLIGHT.into())
}

/// Removes what the client sent under the names of identity headers, and sets the verified ones.
fn forward(
    host: &impl Host,
    authorizer: &Authorizer,
    headers: &Headers<'_>,
    caller: Option<&Verified>,
) -> bool {
    let identity = caller.map(|caller| authorizer.identity(caller)).unwrap_or_default();
    let hides_token = caller.is_some() && !authorizer.policy().envoy().forward_authorization;
    let is_dropped = |given: &[u8]| {
        authorizer.is_identity_header(given) || hides_token && given.eq_ignore_ascii_case(b"authorization")
    };
    let dropped: Vec<_> = headers.iter().map(|(name, _)| *name).filter(|name| is_dropped(name)).collect();
    if dropped.len() + identity.len() <= MAX_SINGLE_CHANGES {
        return dropped.iter().all(|name| host.remove_request_header(name))
            && identity.iter().all(|(name, value)| host.set_request_header(name, value));
    }
    let kept = headers.iter().copied().filter(|(name, _)| !is_dropped(name));
    let set = identity.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    host.set_request_headers(&kept.chain(set).collect::<Vec<_>>())
}

/// Removes what the client sent after the body under the names of identity headers. Returns `false` if the host refused.
pub(crate) fn clean_trailers(host: &impl Host, is_identity_header: impl Fn(&[u8]) -> bool) -> bool {
    let raw = host.request_trailers().unwrap_or_default();
    let Some(trailers) = header_map::read(&raw) else { return false };
    trailers
        .iter()
        .filter(|(name, _)| is_identity_header(name))
        .all(|(name, _)| host.remove_request_trailer(name))
}

/// Up to this many changes of headers are cheaper one by one than all headers written anew: each call makes Envoy look for
/// its route again.
const MAX_SINGLE_CHANGES: usize = 1;

fn answer(host: &impl Host, authorizer: &Authorizer, sent: &Headers<'_>, refusal: &Refusal) {
    let mut headers = refusal.headers();
    let readable =
        authorizer.policy().cors().zip(single(sent, b"origin")).map(|(cors, origin)| cors.readable(origin));
    headers.extend(readable.unwrap_or_default());
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    host.respond(&Answer {
        status: refusal.status(),
        details: &text!("keystone_{}", refusal.code()),
        headers: &headers,
        body: refusal.problem().as_bytes(),
    });
}

/// Notes the decision for access logs. A note that cannot be made is no reason to refuse a request.
fn note(host: &impl Host, authorizer: &Authorizer, codes: Codes, caller: Option<&Verified>) {
    if authorizer.policy().envoy().access_log {
        host.set_property("keystone", &access_log_entry(codes.enforced, codes.shadow, caller));
    }
}

#[cfg(test)]
mod answers;
#[cfg(test)]
mod tests;
