//! A key set: read as serde_json and another curve library would, refused for the same reason, and never a step back.

use keystone_verifier::{Algorithm, KeyCache, KeySet, KeySetError, compat};
use serde_json::{Map, Value};

use crate::{ed25519, forge, strict};

/// Judges one JWK set.
pub fn check(input: &[u8]) {
    let expected = expected(input);
    let strict = KeySet::parse(input).map(|set| kids(&set));
    assert_eq!(strict, expected);

    more_algorithms_take_no_key_away(input, &strict);
    a_cache_is_left_with_good_keys(input, &strict);
    if let Err(error) = strict {
        assert!(!error.to_string().is_empty());
    }
}

fn more_algorithms_take_no_key_away(input: &[u8], strict: &Result<Vec<String>, KeySetError>) {
    let all = compat::key_set(&[Algorithm::Ed25519, Algorithm::Es256, Algorithm::Rs256], input);
    match (strict, all.map(|set| kids(&set))) {
        (Ok(kids), Ok(more)) => assert!(kids.iter().all(|kid| more.contains(kid))),
        (Err(KeySetError::NoUsableKey), Ok(_)) => {}
        (strict, all) => assert_eq!(strict, &all),
    }
}

fn a_cache_is_left_with_good_keys(input: &[u8], strict: &Result<Vec<String>, KeySetError>) {
    let mut cache = KeyCache::remote();
    cache.replace(forge::jwks().to_string().as_bytes(), 1000).expect("a good set");
    match (cache.replace(input, 1300), strict) {
        (Ok(()), Ok(kids)) => {
            assert_eq!(cache.current(1899).map(self::kids).as_ref(), Some(kids));
            assert!(!cache.wants_fetch(1599) && cache.wants_fetch(1600) && cache.current(1900).is_none());
        }
        (Err(error), strict) => {
            if let KeySetError::ChangedKey(kid) = &error {
                assert_eq!(kid, "k1");
            } else {
                assert_eq!(Some(&error), strict.as_ref().err());
            }
            assert_eq!(cache.current(1300).map(self::kids), Some(vec!["k1".to_owned()]));
            assert_eq!(cache.age(1300), Some(300));
            assert!(!cache.wants_fetch(1300) && cache.wants_fetch(1301));
        }
        (Ok(()), Err(error)) => panic!("a cache took what is refused: {error}"),
    }
}

fn kids(set: &KeySet) -> Vec<String> {
    set.kids().map(ToOwned::to_owned).collect()
}

fn expected(input: &[u8]) -> Result<Vec<String>, KeySetError> {
    if input.len() > 64 * 1024 {
        return Err(KeySetError::TooLarge);
    }
    let document = strict::read(input).ok_or(KeySetError::Json)?;
    let members = document.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoKeysMember)?;
    if members.len() > 32 {
        return Err(KeySetError::TooManyKeys);
    }
    let (mut seen, mut usable) = (Vec::new(), Vec::new());
    for jwk in members.iter().filter_map(Value::as_object) {
        let private = ["d", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|name| jwk.contains_key(*name));
        if private && jwk.get("kty") != Some(&"oct".into()) {
            return Err(KeySetError::PrivateKey);
        }
        let Some(kid) = jwk.get("kid").and_then(Value::as_str) else { continue };
        if seen.contains(&kid) {
            return Err(KeySetError::DuplicateKid(kid.to_owned()));
        }
        seen.push(kid);
        if is_usable(jwk) {
            usable.push(kid.to_owned());
        }
    }
    if usable.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(usable) }
}

/// RFC 7517 §4, RFC 8037 §2.
fn is_usable(jwk: &Map<String, Value>) -> bool {
    let absent_or = |name: &str, fits: fn(&Value) -> bool| jwk.get(name).is_none_or(fits);
    let key = strict::text(jwk, "x").and_then(|x| forge::decoded(x.as_bytes()));
    jwk.get("kty") == Some(&"OKP".into())
        && jwk.get("crv") == Some(&"Ed25519".into())
        && absent_or("use", |usage| usage == "sig")
        && absent_or("alg", |alg| alg == "EdDSA" || alg == "Ed25519")
        && absent_or("key_ops", |ops| ops.as_array().is_some_and(|ops| ops.contains(&"verify".into())))
        && key.is_some_and(|key| ed25519::is_strict_key(&key))
}
