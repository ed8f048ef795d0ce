//! A: the three segments and their base64url.

use super::Case;
use super::forge::{HEADER, claims, decode, encode, named, segments, signed_by, token, valid, with_claims};

pub(super) fn cases() -> Vec<Case> {
    let all = [shape(), padding(), foreign_characters(), spare_bits(), size(), json_form()];
    all.into_iter().flatten().map(|case| case.in_group('A')).collect()
}

fn shape() -> Vec<Case> {
    let valid = valid();
    let [header, payload, signature] = segments(&valid);
    let mut cases = vec![
        Case::token("the valid token", "RFC 9068 §2", &valid),
        Case::token("a valid token of two audiences", "RFC 7519 §4.1.3", {
            with_claims(&[("aud", r#"["https://other.example","https://api.example"]"#)])
        }),
    ];
    let wrong = [
        ("one segment", header.clone()),
        ("two segments", format!("{header}.{payload}")),
        ("four segments", format!("{valid}.{signature}")),
        ("five segments, as a JWE has", format!("{valid}.{payload}.{signature}")),
        ("a dot before the token", format!(".{valid}")),
        ("a dot after the token", format!("{valid}.")),
        ("two dots between header and claims", format!("{header}..{payload}.{signature}")),
        ("two dots before the signature", format!("{header}.{payload}..{signature}")),
        ("no header", format!(".{payload}.{signature}")),
        ("no claims", format!("{header}..{signature}")),
        ("only two dots", "..".to_owned()),
        ("a single letter", "a".to_owned()),
        ("a word and a dot", "token.".to_owned()),
        ("percent-encoded dots", valid.replace('.', "%2E")),
        ("a thousand dots", ".".repeat(1000)),
        ("colons instead of dots", valid.replace('.', ":")),
        ("full-width dots", valid.replace('.', "\u{ef}\u{bc}\u{8e}")),
    ];
    cases.extend(wrong.map(|(name, token)| Case::token(name, "RFC 7519 §7.2", token).is("malformed")));
    cases.push(Case::token("no signature", "CVE-2015-9235", format!("{header}.{payload}.")).is("signature"));
    let unsigned = format!("{}.{payload}.", encode(r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#));
    cases.push(
        Case::token("no algorithm and no signature", "CVE-2015-9235, RFC 8725 §2.1", unsigned).is("alg"),
    );
    cases
}

fn padding() -> Vec<Case> {
    let valid = valid();
    let [header, payload, signature] = segments(&valid);
    let mut cases = Vec::new();
    for pad in ["=", "==", "===", "%3D"] {
        let signed_header = signed_by(1, &format!("{header}{pad}.{payload}"));
        let signed_payload = signed_by(1, &format!("{header}.{payload}{pad}"));
        let padded = [
            ("header", signed_header),
            ("claims", signed_payload),
            ("signature", format!("{header}.{payload}.{signature}{pad}")),
        ];
        cases.extend(padded.map(|(part, token)| {
            Case::token(format!("padding {pad} after the {part}"), "RFC 7515 §2", token).is("base64")
        }));
    }
    let dotted = format!("{header}.{payload}.{signature}.");
    cases
        .push(Case::token("a dot as padding of the signature", "abseil's kPad64Dot", dotted).is("malformed"));
    cases
}

fn foreign_characters() -> Vec<Case> {
    let valid = valid();
    let [header, payload, signature] = segments(&valid);
    let mut cases = Vec::new();
    for character in ['+', '/', '\0', '\r', '\n', '\u{a0}', '\u{80}', '\u{ff}', '~', '"', '*', '@', '\u{7f}']
    {
        let inside = |text: &str| {
            let (left, right) = text.split_at(text.len() / 2);
            format!("{left}{character}{right}")
        };
        let places = [
            ("in the header", signed_by(1, &format!("{}.{payload}", inside(&header)))),
            ("in the claims", signed_by(1, &format!("{header}.{}", inside(&payload)))),
            ("in the signature", format!("{header}.{payload}.{}", inside(&signature))),
            ("at the start", format!("{character}{valid}")),
            ("at the end", format!("{valid}{character}")),
        ];
        cases.extend(places.map(|(place, token)| {
            Case::token(format!("{} {place}", named(character)), "RFC 4648 §5, RFC 7515 §2", token)
                .is("base64")
        }));
    }
    let standard = |text: &str| text.replace('-', "+").replace('_', "/");
    let odd = token(HEADER, claims(&[("note", r#""~~~???>>>""#)]));
    let [_, odd_payload, _] = segments(&odd);
    let other = signed_by(1, &format!("{header}.{}", standard(&odd_payload)));
    if standard(&odd_payload) != odd_payload {
        cases.push(Case::token("the standard alphabet in the claims", "RFC 4648 §5", other).is("base64"));
    }
    let zero_width = signed_by(1, &format!("{header}.{payload}\u{e2}\u{80}\u{8b}"));
    cases.push(Case::token("a zero-width space in the claims", "RFC 8725bis §3.14", zero_width).is("base64"));
    cases
}

/// Returns every other spelling of a segment whose last character has unused bits.
fn spare_bits() -> Vec<Case> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut cases = Vec::new();
    let respelled = |segment: &str, step: usize| {
        let (kept, last) = segment.split_at(segment.len() - 1);
        let place = ALPHABET.find(last).unwrap_or_default() + step;
        format!("{kept}{}", ALPHABET.get(place..=place).unwrap_or_default())
    };
    // 64 bytes leave 4 spare bits.
    let [header, payload, signature] = segments(&valid());
    for step in [1, 7, 15] {
        let token = format!("{header}.{payload}.{}", respelled(&signature, step));
        cases.push(
            Case::token(format!("spare bits {step} after the signature"), "RFC 4648 §3.5", token)
                .is("base64"),
        );
    }
    for (part, filler) in [("header", 0), ("claims", 1)] {
        for spaces in 0..3 {
            let header = encode(format!("{HEADER}{}", " ".repeat(if filler == 0 { spaces } else { 0 })));
            let payload = encode(format!("{}{}", claims(&[]), " ".repeat(filler * spaces)));
            let segment = if filler == 0 { &header } else { &payload };
            // Whole groups of three bytes have no spare bits.
            if decode(segment).len().is_multiple_of(3) {
                continue;
            }
            let changed = respelled(segment, 1);
            let text =
                if filler == 0 { format!("{changed}.{payload}") } else { format!("{header}.{changed}") };
            let name = format!("spare bits after the {part} of {} bytes", decode(segment).len());
            cases.push(Case::token(name, "RFC 4648 §3.5", signed_by(1, &text)).is("base64"));
        }
    }
    cases
}

fn size() -> Vec<Case> {
    let sized = |bytes: usize| {
        let filler = |length: usize| with_claims(&[("note", &format!("\"{}\"", "x".repeat(length)))]);
        let mut length = bytes * 3 / 4 - filler(0).len() * 3 / 4;
        while filler(length).len() < bytes {
            length += 1;
        }
        filler(length)
    };
    vec![
        Case::token("a token just within the size limit", "denial of service", sized(8190)),
        Case::token("a token just beyond the size limit", "denial of service", sized(8195)).is("too_large"),
        Case::token("nonsense beyond the size limit", "denial of service", "!".repeat(8193)).is("too_large"),
        Case::token("dots beyond the size limit", "CVE-2025-30204", ".".repeat(8193)).is("too_large"),
        Case::token("a token of 16 KiB", "denial of service", sized(16 * 1024)).is("too_large"),
    ]
}

fn json_form() -> Vec<Case> {
    let [header, payload, signature] = segments(&valid());
    let general = format!(
        r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
    );
    let flat = format!(r#"{{"payload":"{payload}","protected":"{header}","signature":"{signature}"}}"#);
    let dressed = format!(r#"{{"a":"{header}.{payload}.{signature}"}}"#);
    // Commas would be read as several credentials first.
    let plain = |text: String| text.replace(',', ";");
    vec![
        Case::token("the general JSON serialisation", "RFC 8725bis §3.14", plain(general)).is("malformed"),
        Case::token("the flattened JSON serialisation", "RFC 8725bis §3.14", plain(flat)).is("malformed"),
        Case::token("a JSON text whose dots make three parts", "RFC 8725bis §2.13", dressed).is("base64"),
        Case::token("a token in quotes", "RFC 7515 §3.1", format!("\"{}\"", valid())).is("base64"),
    ]
}
