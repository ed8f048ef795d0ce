//! Other people's verifiers, configured as strictly as each can be. They know no routes and no scopes: they are asked
//! about the cases that hand in one token as a bearer token, on a route that any valid token opens.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Column;
use crate::hostile::Case;

/// The verdict of a peer.
pub(super) const ACCEPTED: &str = "accepted";
pub(super) const REFUSED: &str = "refused";
pub(super) const NOT_ASKED: &str = "not asked";

/// The token that a peer is asked about.
pub(super) fn token(case: &Case) -> Option<&str> {
    match case.authorization.as_slice() {
        [value] if case.path == "/me" && case.method == "GET" => value.strip_prefix("Bearer "),
        _ => None,
    }
}

/// Parses the output of `peers.mjs`.
pub(super) fn columns(told: &str) -> Result<Vec<Column>> {
    let told: Value = serde_json::from_str(told).with_context(|| format!("not JSON: {told}"))?;
    let peers = told.as_object().context("the peers told no object")?;
    let verdicts = |list: &Value| {
        let text = |verdict: &Value| verdict.as_str().unwrap_or_default().to_owned();
        list.as_array().into_iter().flatten().map(text).collect()
    };
    peers.iter().map(|(peer, list)| Column::complete(peer, verdicts(list))).collect()
}
