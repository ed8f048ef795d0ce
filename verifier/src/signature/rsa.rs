//! RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).

use alloc::boxed::Box;
use alloc::string::String;

#[cfg(feature = "aws-lc")]
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use crate::base64url::encode;
use crate::text::text;

/// A modulus that is long enough to be safe and short enough to be quick, and an exponent.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey {
    n: Box<[u8]>,
    e: Box<[u8]>,
    #[cfg(feature = "aws-lc")]
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Both big-endian with no octet more than needed (RFC 7518 §2, Base64urlUInt), so a key has one spelling.
    pub(super) fn from_components(n: &[u8], e: &[u8]) -> Option<Self> {
        let is_odd = |number: &[u8]| number.last().is_some_and(|octet| octet % 2 == 1);
        if !(LEAST_BITS..=MAX_BITS).contains(&bits(n)?) || !is_odd(n) {
            return None;
        }
        // RFC 8017 §3.1: odd and at least 3. Long ones are not in use and make verification slow.
        if !(2..=32).contains(&bits(e)?) || !is_odd(e) {
            return None;
        }
        Some(Self {
            n: n.into(),
            e: e.into(),
            #[cfg(feature = "aws-lc")]
            parsed: RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?,
        })
    }

    #[cfg(feature = "aws-lc")]
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }

    #[cfg(not(feature = "aws-lc"))]
    pub(super) const fn verify(&self, _: &[u8], _: &[u8]) -> bool {
        false
    }

    /// Exactly as long as the modulus, and below it (RFC 8017 §8.2.2 and §5.2.2).
    pub(super) fn may_have_made(&self, signature: &[u8]) -> bool {
        signature.len() == self.n.len() && *signature < *self.n
    }

    pub(super) fn jwk(&self) -> String {
        text!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, encode(&self.e), encode(&self.n))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.n, &self.e) == (&other.n, &other.e)
    }
}

impl Eq for PublicKey {}

/// `None`: nothing, or a leading zero.
fn bits(number: &[u8]) -> Option<usize> {
    let first = number.first().filter(|&&octet| octet != 0)?;
    Some(number.len() * 8 - first.leading_zeros() as usize)
}

const LEAST_BITS: usize = 2048;
const MAX_BITS: usize = 4096;

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use alloc::{format, vec};

    use super::*;
    use crate::base64url::decode;

    // RFC 7515 A.2.
    const N: &[u8] = b"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS\
        -pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665\
        xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    const E: &[u8] = &[1, 0, 1];
    #[cfg(feature = "aws-lc")]
    const SIGNED: &[u8] = b"eyJhbGciOiJSUzI1NiJ9.\
        eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &[u8] = b"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9\
        CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12\
        jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

    fn modulus() -> Vec<u8> {
        decode(N).unwrap()
    }

    #[test]
    fn a_key_is_written_as_it_is_published() {
        let key = PublicKey::from_components(&modulus(), E).unwrap();

        assert_eq!(
            key.jwk(),
            format!(r#"{{"e":"AQAB","kty":"RSA","n":"{}"}}"#, core::str::from_utf8(N).unwrap())
        );
    }

    #[test]
    fn a_signature_is_as_long_as_the_modulus_and_below_it() {
        let key = PublicKey::from_components(&modulus(), E).unwrap();
        let mut below = modulus();
        below[255] -= 1;

        assert!(key.may_have_made(&below) && key.may_have_made(&decode(SIGNATURE).unwrap()));
        for wrong in [&modulus()[..], &below[1..], &[&[0], &below[..]].concat(), &[]] {
            assert!(!key.may_have_made(wrong), "{} bytes", wrong.len());
        }
    }

    #[cfg(feature = "aws-lc")]
    #[test]
    fn accepts_the_rfc_vector_and_nothing_near_it() {
        let key = PublicKey::from_components(&modulus(), E).unwrap();
        let signature = decode(SIGNATURE).unwrap();

        assert!(key.verify(SIGNED, &signature));
        assert!(!key.verify(&SIGNED[1..], &signature));
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 0x10;
            assert!(!key.verify(SIGNED, &changed), "byte {at}");
        }
        for wrong in [
            Vec::new(),
            signature[..255].to_vec(),
            [&[0], &signature[..]].concat(),
            [&signature[..], &[0]].concat(),
            vec![0; 256],
            [&[0; 255][..], &[1]].concat(),
            modulus(),
        ] {
            assert!(!key.verify(SIGNED, &wrong), "{} bytes", wrong.len());
        }
    }

    #[test]
    fn a_modulus_has_2048_to_4096_bits_and_one_spelling() {
        let odd = |bytes: usize, first: u8| [&[first], &vec![0xff; bytes - 1][..]].concat();
        for good in [odd(256, 0x80), odd(257, 0x01), odd(384, 0xff), odd(512, 0xff)] {
            assert!(PublicKey::from_components(&good, E).is_some(), "{} bytes", good.len());
        }
        let mut even = modulus();
        even[255] &= 0xfe;
        for bad in [
            Vec::new(),
            odd(256, 0x7f),
            odd(128, 0xff),
            odd(513, 0x01),
            odd(1024, 0xff),
            even,
            [&[0], &modulus()[..]].concat(),
        ] {
            assert!(PublicKey::from_components(&bad, E).is_none(), "{} bytes", bad.len());
        }
    }

    #[test]
    fn an_exponent_is_odd_at_least_3_and_short() {
        for good in [&[3][..], &[1, 0, 1], &[0xff, 0xff, 0xff, 0xff]] {
            assert!(PublicKey::from_components(&modulus(), good).is_some(), "{good:?}");
        }
        for bad in [&[][..], &[0], &[1], &[2], &[4], &[1, 0, 0], &[0, 1, 0, 1], &[0, 3], &[1, 0, 0, 0, 1]] {
            assert!(PublicKey::from_components(&modulus(), bad).is_none(), "{bad:?}");
        }
    }
}
