//! `JwtProvider` of jwt_authn, which becomes an issuer.

use serde_json::{Map, Value, json};

use super::identity_headers::{self, Forwarded};
use super::keys;
use crate::commands::policy::convert::node::{Known, Message, Node};
use crate::commands::policy::convert::report::Said;
use crate::commands::policy::convert::sayable;

#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) place: String,
    /// `None` if the provider accepts every issuer.
    pub(crate) issuer: Option<String>,
    pub(crate) audiences: Vec<String>,
    /// The key of the metadata that it writes the payload to.
    pub(crate) payload: Option<String>,
    /// Whether `scope` becomes a list in the metadata.
    pub(crate) splits_scope: bool,
    pub(crate) forward: bool,
    pub(crate) headers: Vec<Forwarded>,
    /// The issuer of the policy without audiences. `None` if a policy cannot say it.
    definition: Option<Map<String, Value>>,
}

const KNOWN: Known = Known {
    read: &[
        "issuer",
        "audiences",
        "require_expiration",
        "max_lifetime",
        "remote_jwks",
        "local_jwks",
        "forward",
        "from_headers",
        "payload_in_metadata",
        "normalize_payload_in_metadata",
        "clock_skew_seconds",
        "jwt_cache_config",
        "claim_to_headers",
    ],
    refused: &[
        "subjects",
        "from_params",
        "from_cookies",
        "forward_payload_header",
        "pad_forward_payload_header",
        "header_in_metadata",
        "failed_status_in_metadata",
        "clear_route_cache",
    ],
};

impl Provider {
    /// Reads a provider. One that cannot be said is still there: rules name it.
    pub(crate) fn read(name: &str, node: &Node<'_>) -> Self {
        let unsaid = Self {
            name: name.to_owned(),
            place: node.place.clone(),
            issuer: None,
            audiences: Vec::new(),
            payload: None,
            splits_scope: false,
            forward: false,
            headers: Vec::new(),
            definition: None,
        };
        node.message(KNOWN).and_then(|message| unsaid.clone().filled(&message)).unwrap_or(unsaid)
    }

    fn filled(mut self, message: &Message<'_>) -> Said<Self> {
        self.payload = message.text("payload_in_metadata")?.map(str::to_owned);
        self.splits_scope = splits_scope(message)?;
        self.issuer = message.text("issuer")?.map(str::to_owned);
        self.audiences = message.texts("audiences")?;
        self.forward = message.boolean("forward")?;
        self.headers = identity_headers::read(&message.items("claim_to_headers")?)?;
        if self.issuer.is_none() {
            message.node.unsaid("`issuer` is missing; a policy identifies issuers by name");
        }
        // Each fault is named, so all of them are read before the first ends this.
        let parts = (locations(message), keys::read(message), leeway(message));
        let (Ok(()), Ok(keys), Ok(leeway)) = parts else { return Ok(self) };
        let members = [("issuer", json!(self.issuer)), ("keys", keys), ("leeway_seconds", json!(leeway))];
        let lifetime = max_lifetime(message, leeway)?.map(|seconds| ("max_lifetime_seconds", json!(seconds)));
        let members = members.into_iter().chain(lifetime).map(|(name, value)| (name.to_owned(), value));
        self.definition = self.issuer.is_some().then(|| members.collect());
        Ok(self)
    }

    /// The issuer as a policy has it. What is wrong with it is recorded, and `None` is the result.
    pub(crate) fn definition(&self, node: &Node<'_>) -> Option<Value> {
        let mut definition = self.definition.clone()?;
        if self.audiences.is_empty() {
            node.unsaid("it accepts tokens for every audience: `audiences` must name this API");
            return None;
        }
        definition.insert("audiences".to_owned(), json!(self.audiences));
        let definition = Value::Object(definition);
        match sayable::issuer(&definition) {
            Ok(()) => Some(definition),
            Err(error) => {
                node.unsaid(&format!("a policy does not accept this issuer: {error}"));
                None
            }
        }
    }
}

/// Whether the scope is a list in the metadata, as in `normalize_payload_in_metadata`.
fn splits_scope(message: &Message<'_>) -> Said<bool> {
    let Some(normalized) = message.get("normalize_payload_in_metadata") else { return Ok(false) };
    let normalized = normalized.message(Known { read: &["space_delimited_claims"], refused: &[] })?;
    Ok(normalized.texts("space_delimited_claims")?.iter().any(|claim| claim == "scope"))
}

/// A policy takes the token from `Authorization`, which is where Envoy looks, too, unless told otherwise.
fn locations(message: &Message<'_>) -> Said<()> {
    for header in message.items("from_headers")? {
        let parts = header.message(Known { read: &["name", "value_prefix"], refused: &[] })?;
        let (name, prefix) = (parts.text("name")?, parts.text("value_prefix")?);
        let usual = name.is_some_and(|name| name.eq_ignore_ascii_case("authorization"));
        if !usual || prefix != Some("Bearer ") {
            return Err(header.unsaid("a policy accepts tokens only in `Authorization: Bearer`"));
        }
    }
    Ok(())
}

/// Envoy's 60 seconds are written down, and a policy allows for 120 at most.
fn leeway(message: &Message<'_>) -> Said<u64> {
    let Some(skew) = message.get("clock_skew_seconds") else { return Ok(ENVOYS_SKEW) };
    let seconds = match skew.number()? {
        0 => ENVOYS_SKEW,
        seconds => seconds,
    };
    if seconds > MAX_LEEWAY {
        skew.report.note(format!("{}: clocks may differ by {MAX_LEEWAY} seconds at most", skew.place));
    }
    Ok(seconds.min(MAX_LEEWAY))
}

const ENVOYS_SKEW: u64 = 60;
const MAX_LEEWAY: u64 = 120;

/// Envoy bounds `exp` − now, a policy `exp` − `iat`, where `iat` may be ahead by the leeway.
fn max_lifetime(message: &Message<'_>, leeway: u64) -> Said<Option<u64>> {
    let Some(node) = message.get("max_lifetime") else { return Ok(None) };
    let seconds = node.text()?.strip_suffix('s').map(|text| text.split('.').next().unwrap_or_default());
    let seconds = seconds.and_then(|seconds| seconds.parse::<u64>().ok());
    let seconds = seconds.ok_or_else(|| node.unsaid("must be a duration as 3600s"))?;
    match seconds.checked_sub(leeway) {
        None | Some(0) => Err(node.unsaid("is not longer than the clock skew")),
        Some(seconds) => Ok(Some(seconds.min(A_YEAR))),
    }
}

const A_YEAR: u64 = 31_536_000;
