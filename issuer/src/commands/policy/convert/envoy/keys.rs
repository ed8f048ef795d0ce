//! `RemoteJwks` and `DataSource`: where the keys of a provider come from.

use serde_json::{Value, json};

use crate::commands::policy::convert::node::{Known, Message, Node};
use crate::commands::policy::convert::report::Said;

pub(crate) fn read(provider: &Message<'_>) -> Said<Value> {
    match provider.one_of(&["remote_jwks", "local_jwks"])? {
        Some(("remote_jwks", remote)) => fetched(remote),
        Some((_, local)) => inline(local),
        None => Err(provider.node.unsaid("`remote_jwks` or `local_jwks` is missing")),
    }
}

/// How often and how patiently Envoy fetched is of no importance: a policy's host fetches in its own way.
fn fetched(node: &Node<'_>) -> Said<Value> {
    let remote = node.message(Known {
        read: &["http_uri", "cache_duration", "async_fetch", "retry_policy"],
        refused: &[],
    })?;
    let uri = remote.need("http_uri")?;
    let uri = uri.message(Known { read: &["uri", "cluster", "timeout"], refused: &[] })?;
    Ok(json!({ "url": uri.need("uri")?.text()?, "cluster": uri.need("cluster")?.text()? }))
}

fn inline(node: &Node<'_>) -> Said<Value> {
    let source = node.message(Known {
        read: &["inline_string"],
        refused: &["filename", "inline_bytes", "environment_variable", "watched_directory"],
    })?;
    let text = source.need("inline_string")?;
    let keys: Value = serde_json::from_str(text.text()?)
        .map_err(|error| text.unsaid(&format!("must be a JWK set: {error}")))?;
    Ok(json!({ "inline": keys }))
}
