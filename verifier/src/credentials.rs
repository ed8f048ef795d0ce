//! The bearer token of a request: exactly one, in exactly one place (RFC 6750 §2.1).

use crate::error::Code;

/// Returns the token in the values of `Authorization`, one for each field line, or why there is not exactly one.
pub fn bearer_token<'a>(values: &[&'a [u8]]) -> Result<&'a [u8], Code> {
    // A line without a value brings nothing, and proxies join lines so that nothing of it is left (RFC 9110 §5.3).
    let mut values = values.iter().filter(|value| !value.is_empty());
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(Code::NoCredentials),
        (Some(value), None) => *value,
        _ => return Err(Code::MultipleCredentials),
    };
    if let Some((scheme, token)) = value.split_first_chunk::<7>()
        && scheme.eq_ignore_ascii_case(b"bearer ")
        && is_one_word(token)
    {
        return Ok(token);
    }
    // Neither a scheme nor a token holds a comma: an intermediary joined several lines (RFC 9110 §5.3).
    if value.contains(&b',') {
        return Err(Code::MultipleCredentials);
    }

    let mut parts = value.split(|&byte| byte == b' ');
    let scheme = parts.next().unwrap_or_default();
    match (parts.next(), parts.next()) {
        (Some(token), None)
            if scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty() && !token.contains(&b'\t') =>
        {
            Ok(token)
        }
        (None, _) if scheme.eq_ignore_ascii_case(b"bearer") => Err(Code::NoCredentials),
        // `BearerT0` and `Bearer<TAB>T0` are slips of a client that has a token; `Basic` and others bring none.
        (_, None) if !scheme.get(..6).is_some_and(|word| word.eq_ignore_ascii_case(b"bearer")) => {
            Err(Code::NoCredentials)
        }
        _ => Err(Code::BadAuthorization),
    }
}

/// Returns whether the query of a request target names a token (RFC 6750 §2.3), in any spelling that a service may decode to it.
/// Such a token is no credential here, and must not become one behind the verifier.
pub(crate) fn is_in_query(target: &[u8]) -> bool {
    let Some(at) = target.iter().position(|byte| *byte == b'?') else { return false };
    let query = target.get(at..).unwrap_or_default();
    query.split(|byte| matches!(byte, b'?' | b'&' | b';')).any(|parameter| {
        let name = parameter.split(|byte| *byte == b'=').next().unwrap_or_default();
        // `access_token[]` and `access_token.x` are members of it in many frameworks.
        let name = percent_decoded(name).map(|byte| byte.to_ascii_lowercase());
        name.take_while(|byte| !matches!(byte, b'[' | b'.' | 0)).eq(*b"access_token")
    })
}

fn percent_decoded(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (*first, rest.get(1..)?),
            },
            _ => (*first, after),
        };
        rest = after;
        Some(byte)
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Returns whether nothing in `text` could end a token or bring a second one: it holds no comma and nothing that is smaller, as
/// spaces and tabs are. Every token is such a word (RFC 7515 §7.1), and long: eight bytes are looked at in one step.
fn is_one_word(text: &[u8]) -> bool {
    let (eights, rest) = text.as_chunks::<8>();
    // A byte under 0x2d, and only such a one, borrows into a highest bit that it did not have itself.
    let is_clear = |eight: &[u8; 8]| {
        let bytes = u64::from_ne_bytes(*eight);
        bytes.wrapping_sub(EACH * 0x2d) & !bytes & (EACH << 7) == 0
    };
    !text.is_empty() && eights.iter().all(is_clear) && rest.iter().all(|&byte| byte > b',')
}

/// One in each of eight bytes.
const EACH: u64 = 0x0101_0101_0101_0101;

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn eight_bytes_at_once_are_judged_as_one_by_one(text: Vec<u8>, word in "[a-zA-Z0-9._-]{0,40}", at: usize) {
            prop_assert_eq!(is_one_word(&text), !text.is_empty() && text.iter().all(|byte| *byte > b','));
            prop_assert_eq!(is_one_word(word.as_bytes()), !word.is_empty());
            for byte in 0..=0xff {
                let mut word = word.clone().into_bytes();
                word.insert(at % (word.len() + 1), byte);
                prop_assert_eq!(is_one_word(&word), byte > b',');
            }
        }
    }

    #[test]
    fn a_token_in_the_query_is_found_in_every_spelling() {
        for query in [
            "access_token=T0",
            "a=b&access_token=T0",
            "a;access_token=T0",
            "access_token",
            "access%5Ftoken=T0",
            "%61ccess_toke%6e=T0",
            "Access_Token=T0",
            "access_token[]=T0",
            "access_token%5B0%5D=T0",
            "a?access_token=T0",
        ] {
            assert!(is_in_query(format!("/orders?{query}").as_bytes()), "{query}");
        }
        for target in [
            "/access_token",
            "/access_token=x?a=b",
            "/?a=access_token",
            "/?my_access_token=x",
            "/?access_tokens=x",
            "/?access%255Ftoken=x",
            "/?access_toke%",
            "/?",
            "/",
            "",
        ] {
            assert!(!is_in_query(target.as_bytes()), "{target}");
        }
    }

    #[test]
    fn one_token_after_the_scheme_in_any_case() {
        for value in ["Bearer T0", "bearer T0", "BEARER T0"] {
            assert_eq!(bearer_token(&[value.as_bytes()]), Ok(&b"T0"[..]), "{value}");
        }
    }

    #[test]
    fn what_may_be_a_token_is_judged_as_one() {
        // RFC 6750 §2.1 lets these signs stand in a token of other kinds.
        for token in ["T+0", "+", "T0+/~=="] {
            assert_eq!(bearer_token(&[format!("Bearer {token}").as_bytes()]), Ok(token.as_bytes()));
        }
    }

    #[test]
    fn a_line_without_a_value_changes_nothing() {
        assert_eq!(bearer_token(&[b"Bearer T0", b""]), Ok(&b"T0"[..]));
        assert_eq!(bearer_token(&[b"", b"Bearer T0"]), Ok(&b"T0"[..]));
    }

    #[test]
    fn no_token_is_no_credentials() {
        assert_eq!(bearer_token(&[]), Err(Code::NoCredentials));
        assert_eq!(bearer_token(&[b"", b""]), Err(Code::NoCredentials));
        for value in ["", "Bearer", "Basic YTpi", "DPoP T0", "foo"] {
            assert_eq!(bearer_token(&[value.as_bytes()]), Err(Code::NoCredentials), "{value}");
        }
    }

    #[test]
    fn two_tokens_are_refused_however_they_are_sent() {
        assert_eq!(bearer_token(&[b"Bearer T0", b"Bearer T0"]), Err(Code::MultipleCredentials));
        for value in ["Bearer T0, Bearer T1", "Bearer T0,T1", "Basic YTpi, Bearer T0"] {
            assert_eq!(bearer_token(&[value.as_bytes()]), Err(Code::MultipleCredentials), "{value}");
        }
    }

    #[test]
    fn a_token_in_a_wrong_place_is_not_searched_for() {
        for value in [
            "Bearer ",
            "Bearer  T0",
            "Bearer\tT0",
            "Bearer \tT0",
            "BearerT0",
            "Bearer T0 bar",
            "foo Bearer T0 bar",
        ] {
            assert_eq!(bearer_token(&[value.as_bytes()]), Err(Code::BadAuthorization), "{value:?}");
        }
    }
}
