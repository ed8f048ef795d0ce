//! A JWK set (RFC 7517) as a verifier may use it: public signature keys with distinct names, for Ed25519 unless `compat`
//! accepts more.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::base64url;
use crate::json::{self, Object, Value};
use crate::signature::{Algorithm, PublicKey};
use crate::text::{joined, quoted, text};

/// The keys of one issuer. Never empty.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    accepted: &'static [Algorithm],
}

#[derive(Clone, Debug)]
struct Key {
    kid: String,
    public: PublicKey,
}

impl Key {
    /// With its name, before the members of the thumbprint.
    fn jwk(&self) -> String {
        let jwk = self.public.jwk();
        text!("{{\"kid\":{},{}", quoted(&self.kid), jwk.strip_prefix("{").unwrap_or_default())
    }
}

impl KeySet {
    /// Reads a JWK set of at most 64 KiB and 32 keys.
    ///
    /// A key that is not for signatures with Ed25519, or is malformed, is left out (RFC 7517 §5). The whole set is refused
    /// where using a part would be a risk: see [`KeySetError`].
    pub fn parse(jwks: &[u8]) -> Result<Self, KeySetError> {
        Self::accepting(STRICT, jwks)
    }

    pub(crate) fn accepting(accepted: &'static [Algorithm], jwks: &[u8]) -> Result<Self, KeySetError> {
        if jwks.len() > MAX_BYTES {
            return Err(KeySetError::TooLarge);
        }
        Self::from_json(accepted, &json::parse(jwks).map_err(|_| KeySetError::Json)?.value)
    }

    pub(crate) fn from_json(accepted: &'static [Algorithm], set: &Value<'_>) -> Result<Self, KeySetError> {
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
            if let Some(public) = public(jwk, accepted) {
                keys.push(Key { kid: kid.to_owned(), public });
            }
        }
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self { keys, accepted }) }
    }

    /// Returns the names of the usable keys.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.kid.as_str())
    }

    /// The key called `kid`, compared byte by byte: no other key is ever tried.
    #[inline(never)] // for size
    pub(crate) fn key(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.kid == kid).map(|key| &key.public)
    }

    /// The algorithms whose keys were taken, be there one or not.
    pub(crate) const fn accepted(&self) -> &'static [Algorithm] {
        self.accepted
    }

    /// Returns the same keys, with the tables of those that `older` holds too: a set that is read again need not begin
    /// anew.
    #[must_use]
    pub fn continuing(mut self, older: &Self) -> Self {
        for key in &mut self.keys {
            if let Some(known) = older.key(&key.kid).filter(|known| **known == key.public) {
                key.public = known.clone();
            }
        }
        self
    }

    /// Returns whether both hold the same keys under the same names.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let known = |key: &Key| other.key(&key.kid) == Some(&key.public);
        // No name stands in a set twice.
        self.keys.len() == other.keys.len() && self.keys.iter().all(known)
    }

    /// The set as it can be read again (RFC 7517 §5), without its braces.
    pub(crate) fn members(&self) -> String {
        text!("\"keys\":[{}]", joined(self.keys.iter().map(Key::jwk), ","))
    }

    /// The first name that both sets use for different keys.
    pub(crate) fn conflict<'a>(&self, newer: &'a Self) -> Option<&'a str> {
        newer
            .keys
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
    /// A member that only a private key has (RFC 8037 §2, RFC 7518 §6): a secret was published.
    PrivateKey,
    /// Two keys of one name.
    DuplicateKid(String),
    /// No signature key with a `kid` for an accepted algorithm.
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
            Self::DuplicateKid(kid) => write!(f, "the key set names two keys {}", quoted(kid)),
            Self::NoUsableKey => f.write_str("the key set holds no signature key with a `kid` for an accepted algorithm, which is Ed25519 by default"),
            Self::ChangedKey(kid) => write!(f, "the key {} is another one than before", quoted(kid)),
        }
    }
}

impl core::error::Error for KeySetError {}

/// The algorithms that are accepted unless the host accepts more.
pub(crate) const STRICT: &[Algorithm] = &[Algorithm::Ed25519];
const MAX_BYTES: usize = 64 * 1024;
const MAX_KEYS: usize = 32;
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// The key, if it is for signatures with one of `accepted` and says nothing else of itself (RFC 7517 §4.2 to §4.4).
fn public(jwk: &Object<'_>, accepted: &[Algorithm]) -> Option<PublicKey> {
    let is_signature = jwk.get("use").is_none_or(|usage| usage.value.as_str() == Some("sig"));
    let verifies = jwk.get("key_ops").is_none_or(|member| {
        member.value.as_array().is_some_and(|ops| ops.iter().any(|op| op.value.as_str() == Some("verify")))
    });
    let algorithm = algorithm(jwk).filter(|algorithm| accepted.contains(algorithm))?;
    let fits = jwk
        .get("alg")
        .is_none_or(|member| member.value.as_str().and_then(Algorithm::named) == Some(algorithm));
    if !is_signature || !verifies || !fits {
        return None;
    }
    let bytes = |name| base64url::decode(text(jwk, name)?.as_bytes());
    match algorithm {
        Algorithm::Ed25519 => PublicKey::ed25519(&bytes("x")?),
        Algorithm::Es256 => PublicKey::es256(&bytes("x")?, &bytes("y")?),
        Algorithm::Rs256 => PublicKey::rs256(&bytes("n")?, &bytes("e")?),
    }
}

/// The one algorithm that a key of this type is for (RFC 8037 §2, RFC 7518 §6).
fn algorithm(jwk: &Object<'_>) -> Option<Algorithm> {
    match (text(jwk, "kty")?, text(jwk, "crv")) {
        ("OKP", Some("Ed25519")) => Some(Algorithm::Ed25519),
        ("EC", Some("P-256")) => Some(Algorithm::Es256),
        ("RSA", _) => Some(Algorithm::Rs256),
        _ => None,
    }
}

fn is_symmetric(jwk: &Object<'_>) -> bool {
    text(jwk, "kty") == Some("oct")
}

fn text<'a>(jwk: &'a Object<'_>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(|member| member.value.as_str())
}

#[cfg(test)]
mod tests {
    use alloc::{format, vec};

    use super::*;

    // RFC 8037 A.2.
    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    // RFC 8032 §7.1, test 2.
    const OTHER_X: &str = "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw";

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
            r#"{"kty":"oct","kid":"p","k":"AAAA","d":"AAAA"}"#.to_owned(),
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
            (set(&vec![key("k", ""); 32]), KeySetError::DuplicateKid("k".to_owned())),
            (" ".repeat(MAX_BYTES + 1), KeySetError::TooLarge),
            (" ".repeat(MAX_BYTES), KeySetError::Json),
        ];
        for (jwks, error) in cases {
            assert_eq!(kids(&jwks), Err(error));
        }
    }

    #[test]
    fn a_set_that_is_read_again_keeps_the_tables_of_the_same_keys() {
        let one = |x: &str| {
            let set = KeySet::parse(set(&[key("k1", "").replace(X, x)]).as_bytes()).unwrap();
            match set.key("k1").cloned() {
                Some(PublicKey::Ed25519(key)) => (set, key),
                other => panic!("{other:?}"),
            }
        };
        let ((older, known), (newer, _), (changed, other)) = (one(X), one(X), one(OTHER_X));
        let after = |set: KeySet| match set.continuing(&older).key("k1").cloned() {
            Some(PublicKey::Ed25519(key)) => key,
            other => panic!("{other:?}"),
        };

        assert!(after(newer).shares_tables_with(&known));
        assert_eq!(after(changed), other);
    }
}
