//! Other readings of a path: services that compare without case, without a last slash, or what was decoded.
//!
//! A route names a path as the policy's author wrote it. The service behind may answer other spellings of it too, and a
//! wider, looser route may be the one that matches those.

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::{Path, Piece, Template, is_unreserved};
use crate::text::{joined, text};

/// The changes that a service makes to a path before it compares it with those that it knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    ignores_case: bool,
    ignores_slash: bool,
    decodes: bool,
}

impl Reading {
    /// Every path that matches in any reading matches in this one.
    pub(crate) const LOOSEST: Self = Self { ignores_case: true, ignores_slash: true, decodes: true };

    /// Every reading but that of a service that compares byte by byte.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (1..8_u8).map(|bits| Self {
            ignores_case: bits & 1 != 0,
            ignores_slash: bits & 2 != 0,
            decodes: bits & 4 != 0,
        })
    }

    fn literal_matches(self, literal: &str, segment: &[u8]) -> bool {
        let literal = literal.as_bytes();
        if self.ignores_case { literal.eq_ignore_ascii_case(segment) } else { literal == segment }
    }
}

impl<'a> Path<'a> {
    /// Returns whether every reading of it is the same: no capital letter, no last slash, nothing encoded.
    pub(crate) fn is_plain(self) -> bool {
        !self.0.ends_with(['/']) && !self.0.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'%')
    }

    /// As a service with this reading has it.
    pub(crate) fn read_as(self, reading: Reading) -> Cow<'a, [u8]> {
        let path = match self.0.strip_suffix('/') {
            Some(shorter) if reading.ignores_slash => shorter,
            _ => self.0,
        };
        if !reading.decodes || !path.contains(['%']) {
            return Cow::Borrowed(path.as_bytes());
        }
        let decoded = percent_decoded(path);
        Cow::Owned(if reading.ignores_case { with_ascii_letters(&decoded) } else { decoded })
    }
}

/// The path must have been parsed: then no encoded byte means anything else than itself.
fn percent_decoded(path: &str) -> Vec<u8> {
    let mut pieces = path.split(['%']);
    let mut decoded = Vec::from(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (hex, rest) = piece.split_at_checked(2).unwrap_or((piece, ""));
        decoded.extend(u8::from_str_radix(hex, 16));
        decoded.extend_from_slice(rest.as_bytes());
    }
    decoded
}

/// With everything encoded that may be.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if is_unreserved(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&text!("%{byte:02X}"));
        }
        encoded
    })
}

/// The four characters beyond ASCII whose other case is an ASCII letter (Unicode, CaseFolding.txt and SpecialCasing.txt).
const TWINS: [(&[u8], u8); 4] = [
    ("\u{212a}".as_bytes(), b'k'),
    ("\u{17f}".as_bytes(), b's'),
    ("\u{131}".as_bytes(), b'i'),
    ("\u{130}".as_bytes(), b'i'),
];

fn with_ascii_letters(text: &[u8]) -> Vec<u8> {
    let (mut letters, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((&byte, after)) = rest.split_first() {
        let twin = TWINS.iter().find_map(|(twin, letter)| Some((*letter, rest.strip_prefix(*twin)?)));
        let (letter, others) = twin.unwrap_or((byte, after));
        letters.push(letter);
        rest = others;
    }
    letters
}

impl Template {
    /// Returns whether a path of [`Path::is_plain`] that it does not match as it stands matches in no other reading either.
    pub(crate) fn is_plain(&self) -> bool {
        self.pieces.iter().all(Piece::is_lower) && self.pieces(Reading::LOOSEST).len() == self.pieces.len()
    }

    /// The number of segments that such a path has, where the only one that it matches is the folder whose rest it is for.
    pub(crate) fn plain_folder(&self) -> Option<usize> {
        match self.pieces.split_last()? {
            (Piece::Rest, folder) if folder.iter().all(Piece::is_lower) => Some(folder.len()),
            _ => None,
        }
    }

    /// Returns whether a service with this reading takes `path`, read by [`Path::read_as`], for one that this template is for.
    pub(crate) fn matches_as(&self, path: &[u8], reading: Reading) -> bool {
        let mut segments = path.split(|&byte| byte == b'/');
        for piece in self.pieces(reading) {
            let fits = match (piece, segments.next()) {
                // An empty rest is what a last slash leaves, and that means nothing.
                (Piece::Rest, None) => return reading.ignores_slash,
                (Piece::Rest, Some(_)) => return true,
                (Piece::Literal(text), Some(segment)) => reading.literal_matches(text, segment),
                (Piece::Segment, Some(segment)) => !segment.is_empty(),
                (_, None) => false,
            };
            if !fits {
                return false;
            }
        }
        segments.next().is_none()
    }

    /// Returns whether it may be the more specific one for a path that only another reading leads to it.
    pub(crate) fn may_precede(&self, other: &Self) -> bool {
        let precedes = |ignores_slash| {
            let reading = Reading { ignores_slash, ..Reading::LOOSEST };
            self.by_precedence_as(other, reading).is_le()
        };
        self.overlaps_loosely(other) && (precedes(false) || precedes(true))
    }

    /// [`Template::by_precedence`] of two that match the same path in this reading.
    pub(crate) fn by_precedence_as(&self, other: &Self, reading: Reading) -> Ordering {
        let rank = |piece: &Piece| match piece {
            Piece::Literal(_) => 0_u8,
            Piece::Segment => 1,
            Piece::Rest => 2,
        };
        self.pieces(reading).iter().map(rank).cmp(other.pieces(reading).iter().map(rank))
    }

    /// Returns whether some path matches both, each in some reading.
    fn overlaps_loosely(&self, other: &Self) -> bool {
        let mut own = self.pieces(Reading::LOOSEST).iter();
        let mut others = other.pieces(Reading::LOOSEST).iter();
        loop {
            let meet = match (own.next(), others.next()) {
                (None, None) | (Some(Piece::Rest), _) | (_, Some(Piece::Rest)) => return true,
                (None, Some(_)) | (Some(_), None) => return false,
                (Some(Piece::Segment), Some(Piece::Segment)) => true,
                (Some(Piece::Literal(text)), Some(Piece::Segment))
                | (Some(Piece::Segment), Some(Piece::Literal(text))) => !text.is_empty(),
                (Some(Piece::Literal(one)), Some(Piece::Literal(two))) => one.eq_ignore_ascii_case(two),
            };
            if !meet {
                return false;
            }
        }
    }

    /// Paths that it does not match as they stand, and that it matches in some reading.
    pub(crate) fn respelled(&self) -> Vec<String> {
        let segments = |spell: &dyn Fn(&str) -> String| {
            let segment = |piece: &Piece| match piece {
                Piece::Literal(text) => spell(text),
                // A name that no policy has.
                Piece::Segment | Piece::Rest => String::from("~"),
            };
            text!("/{}", joined(self.pieces.iter().map(segment), "/"))
        };
        let own = segments(&ToOwned::to_owned);
        let slashed = match own.strip_suffix('/') {
            Some(shorter) => String::from(shorter),
            None => text!("{own}/"),
        };
        let folder = own.strip_suffix("/~").filter(|_| self.pieces.last() == Some(&Piece::Rest));
        let spellings =
            [segments(&str::to_ascii_uppercase), segments(&str::to_ascii_lowercase), segments(&encoded)];
        let all = spellings.into_iter().chain([slashed]).chain(folder.map(String::from));
        all.filter(|path| Path::parse(path.as_bytes()).is_some_and(|path| !self.matches(path))).collect()
    }

    fn pieces(&self, reading: Reading) -> &[Piece] {
        match self.pieces.split_last() {
            Some((Piece::Literal(last), others))
                if reading.ignores_slash && last.is_empty() && !others.is_empty() =>
            {
                others
            }
            _ => &self.pieces,
        }
    }
}

impl Piece {
    fn is_lower(&self) -> bool {
        match self {
            Self::Literal(text) => !text.bytes().any(|byte| byte.is_ascii_uppercase()),
            Self::Segment => true,
            Self::Rest => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    fn template(text: &str) -> Template {
        Template::parse(text).unwrap()
    }

    fn path(text: &str) -> Path<'_> {
        Path::parse(text.as_bytes()).unwrap()
    }

    fn matches(text: &str, target: &str) -> bool {
        template(text).matches_as(&path(target).read_as(Reading::LOOSEST), Reading::LOOSEST)
    }

    #[test]
    fn another_spelling_of_a_path_matches_its_template() {
        for (text, target) in [
            ("/admin", "/ADMIN"),
            ("/admin", "/admin/"),
            ("/admin", "/Admin/?x=1"),
            ("/Admin/", "/admin"),
            ("/admin/{id}", "/ADMIN/7/"),
            ("/admin/{*rest}", "/admin"),
            ("/admin/{*rest}", "/Admin"),
            ("/orders:cancel", "/orders%3Acancel"),
            ("/orders:cancel", "/Orders%3acancel/"),
            ("/users/@me", "/users/%40me"),
            ("/keys", "/%E2%84%AAeys"),
            ("/keys", "/key%C5%BF"),
            ("/admin", "/adm%C4%B1n"),
            ("/admin", "/adm%C4%B0n"),
            ("/", "/"),
            ("/{*rest}", "/"),
        ] {
            assert!(matches(text, target), "{text} {target}");
        }
        for (text, target) in [
            ("/admin", "/admin2"),
            ("/admin", "/admin/x"),
            ("/admin", "/"),
            ("/admin/{id}", "/admin/"),
            ("/admin/{*rest}", "/adm"),
            ("/{id}", "/"),
            ("/", "/x"),
            ("/cafe", "/caf%C3%A9"),
        ] {
            assert!(!matches(text, target), "{text} {target}");
        }
    }

    #[test]
    fn each_reading_ignores_what_it_ignores_and_nothing_else() {
        let takes = |target: &str, reading: Reading| {
            template("/a@b").matches_as(&path(target).read_as(reading), reading)
        };
        for reading in Reading::all() {
            assert_eq!(takes("/A@b", reading), reading.ignores_case, "{reading:?}");
            assert_eq!(takes("/a@b/", reading), reading.ignores_slash, "{reading:?}");
            assert_eq!(takes("/a%40b", reading), reading.decodes, "{reading:?}");
            assert!(takes("/a@b", reading), "{reading:?}");
        }
        assert_eq!(Reading::all().count(), 7);
    }

    #[test]
    fn what_is_written_out_comes_before_what_stands_for_more() {
        let precedes = |one: &str, other: &str| template(one).may_precede(&template(other));

        for (one, other) in [
            ("/admin", "/{*all}"),
            ("/ADMIN", "/admin"),
            ("/admin", "/ADMIN"),
            ("/admin/", "/admin"),
            ("/admin/{*rest}", "/{*all}"),
            ("/admin", "/admin/{*rest}"),
            ("/a/{x}", "/A/{*rest}"),
        ] {
            assert!(precedes(one, other), "{one} {other}");
        }
        for (one, other) in
            [("/{*all}", "/admin"), ("/a", "/b"), ("/admin/{*rest}", "/admin"), ("/a/{x}", "/a")]
        {
            assert!(!precedes(one, other), "{one} {other}");
        }
    }

    const TEMPLATES: &str = "(/(a|B|@|\\{x\\})){1,3}(/|/\\{\\*r\\})?|/|/\\{\\*r\\}";

    proptest! {
        #[test]
        fn what_matches_as_it_stands_matches_in_every_reading(
            text in TEMPLATES,
            target in "(/(a|A|b|B|@|%40|%E2%84%AA|x)){1,3}/?|/",
        ) {
            let (template, path) = (template(&text), path(&target));
            let found: Vec<_> =
                Reading::all().filter(|reading| template.matches_as(&path.read_as(*reading), *reading)).collect();
            if template.matches(path) {
                prop_assert_eq!(found.len(), 7, "{} {}", text, target);
            }
            let loosest = template.matches_as(&path.read_as(Reading::LOOSEST), Reading::LOOSEST);
            prop_assert!(loosest || found.is_empty());
            if template.is_plain() && path.is_plain() {
                prop_assert_eq!(loosest, template.matches(path), "{} {}", text, target);
            }
            if let Some(segments) = template.plain_folder().filter(|_| path.is_plain()) {
                let is_folder = segments == path.segments().count();
                prop_assert!(!loosest || is_folder || template.matches(path), "{} {}", text, target);
            }
        }

        #[test]
        fn two_that_match_the_same_path_overlap(
            one in TEMPLATES,
            other in TEMPLATES,
            target in "(/(a|A|b|B|@|%40|x)){1,3}/?|/",
        ) {
            let (one, other, path) = (template(&one), template(&other), path(&target));
            let read = path.read_as(Reading::LOOSEST);
            if one.matches_as(&read, Reading::LOOSEST) && other.matches_as(&read, Reading::LOOSEST) {
                prop_assert!(one.overlaps_loosely(&other) && other.overlaps_loosely(&one));
                prop_assert!(one.may_precede(&other) || other.may_precede(&one), "{}", format!("{one} {other}"));
            }
        }
    }
}
