//! Random secrets as text: a prefix that scanners recognise, the bytes, a checksum that finds typing errors.
//!
//! `<prefix>` + base64url of (bytes, first 4 bytes of SHA-256 over prefix and bytes). Exactly one spelling is valid.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use zeroize::Zeroizing;

use crate::clock::World;
use crate::secret::Secret;

/// Refresh token.
pub const REFRESH_TOKEN: &str = "ksrt_";
/// Client secret.
pub const CLIENT_SECRET: &str = "kscs_";
/// Password for one login.
pub const ONE_TIME_PASSWORD: &str = "ksop_";

pub fn encode(prefix: &str, bytes: &[u8]) -> Secret {
    let mut payload = Zeroizing::new(bytes.to_vec());
    payload.extend_from_slice(&checksum(prefix, bytes));
    Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(&*payload)))
}

/// A fresh client secret.
pub fn new_client_secret(world: &World) -> Secret {
    encode(CLIENT_SECRET, &*Zeroizing::new(world.bytes::<32>()))
}

/// `None`: not a text that `encode` makes of `N` bytes under this prefix.
pub fn decode<const N: usize>(prefix: &str, text: &str) -> Option<[u8; N]> {
    let payload = URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix)?).ok()?;
    let (bytes, sum) = payload.split_last_chunk::<4>()?;
    let bytes: [u8; N] = bytes.try_into().ok()?;
    (checksum(prefix, &bytes) == *sum).then_some(bytes)
}

fn checksum(prefix: &str, bytes: &[u8]) -> [u8; 4] {
    let mut context = Context::new(&SHA256);
    context.update(prefix.as_bytes());
    context.update(bytes);
    context.finish().as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes() {
        let text = encode(CLIENT_SECRET, &[7; 32]);

        assert!(text.expose().starts_with("kscs_"));
        assert_eq!(decode::<32>(CLIENT_SECRET, text.expose()), Some([7; 32]));
    }

    #[test]
    fn one_changed_character_is_noticed() {
        let text = encode(REFRESH_TOKEN, &[9; 52]).expose().to_owned();

        for position in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                decode::<52>(REFRESH_TOKEN, std::str::from_utf8(&changed).unwrap()),
                None,
                "at {position}"
            );
        }
    }

    #[test]
    fn other_lengths_and_spellings_are_refused() {
        let text = encode(REFRESH_TOKEN, &[9; 52]).expose().to_owned();

        for wrong in
            [format!("{text}="), format!(" {text}"), format!("{text}A"), text.replace("ksrt_", "kscs_")]
        {
            assert_eq!(decode::<52>(REFRESH_TOKEN, &wrong), None, "{wrong}");
        }
        assert_eq!(decode::<51>(REFRESH_TOKEN, &text), None);
    }
}
