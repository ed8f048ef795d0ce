use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};

use super::*;
use crate::fixture::{self, NOW, claims, encode, rules};
use crate::{Authorizer, Code, Decision, Policy, RequestView, danger, verify, verify_cached};

const ALL: &[Algorithm] = &[Algorithm::Ed25519, Algorithm::Es256, Algorithm::Rs256];

/// The keys `es` and `rs` of one issuer, beside the fixture's `k1`.
struct Issuer {
    es: EcdsaKeyPair,
    rs: RsaKeyPair,
}

impl Issuer {
    fn new() -> Self {
        Self {
            es: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            rs: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        }
    }

    /// The members that make `es` the key it is.
    fn es256(&self) -> String {
        let (x, y) = self.es.public_key().as_ref()[1..].split_at(32);
        format!(r#""kty":"EC","crv":"P-256","x":"{}","y":"{}""#, encode(x), encode(y))
    }

    fn rs256(&self) -> String {
        // The modulus within RSAPublicKey (RFC 8017 A.1.1); the library's exponent is 65,537.
        let n = &self.rs.public_key().as_ref()[9..265];
        format!(r#""kty":"RSA","n":"{}","e":"AQAB""#, encode(n))
    }

    fn jwks(&self) -> String {
        let more = format!(
            r#"{{"kid":"es","use":"sig","alg":"ES256",{}}},{{"kid":"rs","use":"sig","alg":"RS256",{}}}]}}"#,
            self.es256(),
            self.rs256()
        );
        fixture::jwks().replace("]}", &format!(",{more}"))
    }

    fn keys(&self, accepted: &'static [Algorithm]) -> KeySet {
        key_set(accepted, self.jwks().as_bytes()).unwrap()
    }

    /// By the key `kid`, whatever `alg` says.
    fn sign(&self, alg: &str, kid: &str) -> String {
        self.sign_claims(alg, kid, &claims(&[]))
    }

    fn sign_claims(&self, alg: &str, kid: &str, claims: &str) -> String {
        let header = format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"at+jwt"}}"#);
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let message = signed.as_bytes();
        let signature = match kid {
            "es" => self.es.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            "rs" => {
                let mut signature = [0; 256];
                self.rs.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature.to_vec()
            }
            _ => return fixture::sign(&header, claims),
        };
        format!("{signed}.{}", encode(&signature))
    }
}

fn code(token: &str, keys: &KeySet) -> Option<Code> {
    verify(token.as_bytes(), &rules(), keys, NOW).err().map(|refusal| refusal.code())
}

#[test]
fn each_key_verifies_with_its_own_algorithm_only() {
    let issuer = Issuer::new();
    let keys = issuer.keys(ALL);

    for (kid, own) in [("k1", &["EdDSA", "Ed25519"][..]), ("es", &["ES256"]), ("rs", &["RS256"])] {
        for alg in ["EdDSA", "Ed25519", "ES256", "RS256"] {
            let expected = if own.contains(&alg) { None } else { Some(Code::Alg) };
            assert_eq!(code(&issuer.sign(alg, kid), &keys), expected, "{alg} with {kid}");
        }
        for alg in ["none", "HS256", "PS256", "RS384", "ES384", "ES256K", "rs256", "Es256", ""] {
            assert_eq!(code(&issuer.sign(alg, kid), &keys), Some(Code::Alg), "{alg} with {kid}");
        }
        let token = issuer.sign(own[0], kid);
        let any = danger::verify_for_any_audience(token.as_bytes(), &rules(), &keys, NOW);
        assert_eq!(any.unwrap().subject(), "u1");
    }
}

#[test]
fn a_changed_token_or_anothers_signature_is_refused() {
    let issuer = Issuer::new();
    let keys = issuer.keys(ALL);

    for (alg, kid) in [("ES256", "es"), ("RS256", "rs")] {
        let token = issuer.sign(alg, kid);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let stranger = Issuer::new().sign(alg, kid);
        let (_, foreign) = stranger.rsplit_once('.').unwrap();

        assert_eq!(code(&format!("{signed}.{foreign}"), &keys), Some(Code::Signature));
        assert_eq!(code(&format!("{signed}."), &keys), Some(Code::Signature));
        assert_eq!(code(&format!("{signed}.{}", signature.split_at(40).0), &keys), Some(Code::Signature));
        assert_eq!(code(&token.replace(".ey", ".ez"), &keys), Some(Code::Signature));
    }
}

#[test]
fn what_is_not_named_is_refused_and_its_keys_are_left_out() {
    let issuer = Issuer::new();
    let strict = KeySet::parse(issuer.jwks().as_bytes()).unwrap();
    let es = issuer.keys(&[Algorithm::Ed25519, Algorithm::Es256]);
    let rs = issuer.keys(&[Algorithm::Rs256]);

    assert_eq!(strict.kids().collect::<Vec<_>>(), ["k1"]);
    assert_eq!(es.kids().collect::<Vec<_>>(), ["k1", "es"]);
    assert_eq!(rs.kids().collect::<Vec<_>>(), ["rs"]);
    for (alg, kid) in [("ES256", "es"), ("RS256", "rs")] {
        assert_eq!(code(&issuer.sign(alg, kid), &strict), Some(Code::Alg), "{alg}");
        assert_eq!(code(&issuer.sign("EdDSA", kid), &strict), Some(Code::UnknownKid), "{kid}");
    }
    assert_eq!(code(&issuer.sign("RS256", "rs"), &es), Some(Code::Alg));
    assert_eq!(code(&issuer.sign("EdDSA", "k1"), &rs), Some(Code::Alg));
    assert_eq!(
        KeySet::parse(format!(r#"{{"keys":[{{"kid":"rs",{}}}]}}"#, issuer.rs256()).as_bytes()).unwrap_err(),
        KeySetError::NoUsableKey
    );
}

#[test]
fn a_key_that_says_something_else_of_itself_is_not_used() {
    let issuer = Issuer::new();
    let (es, rs) = (issuer.es256(), issuer.rs256());
    let cases = [
        format!(r#"{es},"alg":"RS256""#),
        format!(r#"{es},"alg":"EdDSA""#),
        format!(r#"{es},"alg":"ES384""#),
        format!(r#"{es},"use":"enc""#),
        es.replace("P-256", "P-384"),
        es.replace("P-256", "secp256k1"),
        es.replace(r#""kty":"EC""#, r#""kty":"OKP""#),
        format!(r#"{rs},"alg":"ES256""#),
        format!(r#"{rs},"alg":"PS256""#),
        format!(r#"{rs},"alg":"RS512""#),
        format!(r#"{rs},"alg":"HS256""#),
        format!(r#"{rs},"key_ops":["sign"]"#),
        rs.replace("AQAB", "AQ"),
        rs.replace("AQAB", "AQAB="),
        rs.replace("AQAB", "AAEAAQ"),
        rs.replace(r#""n":""#, r#""n":"AAAA"#),
    ];
    for key in cases {
        let jwks = format!(r#"{{"keys":[{{"kid":"k",{key}}}]}}"#);
        assert_eq!(key_set(ALL, jwks.as_bytes()).unwrap_err(), KeySetError::NoUsableKey, "{key}");
    }
    for key in [&es, &rs] {
        let published = format!(r#"{{"keys":[{{"kid":"k",{key},"d":"AAAA"}}]}}"#);
        assert_eq!(key_set(ALL, published.as_bytes()).unwrap_err(), KeySetError::PrivateKey);
    }
}

#[test]
fn a_name_never_means_a_key_of_another_kind() {
    let issuer = Issuer::new();
    let set = |key: &str| format!(r#"{{"keys":[{{"kid":"k",{key}}}]}}"#);
    let mut cache = remote_keys(ALL);
    cache.replace(set(&issuer.es256()).as_bytes(), NOW).unwrap();

    cache.replace(set(&issuer.es256()).as_bytes(), NOW).unwrap();
    for other in [issuer.rs256(), Issuer::new().es256()] {
        let changed = cache.replace(set(&other).as_bytes(), NOW);
        assert_eq!(changed, Err(KeySetError::ChangedKey("k".into())));
    }
}

#[test]
fn a_key_that_was_published_since_is_asked_for() {
    let issuer = Issuer::new();
    let mut cache = remote_keys(ALL);
    cache.replace(fixture::jwks().as_bytes(), NOW).unwrap();

    let verdict = verify_cached(issuer.sign("ES256", "es").as_bytes(), &rules(), &mut cache, NOW + 1);
    assert_eq!(verdict.unwrap_err().code(), Code::UnknownKid);
    assert!(cache.wants_fetch(NOW + 1));

    cache.replace(issuer.jwks().as_bytes(), NOW + 1).unwrap();
    verify_cached(issuer.sign("ES256", "es").as_bytes(), &rules(), &mut cache, NOW + 1).unwrap();
}

#[test]
fn each_issuer_of_a_policy_is_believed_with_what_was_said_of_it() {
    let issuer = Issuer::new();
    let policy = r#"{"version":1,"issuers":[
        {"issuer":"https://strict.example","audiences":["https://api.example"],"keys":{"url":"https://strict.example/jwks"}},
        {"issuer":"https://as.example","audiences":["https://api.example"],"keys":{"url":"https://as.example/jwks"}}],
        "routes":[{"methods":["GET"],"path":"/","authenticated":true}]}"#;
    let mut authorizer = Authorizer::new(Policy::parse(policy.as_bytes()).unwrap());
    let mut decide = |iss: &str, at: usize| {
        *authorizer.keys(at).unwrap() = remote_keys(ALL);
        for at in 0..2 {
            authorizer.keys(at).unwrap().replace(issuer.jwks().as_bytes(), NOW).unwrap();
        }
        let claims = claims(&[("iss", &format!(r#""https://{iss}.example""#))]);
        let bearer = format!("Bearer {}", issuer.sign_claims("ES256", "es", &claims));
        let authorization = [bearer.as_bytes()];
        let request = RequestView { method: b"GET", path: b"/", authorization: &authorization };
        match authorizer.decide(&request, NOW) {
            Decision::Allow(_) => None,
            Decision::Deny(refusal) => Some(refusal.code()),
            Decision::Public => panic!("the route is not public"),
        }
    };

    assert_eq!(decide("as", 1), None);
    assert_eq!(decide("strict", 1), Some(Code::Alg));
}
