//! The canonical form of usernames and e-mail addresses: what a person would take for the same is the same.
//!
//! The rule: surrounding white space is dropped; compatibility forms are unified (NFKC, so `ﬁona` is `fiona`); case is
//! folded by way of upper case (so `ß` is `ss` and a dotless `ı` is `i`). Letters of two look-alike scripts in one
//! name (a Cyrillic `а` in `admin`) are refused. Set-up and look-up use this one function.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// `None`: not a username that anyone can have.
pub fn username_key(text: &str) -> Option<String> {
    let key = fold(text)?;
    let allowed = |c: char| c.is_alphanumeric() || is_combining_mark(c) || "._-+@'".contains(c);
    let fits =
        key.chars().count() <= USERNAME_CHARACTERS && key.chars().next().is_some_and(char::is_alphanumeric);
    (fits && key.chars().all(allowed) && !mixes_scripts(&key)).then_some(key)
}

/// `None`: not an e-mail address that we would write to.
pub fn email_key(text: &str) -> Option<String> {
    let key = fold(text)?;
    let (local, domain) = key.split_once('@')?;
    let visible = |c: char| !c.is_whitespace() && !c.is_control() && c != '@';
    let fits = (1..=64).contains(&local.len()) && (3..=253).contains(&domain.len());
    let is_domain = domain.contains('.') && domain.split('.').all(|label| !label.is_empty());
    (fits && is_domain && key.chars().all(|c| c == '@' || visible(c)) && domain.chars().all(visible))
        .then_some(key)
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
        assert_eq!(email_key(" Alice@Example.COM ").as_deref(), Some("alice@example.com"));
        for wrong in ["", "a", "@b.c", "a@", "a@b", "a@b@c.d", "a b@c.d", "a@b..c", "a@.b", "a\0@b.c"] {
            assert_eq!(email_key(wrong), None, "{wrong:?}");
        }
    }
}
