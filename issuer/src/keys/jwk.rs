//! Public signing keys as the world sees them (RFC 7517, RFC 8037).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key set (RFC 7517 §5).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Jwks {
    pub(super) keys: Vec<PublicJwk>,
}

/// The only members that are ever published. A private member has no field to hide in.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublicJwk {
    kty: String,
    crv: String,
    x: String,
    pub kid: String,
    alg: String,
    #[serde(rename = "use")]
    usage: String,
}

impl PublicJwk {
    /// Of an Ed25519 public key.
    pub(super) fn ed25519(public: &[u8]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(public);
        Self {
            kid: thumbprint(&x),
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x,
            alg: ALGORITHM.to_owned(),
            usage: "sig".to_owned(),
        }
    }
}

/// RFC 7638 with the members of RFC 8037 §2, in lexicographic order.
fn thumbprint(x: &str) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

/// `EdDSA` rather than RFC 9864's `Ed25519`: the name every verifier in the field knows.
pub(super) const ALGORITHM: &str = "EdDSA";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_8037_appendix_a() {
        let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();

        assert_eq!(PublicJwk::ed25519(&public).kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn private_members_do_not_parse() {
        let jwk = serde_json::to_string(&PublicJwk::ed25519(&[1; 32])).unwrap();

        assert!(serde_json::from_str::<PublicJwk>(&jwk).is_ok());
        assert!(serde_json::from_str::<PublicJwk>(&jwk.replace("\"kty\"", "\"d\":\"x\",\"kty\"")).is_err());
    }
}
