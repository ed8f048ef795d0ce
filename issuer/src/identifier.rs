//! Usernames and e-mail addresses: the canonical form by which they are looked up, and what a new one may be.
//!
//! The canonical form: surrounding white space is dropped; compatibility forms are unified (NFKC, so `ﬁona` is `fiona`); case is
//! folded by way of upper case (so `ß` is `ss` and a dotless `ı` is `i`). Set-up and look-up use this one function, and it takes
//! every name that was ever taken, so whoever has one keeps it.
//!
//! A new name is also a UsernameCaseMapped of PRECIS (RFC 8265 §3.3), of characters and scripts that UTS 39 recommends together,
//! and nobody else's skeleton (UTS 39 §4), in lower case or in capitals.

mod visible;

pub use self::visible::is_line_of_text;
use self::visible::{is_presentable, skeleton};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// `None`: not a username that anyone can have.
pub fn username_key(text: &str) -> Option<String> {
    let key = fold(text)?;
    let allowed = |c: char| c.is_alphanumeric() || is_combining_mark(c) || PUNCTUATION.contains(c);
    let fits =
        key.chars().count() <= USERNAME_CHARACTERS && key.chars().next().is_some_and(char::is_alphanumeric);
    (fits && key.chars().all(allowed) && !mixes_scripts(&key)).then_some(key)
}

/// Returns the canonical form of a username that somebody is to get, or `None` if nobody may get it.
pub fn new_username_key(text: &str) -> Option<String> {
    username_key(text).filter(|_| is_presentable(text.trim(), PUNCTUATION))
}

/// Returns the canonical form of an e-mail address that somebody is to get, or `None` if we would not write to it: a dot-atom
/// (RFC 5322 §3.2.3, RFC 6531 §3.3) at a domain name.
pub fn new_email_key(text: &str) -> Option<String> {
    let key = fold(text)?;
    let (local, domain) = text.trim().split_once('@')?;
    let fits = (1..=64).contains(&local.len()) && (3..=253).contains(&domain.len());
    let is_dot_atom = local.split('.').all(|atom| !atom.is_empty()) && is_presentable(local, ATEXT);
    let is_domain = domain.split('.').count() > 1
        && domain
            .split('.')
            .all(|label| is_presentable(label, "-") && !label.starts_with('-') && !label.ends_with('-'))
        && matches!(url::Host::parse(domain), Ok(url::Host::Domain(_)));
    (fits && is_dot_atom && is_domain).then_some(key)
}

/// What no other user's name may look like: in lower case, where `rn` is an `m`, and in capitals, where `I` is an `l`.
pub fn username_skeletons(key: &str) -> [String; 2] {
    let in_any_case = |text: &str| skeleton(text).to_lowercase();
    [in_any_case(key), in_any_case(&visible::without_hidden_dots(key).to_uppercase())]
}

/// What no other user's address may look like. ASCII letters are what they are: `b0b` and `bob` are mailboxes of two people, but
/// none of them is spelled with other alphabets' letters.
pub fn email_skeleton(key: &str) -> String {
    let visible = visible::without_hidden_dots(key);
    let letter = |c: char| if c.is_ascii() { c.to_string() } else { skeleton(c.encode_utf8(&mut [0; 4])) };
    visible.chars().map(letter).collect::<String>().to_lowercase()
}

/// What the canonical form of a longer text begins with. `None`: nothing does.
pub fn prefix_key(text: &str) -> Option<String> {
    fold(text).filter(|key| !key.contains(char::is_control))
}

fn fold(text: &str) -> Option<String> {
    let trimmed = text.trim();
    if trimmed.is_empty() || trimmed.len() > BYTES {
        return None;
    }
    let unified: String = trimmed.nfkc().collect();
    Some(unified.to_uppercase().to_lowercase().nfkc().collect())
}

/// Latin, Greek, Cyrillic, Armenian and Cherokee lend each other letters that look the same.
fn mixes_scripts(text: &str) -> bool {
    let mut scripts = text.chars().filter_map(look_alike_script);
    scripts.next().is_some_and(|first| scripts.any(|other| other != first))
}

fn look_alike_script(c: char) -> Option<u8> {
    match u32::from(c) {
        0x41..=0x5a | 0x61..=0x7a | 0xc0..=0x24f | 0x1e00..=0x1eff | 0xa720..=0xa7ff | 0x250..=0x2af => {
            Some(0)
        }
        0x370..=0x3ff | 0x1f00..=0x1fff => Some(1),
        0x400..=0x52f | 0x1c80..=0x1c8f | 0xa640..=0xa69f => Some(2),
        0x530..=0x58f => Some(3),
        0x13a0..=0x13ff | 0xab70..=0xabbf => Some(4),
        _ => None,
    }
}

/// Beside letters and digits, in usernames.
const PUNCTUATION: &str = "._-+@'";
/// Beside letters and digits, before the `@` of an address.
const ATEXT: &str = ".!#$%&'*+-/=?^_`{|}~";
/// Of a canonical username.
const USERNAME_CHARACTERS: usize = 64;
/// Of any identifier as it arrives.
const BYTES: usize = 320;

#[cfg(test)]
mod tests {
    use super::*;

    /// L-16
    #[test]
    fn look_alikes_of_one_name_are_that_name() {
        for (one, other) in [
            ("ADMIN", "admin"),
            (" admin ", "admin"),
            ("ﬁona", "fiona"),
            ("Straße", "STRASSE"),
            ("ı", "I"),
            ("ａｄｍｉｎ", "admin"),
            ("Σίσυφος", "σίσυφοσ"),
            ("ad\u{212a}in", "adkin"),
            ("u\u{308}", "ü"),
        ] {
            assert_eq!(username_key(one), username_key(other), "{one} {other}");
            assert!(username_key(one).is_some(), "{one}");
        }
    }

    #[test]
    fn the_canonical_form_is_stable() {
        for name in ["Admin", "Straße", "Σίσυφος", "İstanbul", "ﬁona", "名前"] {
            let key = username_key(name).unwrap();
            assert_eq!(username_key(&key), Some(key.clone()), "{name}");
        }
    }

    /// L-16
    #[test]
    fn mixed_scripts_spaces_and_controls_are_refused() {
        for wrong in ["", "  ", "аdmin", "pαul", "a b", "a\0", "a\u{200b}b", "a\u{202e}b", ".a", "a:b", "a/b"]
        {
            assert_eq!(username_key(wrong), None, "{wrong:?}");
        }
        assert_eq!(username_key(&"a".repeat(65)), None);
        assert!(username_key("аня").is_some());
    }

    #[test]
    fn email_addresses_are_folded_whole() {
        assert_eq!(new_email_key(" Alice@Example.COM ").as_deref(), Some("alice@example.com"));
        for right in [
            "o'neil+x@b.example",
            "аня@пример.рф",
            "名前@例え.jp",
            "a@xn--bcher-kva.example",
            "a@bücher.example",
        ] {
            assert!(new_email_key(right).is_some(), "{right}");
        }
        for wrong in [
            "",
            "a",
            "@b.c",
            "a@",
            "a@b",
            "a@b@c.d",
            "a b@c.d",
            "a@b..c",
            "a@.b",
            "a\0@b.c",
            "<a>@b.cd",
            "a@b.cd>",
            "\"a b\"@c.de",
            ".a@b.cd",
            "a..b@c.de",
            "a\u{200b}@b.cd",
            "a\u{202e}@b.cd",
            "a\u{ad}@b.cd",
            "a@b\u{200b}.cd",
            "a@\u{202e}b.cd",
            "a@-b.cd",
            "a@b_c.de",
            "a@192.0.2.1",
            "\u{430}dmin@b.cd",
            "a\u{e0061}@b.cd",
            "a\u{2028}@b.cd",
        ] {
            assert_eq!(new_email_key(wrong), None, "{wrong:?}");
        }
    }

    /// Each of these could be made beside `admin`, `mike`, `alice` or `tom`.
    #[test]
    fn what_looks_like_another_name_is_refused_or_has_its_skeleton() {
        let alike = |one: &str, other: &str| {
            let (one, other) =
                (username_skeletons(one), username_skeletons(&new_username_key(other).unwrap()));
            one.iter().zip(&other).any(|(one, other)| one == other)
        };
        for invisible in [
            "\u{34f}",
            "\u{fe0e}",
            "\u{fe0f}",
            "\u{e0100}",
            "\u{3164}",
            "\u{115f}",
            "\u{ffa0}",
            "\u{180b}",
            "\u{17b4}",
            "\u{200b}",
            "\u{200c}",
            "\u{200d}",
            "\u{2060}",
            "\u{ad}",
            "\u{202e}",
            "\u{e0061}",
            "\u{feff}",
            "\u{20dd}",
            "\u{661}",
            "\u{61c}",
        ] {
            assert_eq!(new_username_key(&format!("adm{invisible}in")), None, "{invisible:?}");
        }
        for wrong in [
            "\u{1d00}dmin",
            "\u{251}dmin",
            "\u{430}dmin",
            "\u{a4ee}dmin",
            "\u{2c81}dmin",
            "admin\u{308}\u{308}",
            "a\u{301}\u{300}\u{302}\u{303}\u{304}b",
            "\u{1d41a}dmin",
        ] {
            assert_eq!(new_username_key(wrong), None, "{wrong:?}");
        }
        for (name, other) in [
            ("admin", "admi\u{307}n"),
            ("admin", "ADM\u{130}N"),
            ("admin", "\u{ff41}dmin"),
            ("mike", "rnike"),
            ("alice", "aIice"),
            ("alice", "a1ice"),
            ("bob", "b0b"),
            ("tom", "ТОМ"),
            ("cocoa", "сосоа"),
            ("vov", "\u{3bd}\u{3bf}\u{3bd}"),
        ] {
            assert!(alike(name, other), "{name} {other}");
        }
        for (name, other) in
            [("alice", "alina"), ("bob", "rob"), ("anna", "änna"), ("аня", "оля"), ("user1", "user2")]
        {
            assert!(!alike(name, other), "{name} {other}");
        }
    }

    #[test]
    fn ordinary_names_of_many_languages_may_be_taken() {
        for right in [
            "alice",
            "Bob.Smith",
            "o'neil",
            "kim_lee",
            "a-b",
            "a+b@example.com",
            "Müller",
            "Straße",
            "Łukasz",
            "İstanbul",
            "Zoë",
            "Søren",
            "аня",
            "Μαρία",
            "名前",
            "たろう",
            "タロウ",
            "김철수",
            "山田taro",
            "שרה",
            "محمد",
            "हिन्दी",
            "ไทย",
            "x1",
            "7of9",
        ] {
            assert!(new_username_key(right).is_some(), "{right}");
        }
    }

    /// An account from before the rule is found as before.
    #[test]
    fn every_name_that_was_ever_taken_is_still_looked_up() {
        for old in ["ﬁona", "adm\u{fe0f}in", "\u{1d00}dmin", "admi\u{307}n"] {
            assert!(
                username_key(old).is_some() && new_username_key(old).is_none() || old.contains('\u{307}'),
                "{old:?}"
            );
        }
    }

    #[test]
    fn an_address_looks_like_no_other_in_foreign_letters() {
        let alike =
            |one: &str, other: &str| email_skeleton(one) == email_skeleton(&new_email_key(other).unwrap());

        assert!(alike("coco@example.com", "сосо@example.com"));
        assert!(alike("i@example.com", "i\u{307}@example.com"));
        for (one, other) in [
            ("bob@example.com", "b0b@example.com"),
            ("ian@example.com", "lan@example.com"),
            ("m@b.cd", "rn@b.cd"),
        ] {
            assert!(!alike(one, other), "{one} {other}");
        }
    }
}
