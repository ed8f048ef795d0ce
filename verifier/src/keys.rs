//! A JWK set (RFC 7517) as a verifier may use it: public Ed25519 signature keys with distinct names.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::base64url;
use crate::json::{self, Object, Value};
use crate::signature::PublicKey;

/// The keys of one issuer. Never empty.
#[derive(Clone, Debug)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    kid: String,
    public: PublicKey,
}

impl KeySet {
    /// Reads a JWK set of at most 64 KiB and 32 keys.
    ///
    /// A key that is not for Ed25519 signatures, or is malformed, is left out (RFC 7517 §5). The whole set is refused
    /// where using a part would be a risk: see [`KeySetError`].
    pub fn parse(jwks: &[u8]) -> Result<Self, KeySetError> {
        if jwks.len() > MAX_BYTES {
            return Err(KeySetError::TooLarge);
        }
        Self::from_json(&json::parse(jwks).map_err(|_| KeySetError::Json)?.value)
    }

    pub(crate) fn from_json(set: &Value<'_>) -> Result<Self, KeySetError> {
        let members = set.as_object().and_then(|set| set.get("keys")).and_then(|keys| keys.value.as_array());
        let members = members.ok_or(KeySetError::NoKeysMember)?;
        if members.len() > MAX_KEYS {
            return Err(KeySetError::TooManyKeys);
        }

        let mut kids: Vec<&str> = Vec::new();
        let mut keys = Vec::new();
        for jwk in members.iter().filter_map(|member| member.value.as_object()) {
            if PRIVATE_MEMBERS.iter().any(|name| jwk.get(name).is_some()) && !is_symmetric(jwk) {
                return Err(KeySetError::PrivateKey);
            }
            let Some(kid) = text(jwk, "kid") else { continue };
            if kids.contains(&kid) {
                return Err(KeySetError::DuplicateKid(kid.to_owned()));
            }
            kids.push(kid);
            if let Some(public) = ed25519(jwk) {
                keys.push(Key { kid: kid.to_owned(), public });
            }
        }
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// The names of the usable keys.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.kid.as_str())
    }

    /// The key called `kid`, compared byte by byte: no other key is ever tried.
    pub(crate) fn key(&self, kid: &str) -> Option<&PublicKey> {
        self.0.iter().find(|key| key.kid == kid).map(|key| &key.public)
    }

    /// The first name that both sets use for different keys.
    pub(crate) fn conflict<'a>(&self, newer: &'a Self) -> Option<&'a str> {
        newer
            .0
            .iter()
            .find(|new| self.key(&new.kid).is_some_and(|old| *old != new.public))
            .map(|new| new.kid.as_str())
    }
}

/// Why a key set was refused as a whole; the last good one stays in use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySetError {
    /// Over 64 KiB.
    TooLarge,
    /// Not JSON, or a member name twice.
    Json,
    /// No array `keys`.
    NoKeysMember,
    /// Over 32 keys.
    TooManyKeys,
    /// A member that only a private key has (RFC 8037 §2, RFC 7518 §6): somebody published a secret.
    PrivateKey,
    /// Two keys of one name.
    DuplicateKid(String),
    /// No Ed25519 signature key with a `kid`.
    NoUsableKey,
    /// A name that meant another key before.
    ChangedKey(String),
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "the key set is larger than {MAX_BYTES} bytes"),
            Self::Json => f.write_str("the key set is not strict JSON"),
            Self::NoKeysMember => f.write_str("the key set is not an object with an array `keys`"),
            Self::TooManyKeys => write!(f, "the key set holds more than {MAX_KEYS} keys"),
            Self::PrivateKey => f.write_str("the key set publishes a private key"),
            Self::DuplicateKid(kid) => write!(f, "the key set names two keys {kid:?}"),
            Self::NoUsableKey => f.write_str("the key set holds no Ed25519 signature key with a `kid`"),
            Self::ChangedKey(kid) => write!(f, "the key {kid:?} is another one than before"),
        }
    }
}

impl core::error::Error for KeySetError {}

const MAX_BYTES: usize = 64 * 1024;
const MAX_KEYS: usize = 32;
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The key, if it is one for Ed25519 signatures (RFC 8037 §2) and says nothing else of itself (RFC 7517 §4.2 to §4.4).
fn ed25519(jwk: &Object<'_>) -> Option<PublicKey> {
    let fits = |name, allowed: &[&str]| {
        jwk.get(name).is_none_or(|member| member.value.as_str().is_some_and(|value| allowed.contains(&value)))
    };
    let verifies = jwk.get("key_ops").is_none_or(|member| {
        member.value.as_array().is_some_and(|ops| ops.iter().any(|op| op.value.as_str() == Some("verify")))
    });
    let right_type = text(jwk, "kty") == Some("OKP") && text(jwk, "crv") == Some("Ed25519");
    if !right_type || !verifies || !fits("use", &["sig"]) || !fits("alg", &["EdDSA", "Ed25519"]) {
        return None;
    }
    PublicKey::from_bytes(&base64url::decode(text(jwk, "x")?.as_bytes())?)
}

fn is_symmetric(jwk: &Object<'_>) -> bool {
    text(jwk, "kty") == Some("oct")
}

fn text<'a>(jwk: &'a Object<'_>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(|member| member.value.as_str())
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;

    use super::*;

    // RFC 8037 A.2.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn kids(jwks: &str) -> Result<Vec<String>, KeySetError> {
        KeySet::parse(jwks.as_bytes()).map(|set| set.kids().map(ToOwned::to_owned).collect())
    }

    fn key(kid: &str, more: &str) -> String {
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{X}"{more}}}"#)
    }

    fn set(keys: &[String]) -> String {
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }

    #[test]
    fn keys_of_other_kinds_are_left_out_and_the_rest_still_works() {
        let foreign = [
            r#"{"kty":"RSA","kid":"r","n":"AQAB","e":"AQAB"}"#.to_owned(),
            r#"{"kty":"oct","kid":"o","k":"AAAA"}"#.to_owned(),
            format!(r#"{{"kty":"OKP","crv":"X25519","kid":"x","x":"{X}"}}"#),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"}}"#),
            r#"{"kty":"OKP","crv":"Ed25519","kid":"short","x":"AAAA"}"#.to_owned(),
            format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"padded","x":"{X}="}}"#),
            key("enc", r#","use":"enc""#),
            key("sign", r#","key_ops":["sign"]"#),
            key("es256", r#","alg":"ES256""#),
            "1".to_owned(),
        ];
        let good = [key("k1", ""), key("k2", r#","use":"sig","alg":"EdDSA","key_ops":["verify"]"#)];

        assert_eq!(kids(&set(&[&foreign[..], &good[..]].concat())).unwrap(), ["k1", "k2"]);
    }

    #[test]
    fn sets_that_would_be_a_risk_are_refused_whole() {
        let cases = [
            (r#"{"keys":[]}"#.to_owned(), KeySetError::NoUsableKey),
            (r#"{"keys":{}}"#.to_owned(), KeySetError::NoKeysMember),
            ("[]".to_owned(), KeySetError::NoKeysMember),
            (r#"{"keys":["#.to_owned(), KeySetError::Json),
            (set(&[key("k1", ""), key("k1", "")]), KeySetError::DuplicateKid("k1".to_owned())),
            (set(&[key("k1", r#","d":"AAAA""#)]), KeySetError::PrivateKey),
            (set(&vec![key("k", ""); 33]), KeySetError::TooManyKeys),
            (" ".repeat(MAX_BYTES + 1), KeySetError::TooLarge),
        ];
        for (jwks, error) in cases {
            assert_eq!(kids(&jwks), Err(error));
        }
    }
}
