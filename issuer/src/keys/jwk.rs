//! Public signing keys as the world sees them (RFC 7517, RFC 7518 §6, RFC 8037).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::pair::Algorithm;

/// A key set (RFC 7517 §5).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Jwks {
    pub(super) keys: Vec<PublicJwk>,
}

/// The only members that are ever published. A private member has no field to hide in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct PublicJwk {
    pub(super) kid: String,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    #[serde(flatten)]
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kty")]
enum Material {
    #[serde(rename = "OKP")]
    Okp { crv: &'static str, x: String },
    #[serde(rename = "EC")]
    Ec { crv: &'static str, x: String, y: String },
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
}

impl PublicJwk {
    pub(super) fn ed25519(x: &[u8]) -> Self {
        Self::new(Algorithm::EdDsa, Material::Okp { crv: "Ed25519", x: encode(x) })
    }

    /// `point`: uncompressed, the octet 4 and both coordinates (SEC 1 §2.3.3).
    pub(super) fn p256(point: &[u8]) -> Self {
        let (x, y) = point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
        Self::new(Algorithm::Es256, Material::Ec { crv: "P-256", x: encode(x), y: encode(y) })
    }

    /// Both big-endian without leading zeros (RFC 7518 §6.3.1).
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self::new(Algorithm::Rs256, Material::Rsa { n: encode(n), e: encode(e) })
    }

    fn new(algorithm: Algorithm, material: Material) -> Self {
        Self { kid: material.thumbprint(), alg: algorithm.as_str(), usage: "sig", material }
    }
}

impl Material {
    /// RFC 7638 §3.2 and RFC 8037 §2: the members that make the key, in lexicographic order.
    fn thumbprint(&self) -> String {
        let members = match self {
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
            Self::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        encode(digest(&SHA256, members.as_bytes()).as_ref())
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    #[test]
    fn the_thumbprints_are_the_ones_of_the_rfcs() {
        // RFC 8037 A.3.
        let okp = PublicJwk::ed25519(&decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
        assert_eq!(okp.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

        // RFC 7638 §3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
            oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6\
            qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJ\
            zKnqDKgw";
        assert_eq!(PublicJwk::rsa(&decode(n), &[1, 0, 1]).kid, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }
}
