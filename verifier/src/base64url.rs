//! Base64url without padding, canonical only (RFC 7515 §2, RFC 4648 §3.5 and §5): one byte string, one spelling.

use alloc::string::String;
use alloc::vec::Vec;

/// Decodes `text`; `None` for padding, foreign characters, an impossible length or unused bits that are not zero.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_chunks();
    let mut bytes = Vec::with_capacity(groups.len() * 3 + 2);
    bytes.resize(groups.len() * 3, 0);
    for (group, decoded) in groups.iter().zip(bytes.as_chunks_mut::<3>().0) {
        let bits = sextets(group)?;
        *decoded = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
    }

    match rest {
        [] => {}
        [a, b] => match sextets(&[b'A', b'A', *a, *b])? {
            bits if bits & 0xf == 0 => bytes.push((bits >> 4) as u8),
            _ => return None,
        },
        [a, b, c] => match sextets(&[b'A', *a, *b, *c])? {
            bits if bits & 0x3 == 0 => bytes.extend_from_slice(&[(bits >> 10) as u8, (bits >> 2) as u8]),
            _ => return None,
        },
        _ => return None,
    }
    Some(bytes)
}

/// The one spelling of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.chunks(3).fold(String::new(), |mut text, group| {
        let bits = group.iter().fold(0, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - group.len()));
        text.extend((0..=group.len()).map(|at| character(bits >> (18 - 6 * at) & 63)));
        text
    })
}

const fn character(sextet: u32) -> char {
    let byte = match sextet as u8 {
        value @ 0..26 => b'A' + value,
        value @ 26..52 => b'a' + (value - 26),
        value @ 52..62 => b'0' + (value - 52),
        62 => b'-',
        _ => b'_',
    };
    byte as char
}

/// Four characters as 24 bits.
fn sextets(group: &[u8; 4]) -> Option<u32> {
    let [a, b, c, d] = group.map(|byte| u32::from(*SEXTETS.get(usize::from(byte)).unwrap_or(&FOREIGN)));
    ((a | b | c | d) < 64).then_some(a << 18 | b << 12 | c << 6 | d)
}

/// The value of each byte.
const SEXTETS: [u8; 256] = {
    let mut sextets = [0; 256];
    let (mut left, mut byte): (&mut [u8], u8) = (&mut sextets, 0);
    while let [first, more @ ..] = left {
        *first = sextet(byte);
        (left, byte) = (more, byte.wrapping_add(1));
    }
    sextets
};

const fn sextet(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => FOREIGN,
    }
}

/// Has a bit that no sextet has.
const FOREIGN: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decode, encode};

    proptest! {
        #[test]
        fn every_byte_string_has_one_spelling(bytes: alloc::vec::Vec<u8>, text in "[A-Za-z0-9_=-]{0,9}") {
            prop_assert_eq!(decode(encode(&bytes).as_bytes()), Some(bytes));
            if let Some(bytes) = decode(text.as_bytes()) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }

        #[test]
        fn only_the_64_characters_are_decoded(text: alloc::vec::Vec<u8>) {
            let foreign = text.iter().any(|byte| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte));
            prop_assert!(!foreign || decode(&text).is_none());
        }
    }

    #[test]
    fn decodes_every_length() {
        assert_eq!(decode(b"").unwrap(), b"");
        assert_eq!(decode(b"Zg").unwrap(), b"f");
        assert_eq!(decode(b"Zm8").unwrap(), b"fo");
        assert_eq!(decode(b"Zm9v").unwrap(), b"foo");
        assert_eq!(decode(b"-_-_").unwrap(), [0xfb, 0xff, 0xbf]);
    }

    #[test]
    fn encodes_every_length() {
        assert_eq!([&b""[..], b"f", b"fo", b"foo"].map(encode), ["", "Zg", "Zm8", "Zm9v"]);
        assert_eq!(encode(&[0xfb, 0xff, 0xbf]), "-_-_");
    }

    #[test]
    fn refuses_every_second_spelling() {
        for text in [
            "Zg==",
            "Zh",
            "Zm9",
            "Zm9v=",
            "Zm9vZ",
            "Zm 9v",
            "Zm9+",
            "Zm9/",
            "Zm9v\n",
            "Zm9\u{e9}",
            "Z",
            "Zm9.",
        ] {
            assert_eq!(decode(text.as_bytes()), None, "{text:?}");
        }
    }
}
