//! Public signing keys as the world sees them (RFC 7517, RFC 7518 §6, RFC 8037).

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::pair::Algorithm;
use crate::grammar::{EcKeyType, OkpKeyType, RsaKeyType};

/// A JSON Web Key Set (RFC 7517 §5)
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Jwks {
    /// The keys
    pub(super) keys: Vec<PublicJwk>,
}

/// A public signing key (RFC 7517 §4). The type has no private members
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct PublicJwk {
    /// The key id: the thumbprint of the key (RFC 7638)
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    pub(super) kid: String,
    /// The algorithm (RFC 7518 §3.1)
    #[schema(example = "EdDSA")]
    alg: &'static str,
    /// Always `sig`
    #[schema(example = "sig")]
    #[serde(rename = "use")]
    usage: &'static str,
    #[serde(flatten)]
    material: Material,
}

/// The key material, which depends on the key type
/// The key material, which depends on the key type
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
enum Material {
    /// An Edwards curve key (RFC 8037 §2)
    Okp {
        /// The key type
        #[schema(value_type = OkpKeyType)]
        kty: &'static str,
        /// The curve
        #[schema(example = "Ed25519")]
        crv: &'static str,
        /// The public key, base64url
        #[schema(example = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")]
        x: String,
    },
    /// An elliptic curve key (RFC 7518 §6.2)
    Ec {
        /// The key type
        #[schema(value_type = EcKeyType)]
        kty: &'static str,
        /// The curve
        #[schema(example = "P-256")]
        crv: &'static str,
        /// The x coordinate, base64url
        #[schema(example = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")]
        x: String,
        /// The y coordinate, base64url
        #[schema(example = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")]
        y: String,
    },
    /// An RSA key (RFC 7518 §6.3)
    Rsa {
        /// The key type
        #[schema(value_type = RsaKeyType)]
        kty: &'static str,
        /// The modulus, base64url
        #[schema(example = "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bO…")]
        n: String,
        /// The exponent, base64url
        #[schema(example = "AQAB")]
        e: String,
    },
}

impl PublicJwk {
    pub(super) fn ed25519(x: &[u8]) -> Self {
        Self::new(Algorithm::EdDsa, Material::Okp { kty: "OKP", crv: "Ed25519", x: encode(x) })
    }

    /// `point`: uncompressed, the octet 4 and both coordinates (SEC 1 §2.3.3).
    pub(super) fn p256(point: &[u8]) -> Self {
        let (x, y) = point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
        Self::new(Algorithm::Es256, Material::Ec { kty: "EC", crv: "P-256", x: encode(x), y: encode(y) })
    }

    /// Both big-endian without leading zeros (RFC 7518 §6.3.1).
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self::new(Algorithm::Rs256, Material::Rsa { kty: "RSA", n: encode(n), e: encode(e) })
    }

    fn new(algorithm: Algorithm, material: Material) -> Self {
        Self { kid: material.thumbprint(), alg: algorithm.as_str(), usage: "sig", material }
    }
}

impl Material {
    /// RFC 7638 §3.2 and RFC 8037 §2: the members that make the key, in lexicographic order.
    fn thumbprint(&self) -> String {
        let members = match self {
            Self::Okp { kty, crv, x } => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}"}}"#),
            Self::Ec { kty, crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#),
            Self::Rsa { kty, n, e } => format!(r#"{{"e":"{e}","kty":"{kty}","n":"{n}"}}"#),
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
