//! Vectors of others: Wycheproof, RFC 8037, and the directory of vectors that `KEYSTONE_VECTORS` names. Where this
//! verifier is stricter than a collection, the test lists the cases and says why.

extern crate std;

mod given;
#[cfg(feature = "aws-lc")]
mod wycheproof;

use crate::keys::KeySet;

/// Returns whether the one key of a set verifies the three segments of a JWS.
fn verifies(jwk: &str, jws: &str) -> bool {
    let jwks = alloc::format!(r#"{{"keys":[{{"kid":"k",{}]}}"#, jwk.trim_start().strip_prefix('{').unwrap());
    let keys = KeySet::parse(jwks.as_bytes()).unwrap();
    let (signed, signature) = jws.rsplit_once('.').unwrap();
    let signature = crate::base64url::decode(signature.as_bytes()).unwrap();
    keys.key("k").unwrap().verify(signed.as_bytes(), &signature)
}

#[test]
fn the_example_of_rfc_8037_verifies() {
    // A.2 and A.4.
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let jws = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
        hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

    assert!(verifies(jwk, jws));
    assert!(!verifies(jwk, &jws.replace("RXhh", "RXhi")));
}
