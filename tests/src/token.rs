//! Tokens as a thief or a tinkerer sees them: three pieces of text.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// The claims, unverified.
pub fn claims(token: &str) -> Result<Value> {
    let part = token.split('.').nth(1).context("the token has no claims")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
}

/// The token with one byte changed in the given part (0 header, 1 claims, 2 signature). The byte lies in the middle of
/// the part and stays in the base64url alphabet, so the text is still well-formed.
pub fn with_one_byte_changed(token: &str, part: usize) -> Result<String> {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let target = parts.get_mut(part).with_context(|| format!("the token has no part {part}"))?;
    let middle = target.len() / 2;
    let changed: String = target
        .chars()
        .enumerate()
        .map(|(at, old)| {
            if at != middle {
                old
            } else if old == 'A' {
                'B'
            } else {
                'A'
            }
        })
        .collect();
    *target = changed;
    Ok(parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_byte_differs() {
        let token = "aaaa.bbbb.AAAA";

        let changed: Vec<String> = (0..3).map(|part| with_one_byte_changed(token, part).unwrap()).collect();

        assert_eq!(changed, ["aaAa.bbbb.AAAA", "aaaa.bbAb.AAAA", "aaaa.bbbb.AABA"]);
    }
}
