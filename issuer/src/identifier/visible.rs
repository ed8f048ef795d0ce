//! What a person sees of a text: characters that show, and what they look like (RFC 8265, UTS 39).

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, SoftDotted};
use icu_properties::{CodePointMapData, CodePointSetData};
use precis_core::profile::PrecisFastInvocation as _;
use precis_profiles::UsernameCaseMapped;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};
use unicode_security::{GeneralSecurityProfile as _, RestrictionLevel, RestrictionLevelDetection as _};

/// Returns whether all of a name shows, and is what it looks like as far as a name alone can tell.
///
/// `punctuation`: what it may have beside letters, digits and marks.
pub(super) fn is_presentable(text: &str, punctuation: &str) -> bool {
    // With full-width letters as ordinary ones, case as it is.
    let Ok(prepared) = UsernameCaseMapped::prepare(text) else { return false };
    let letters: String = prepared.chars().filter(|c| !punctuation.contains(*c)).collect();
    let is_letter = |c: char| c.is_alphanumeric() || is_combining_mark(c);
    UsernameCaseMapped::enforce(text).is_ok()
        && letters.chars().all(|c| is_letter(c) && c.identifier_allowed())
        && letters.as_str().check_restriction_level(RestrictionLevel::HighlyRestrictive)
        && has_distinct_marks(&letters)
}

/// Marks beyond those that a script needs are drawn over each other (UTS 39 §5.4).
fn has_distinct_marks(text: &str) -> bool {
    let (mut marks, mut last) = (0, None);
    text.nfd().all(|c| {
        let is_mark = canonical_combining_class(c) != 0;
        let repeated = is_mark && last == Some(c);
        marks = if is_mark { marks + 1 } else { 0 };
        last = Some(c);
        !repeated && marks <= MOST_MARKS
    })
}

/// The skeleton of UTS 39 §4: two texts that look alike have one.
pub(super) fn skeleton(text: &str) -> String {
    unicode_security::skeleton(&without_hidden_dots(text)).collect()
}

/// NFD, without each dot above an `i` or its like, which has none of its own then: the confusables of UTS 39 lack it.
pub(super) fn without_hidden_dots(text: &str) -> String {
    let soft_dotted = CodePointSetData::new::<SoftDotted>();
    let mut dot_is_hidden = false;
    let shows = |c: &char| {
        let hidden = *c == DOT_ABOVE && dot_is_hidden;
        match canonical_combining_class(*c) {
            0 => dot_is_hidden = soft_dotted.contains(*c) || DOTLESS.contains(*c),
            ABOVE => dot_is_hidden = false,
            _ => {}
        }
        !hidden
    };
    text.nfd().filter(shows).collect()
}

/// Returns whether a text for people is one line that shows as it is: no control, format, private or unassigned characters.
pub fn is_line_of_text(text: &str) -> bool {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let shows = |c: char| {
        let hidden = matches!(
            categories.get(c),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
                | GeneralCategory::PrivateUse
                | GeneralCategory::Surrogate
                | GeneralCategory::Unassigned
        );
        !hidden && !ignorable.contains(c)
    };
    text.chars().all(shows)
}

const DOT_ABOVE: char = '\u{307}';
/// The combining class of marks above.
const ABOVE: u8 = 230;
const DOTLESS: &str = "\u{131}\u{237}";
const MOST_MARKS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_text_hides_nothing() {
        for right in ["", "See orders", "Größe: 3 × 4 €", "注文を見る", "🥳 party", "a \u{301}"] {
            assert!(is_line_of_text(right), "{right:?}");
        }
        for wrong in [
            "a\nb",
            "a\tb",
            "a\u{202e}b",
            "a\u{200b}b",
            "a\u{2028}b",
            "a\u{ad}b",
            "a\u{fe0f}b",
            "a\u{e0061}b",
            "a\u{e000}b",
            "a\u{378}b",
            "a\u{85}b",
            "a\u{2066}b",
            "\u{feff}a",
            "a\u{3164}b",
        ] {
            assert!(!is_line_of_text(wrong), "{wrong:?}");
        }
    }
}
