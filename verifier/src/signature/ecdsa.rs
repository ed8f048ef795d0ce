//! ECDSA with P-256 and SHA-256 (RFC 7518 §3.4). Of every signature there is a second one (n − S) that is as valid.

use alloc::string::String;

#[cfg(feature = "aws-lc")]
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};

use self::curve::is_on_curve;
use crate::base64url::encode;
use crate::text::text;

mod curve;

/// A point of P-256.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey {
    x: [u8; 32],
    y: [u8; 32],
    #[cfg(feature = "aws-lc")]
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Both coordinates in full (RFC 7518 §6.2.1.2), below p and on the curve.
    pub(super) fn from_coordinates(x: &[u8], y: &[u8]) -> Option<Self> {
        let (x, y): (&[u8; 32], &[u8; 32]) = (x.try_into().ok()?, y.try_into().ok()?);
        is_on_curve(x, y).then_some(())?;
        Some(Self {
            x: *x,
            y: *y,
            #[cfg(feature = "aws-lc")]
            parsed: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], x.as_slice(), y].concat()).ok()?,
        })
    }

    /// `signature`: R and S, 32 bytes each.
    #[cfg(feature = "aws-lc")]
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() == 64 && self.parsed.verify_sig(message, signature).is_ok()
    }

    #[cfg(not(feature = "aws-lc"))]
    pub(super) const fn verify(&self, _: &[u8], _: &[u8]) -> bool {
        false
    }

    pub(super) fn jwk(&self) -> String {
        text!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, encode(&self.x), encode(&self.y))
    }
}

/// R and S of 32 bytes each, from 1 to n − 1.
pub(super) fn is_well_formed(signature: &[u8]) -> bool {
    let in_range = |number: &[u8]| number.iter().any(|&byte| byte != 0) && *number < curve::ORDER[..];
    signature.len() == 64 && signature.chunks(32).all(in_range)
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (self.x, self.y) == (other.x, other.y)
    }
}

impl Eq for PublicKey {}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::base64url::decode;

    // RFC 7515 A.3.
    const X: &[u8] = b"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &[u8] = b"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    const SIGNED: &[u8] = b"eyJhbGciOiJFUzI1NiJ9.\
        eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &[u8] =
        b"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

    fn key() -> PublicKey {
        PublicKey::from_coordinates(&decode(X).unwrap(), &decode(Y).unwrap()).unwrap()
    }

    #[cfg(feature = "aws-lc")]
    #[test]
    fn accepts_the_rfc_vector_and_nothing_near_it() {
        let (key, signature) = (key(), decode(SIGNATURE).unwrap());

        assert!(key.verify(SIGNED, &signature));
        assert!(!key.verify(&SIGNED[1..], &signature));
        for bit in 0..512 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verify(SIGNED, &changed), "bit {bit}");
        }
    }

    #[test]
    fn a_signature_is_two_whole_numbers_in_range() {
        let (key, signature) = (key(), decode(SIGNATURE).unwrap());
        let (r, s) = signature.split_at(32);
        // The order of the group, as R or S + n would be a second spelling.
        let order = decode(b"_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE").unwrap();
        let der = [&[0x30, 68, 2, 32], r, &[2, 33, 0], s].concat();

        for wrong in [
            Vec::new(),
            signature[..63].to_vec(),
            [&signature[..], &[0]].concat(),
            [&[0], &signature[..]].concat(),
            [[0; 32].as_slice(), s].concat(),
            [r, &[0; 32]].concat(),
            [r, &order].concat(),
            [order.as_slice(), s].concat(),
            [0; 64].to_vec(),
            der,
        ] {
            assert!(!key.verify(SIGNED, &wrong), "{wrong:?}");
            assert!(!is_well_formed(&wrong), "{wrong:?}");
        }
        assert!(is_well_formed(&signature));
        let mut last = order;
        last[31] -= 1;
        assert!(is_well_formed(&[r, &last].concat()));
    }

    #[test]
    fn a_key_is_written_as_it_is_published() {
        assert_eq!(
            key().jwk(),
            r#"{"crv":"P-256","kty":"EC","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#
        );
    }

    #[test]
    fn a_key_is_a_point_of_the_curve_in_full() {
        let (x, y) = (decode(X).unwrap(), decode(Y).unwrap());
        let mut off = y.clone();
        off[31] ^= 1;
        // p, which is another spelling of 0.
        let p = decode(b"_____wAAAAEAAAAAAAAAAAAAAAD_______________8").unwrap();

        assert!(PublicKey::from_coordinates(&x, &off).is_none());
        assert!(PublicKey::from_coordinates(&y, &x).is_none());
        assert!(PublicKey::from_coordinates(&[0; 32], &[0; 32]).is_none());
        assert!(PublicKey::from_coordinates(&p, &y).is_none());
        for (x, y) in [
            (&x[..31], &y[..]),
            (&x[..], &y[..31]),
            (&[&[0], &x[..]].concat()[..], &y[..]),
            (&[&x[..], &y[..1]].concat()[..], &y[1..]),
            (&[], &[]),
        ] {
            assert!(PublicKey::from_coordinates(x, y).is_none(), "{} and {}", x.len(), y.len());
        }
    }
}
