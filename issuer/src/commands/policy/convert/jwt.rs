//! jwt_authn: providers become issuers, rules say where a token is needed.

use serde_json::{Value, json};

use super::combine::{METHODS, Rule, at, below};
use super::proto::{entries, items, member, set, text};

/// The policy without routes.
pub(super) fn issuers(filter: &Value, notes: &mut Vec<String>) -> Value {
    let mut issuers = Vec::new();
    let mut headers = json!({});
    let mut forward = false;
    for (name, provider) in entries(filter, "providers") {
        let Some(issuer) = text(provider, "issuer") else {
            notes.push(format!("provider {name}: it accepts tokens of every issuer and is left out"));
            continue;
        };
        issuers.push(self::issuer(name, issuer, provider, notes));
        identity(name, provider, &mut headers, notes);
        forward |= member(provider, "forward").is_some_and(|forward| *forward == json!(true));
        for other in ["from_headers", "from_params", "from_cookies", "forward_payload_header"] {
            if member(provider, other).is_some() {
                notes.push(format!(
                    "provider {name}: `{other}` has no counterpart; tokens come in Authorization"
                ));
            }
        }
    }
    let mut policy =
        json!({ "version": 1, "issuers": issuers, "envoy": { "forward_authorization": forward } });
    if headers != json!({}) {
        set(&mut policy, "identity_headers", headers);
    }
    policy
}

fn issuer(name: &str, issuer: &str, provider: &Value, notes: &mut Vec<String>) -> Value {
    let mut converted = json!({ "issuer": issuer, "audiences": items(provider, "audiences"), "keys": {} });
    if items(provider, "audiences").is_empty() {
        notes
            .push(format!("provider {name}: it accepts tokens for everybody; name the audience of this API"));
    }
    let remote = member(provider, "remote_jwks").and_then(|remote| member(remote, "http_uri"));
    let inline = member(provider, "local_jwks").and_then(|local| text(local, "inline_string"));
    match (remote, inline.map(serde_json::from_str::<Value>)) {
        (Some(uri), _) => {
            set(&mut converted, "keys", json!({ "url": text(uri, "uri"), "cluster": text(uri, "cluster") }));
        }
        (None, Some(Ok(keys))) => set(&mut converted, "keys", json!({ "inline": keys })),
        _ => notes
            .push(format!("provider {name}: put the keys that it reads from elsewhere into `keys.inline`")),
    }
    if let Some(skew) = member(provider, "clock_skew_seconds").and_then(Value::as_u64) {
        set(&mut converted, "leeway_seconds", json!(skew.min(120)));
    }
    if let Some(lifetime) =
        text(provider, "max_lifetime").and_then(|text| text.strip_suffix('s')?.parse::<u64>().ok())
    {
        set(&mut converted, "max_lifetime_seconds", json!(lifetime));
    }
    converted
}

fn identity(name: &str, provider: &Value, headers: &mut Value, notes: &mut Vec<String>) {
    const CLAIMS: [(&str, &str); 5] = [
        ("sub", "subject"),
        ("client_id", "client_id"),
        ("scope", "scope"),
        ("sid", "session"),
        ("roles", "roles"),
    ];
    for forwarded in items(provider, "claim_to_headers") {
        let (claim, header) =
            (text(forwarded, "claim_name"), text(forwarded, "header_name").unwrap_or_default());
        let field = CLAIMS.iter().find(|(known, _)| Some(*known) == claim);
        match field.filter(|_| header.to_ascii_lowercase().starts_with("x-")) {
            Some((_, field)) => set(headers, field, header.to_ascii_lowercase()),
            None => notes.push(format!(
                "provider {name}: the claim {} is not forwarded as {header}",
                claim.unwrap_or_default()
            )),
        }
    }
}

pub(super) fn rules(filter: &Value, notes: &mut Vec<String>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (at, rule) in items(filter, "rules").iter().enumerate() {
        let named = text(rule, "requirement_name");
        let required = named.and_then(|name| {
            entries(filter, "requirement_map")
                .find_map(|(known, required)| (known == name).then_some(required))
        });
        let requires = required.or_else(|| member(rule, "requires"));
        if let Some(requires) = requires {
            doubts(at, requires, notes);
        }
        match member(rule, "match").and_then(|condition| places(at, condition, notes)) {
            Some(places) => rules.push(Rule { places, needs_token: named.is_some() || requires.is_some() }),
            None => notes.push(format!(
                "rules[{at}]: only `prefix`, `path` and `path_separated_prefix` are known; write its routes by hand"
            )),
        }
    }
    rules
}

/// What a policy cannot say about who vouches for a caller.
fn doubts(at: usize, requires: &Value, notes: &mut Vec<String>) {
    for (name, why) in [
        ("allow_missing", "a request without a token is refused"),
        ("allow_missing_or_failed", "a request without a valid token is refused"),
        ("extract_only_without_validation", "a request without a valid token is refused"),
        ("requires_any", "every issuer of the policy is accepted"),
        ("requires_all", "one token is enough"),
        ("provider_and_audiences", "the audiences of the issuer are asked for"),
    ] {
        if member(requires, name).is_some() {
            notes.push(format!("rules[{at}].requires.{name}: has no counterpart; {why}"));
        }
    }
}

fn places(at: usize, condition: &Value, notes: &mut Vec<String>) -> Option<Vec<super::combine::Place>> {
    let known = ["prefix", "path", "path_separated_prefix"];
    let others = condition.as_object()?.keys().filter(|name| !known.contains(&name.as_str()));
    for other in others {
        notes.push(format!("rules[{at}].match.{other}: has no counterpart; the rule applies without it"));
    }
    let methods = METHODS.map(str::to_owned);
    if let Some(path) = text(condition, "path") {
        return Some(self::at(path, &methods));
    }
    let prefix = text(condition, "prefix");
    if let Some(open) = prefix.filter(|prefix| !prefix.ends_with('/')) {
        notes.push(format!(
            "rules[{at}].match.prefix: {open}… also meant paths like {open}x, which it does not now"
        ));
    }
    Some(below(prefix.or_else(|| text(condition, "path_separated_prefix"))?, &methods))
}
