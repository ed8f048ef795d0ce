//! A password as the hash sees it: one Unicode form, bounded.

use unicode_normalization::UnicodeNormalization as _;

use crate::secret::Secret;

/// The form in which passwords are hashed: NFC (NIST SP 800-63B-4 §3.1.1.2), so that the same characters typed on
/// another keyboard are the same password. Nothing else is changed: case and spaces count.
///
/// `None`: longer than any password may be. Bounded before normalising, and never cut (CVE-2013-1443, CVE-2025-22228).
pub(super) fn normalise(password: &Secret) -> Option<Secret> {
    let text = password.expose();
    if text.len() > MOST_BYTES {
        return None;
    }
    let mut normal = String::with_capacity(3 * text.len());
    normal.extend(text.nfc());
    (normal.len() <= MOST_BYTES && normal.chars().count() <= MOST_CHARACTERS).then(|| Secret::new(normal))
}

pub(super) const MOST_CHARACTERS: usize = 128;
const MOST_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_characters_are_the_same() {
        assert_eq!(normalise(&Secret::new("Zu\u{308}rich")), normalise(&Secret::new("Z\u{fc}rich")));
    }

    #[test]
    fn case_spaces_and_compatibility_forms_count() {
        for (one, other) in [("a", "A"), ("a", "a "), ("a b", "a\u{a0}b"), ("ﬁ", "fi")] {
            assert_ne!(normalise(&Secret::new(one)), normalise(&Secret::new(other)), "{one} {other}");
        }
    }

    #[test]
    fn a_hundred_and_twenty_eight_characters_are_the_most() {
        assert!(normalise(&Secret::new("😀".repeat(128))).is_some());
        assert!(normalise(&Secret::new("a".repeat(129))).is_none());
        assert!(normalise(&Secret::new("a".repeat(1 << 20))).is_none());
    }
}
