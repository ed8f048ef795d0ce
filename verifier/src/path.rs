//! Request paths with exactly one reading, and the templates that match them.
//!
//! A proxy, a gateway and a service that read a path differently let requests past a policy. So a path that could be
//! read in two ways is refused, never normalised and never guessed.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

mod reading;

pub(crate) use reading::Reading;

/// A path with one reading, still percent-encoded; the query and the first `/` are gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<'a>(&'a str);

impl<'a> Path<'a> {
    /// `None`: ambiguous or malformed.
    pub(crate) fn parse(target: &'a [u8]) -> Option<Self> {
        let target = core::str::from_utf8(target).ok()?;
        if target.len() > MAX_BYTES
            || !target.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && !matches!(byte, b'#' | b'\\'))
        {
            return None;
        }
        let path = Self(target.split(['?']).next()?.strip_prefix('/')?);
        let mut before_the_last = path.0.rsplit(['/']).skip(1);
        let clear = path.segments().all(is_unambiguous) && before_the_last.all(|segment| !segment.is_empty());
        clear.then_some(path)
    }

    pub(crate) fn segments(self) -> impl Iterator<Item = &'a str> {
        self.0.split(['/'])
    }
}

const MAX_BYTES: usize = 8192;

/// No dot segments (RFC 3986 §5.2.4), no path parameters, and percent-encoding only where it cannot hide a meaning.
fn is_unambiguous(segment: &str) -> bool {
    if matches!(segment, "." | "..") || segment.contains([';']) {
        return false;
    }
    segment.split(['%']).skip(1).all(|piece| {
        let byte = piece.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        // `from_str_radix` takes a sign; percent-encoding does not.
        !piece.starts_with('+') && byte.is_some_and(is_safely_encoded)
    })
}

/// Unreserved characters need no encoding, so an encoded one is a second spelling (RFC 3986 §2.3); `/ \ % ; ? #` and
/// controls would mean something else once decoded.
const fn is_safely_encoded(byte: u8) -> bool {
    let hides = matches!(byte, 0..=0x1f | 0x7f | b'/' | b'\\' | b'%' | b';' | b'?' | b'#');
    !hides && !is_unreserved(byte)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// A path with `{name}` for one segment and, at the end, `{*name}` for one or more.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
    text: String,
}

/// In order of preference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Literal(String),
    Segment,
    Rest,
}

impl Template {
    /// Reads a template; `Err` says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.strip_prefix('/').ok_or("must start with `/`")?;
        let count = path.split(['/']).count();
        let pieces = path.split(['/']).enumerate().map(|(at, piece)| Piece::parse(piece, at + 1 == count));
        Ok(Self { pieces: pieces.collect::<Result<_, _>>()?, text: text.to_owned() })
    }

    pub(crate) fn matches(&self, path: Path<'_>) -> bool {
        let mut segments = path.segments();
        for piece in &self.pieces {
            let Some(segment) = segments.next() else { return false };
            let fits = match piece {
                Piece::Literal(text) => text == segment,
                Piece::Segment => !segment.is_empty(),
                Piece::Rest => return true,
            };
            if !fits {
                return false;
            }
        }
        segments.next().is_none()
    }

    /// Returns whether some path matches both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (mut own, mut others) = (self.pieces.iter(), other.pieces.iter());
        loop {
            let meet = match (own.next(), others.next()) {
                (None, None) => return true,
                (None, Some(_)) | (Some(_), None) => return false,
                (Some(Piece::Rest), Some(_)) | (Some(_), Some(Piece::Rest)) => return true,
                (Some(Piece::Segment), Some(Piece::Segment)) => true,
                (Some(Piece::Literal(text)), Some(Piece::Segment))
                | (Some(Piece::Segment), Some(Piece::Literal(text))) => !text.is_empty(),
                (Some(Piece::Literal(one)), Some(Piece::Literal(two))) => one == two,
            };
            if !meet {
                return false;
            }
        }
    }

    /// The more specific template first: at the first difference a literal comes before `{name}` before `{*name}`.
    pub(crate) fn by_precedence(&self, other: &Self) -> Ordering {
        self.pieces.cmp(&other.pieces)
    }
}

/// The names in braces mean nothing.
impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.pieces == other.pieces
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Piece {
    fn parse(text: &str, last: bool) -> Result<Self, &'static str> {
        let Some(inner) = text.strip_prefix('{') else { return Self::literal(text, last) };
        let inner = inner.strip_suffix('}').ok_or("a `{` needs its `}` at the end of the segment")?;
        let (piece, name) = match inner.strip_prefix('*') {
            Some(_) if !last => return Err("`{*name}` is allowed only as the last segment"),
            Some(name) => (Self::Rest, name),
            None => (Self::Segment, inner),
        };
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err("the name in braces must be letters, digits and `_`");
        }
        Ok(piece)
    }

    fn literal(text: &str, last: bool) -> Result<Self, &'static str> {
        if text.is_empty() && !last {
            return Err("must not contain `//`");
        }
        if matches!(text, "." | "..") || !text.bytes().all(is_literal) {
            return Err("a segment is letters, digits and `-._~!$&'()+,=:@`, or one `{name}`");
        }
        Ok(Self::Literal(text.to_owned()))
    }
}

const fn is_literal(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'+' | b',' | b'=' | b':' | b'@')
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    fn matches(template: &str, path: &str) -> bool {
        Template::parse(template).unwrap().matches(Path::parse(path.as_bytes()).unwrap())
    }

    fn segments(path: &[u8]) -> Option<Vec<&str>> {
        Path::parse(path).map(|path| path.segments().collect())
    }

    #[test]
    fn paths_with_two_readings_are_refused() {
        let paths = [
            "",
            "*",
            "orders",
            "http://evil/orders",
            "//",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/%2e%2e/b",
            "/%2E",
            "/a%2Fb",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%252e",
            "/a%25",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
            "/a;x=y",
            "/public;/../admin",
            "/a%3Bx",
            "/a#x",
            "/a?x#y",
            "/a%23",
            "/a%3F",
            "/a b",
            "/a\t",
            "/a\u{e9}",
            "/%61dmin",
            "/a%7f",
        ];
        for path in paths {
            assert_eq!(segments(path.as_bytes()), None, "{path}");
        }
        assert_eq!(segments(b"/a\x80"), None);
        assert_eq!(segments("/a".repeat(5000).as_bytes()), None);
        let of_bytes = |bytes: usize| segments(format!("/{}", "a".repeat(bytes - 1)).as_bytes()).is_some();
        assert_eq!([of_bytes(8192), of_bytes(8193)], [true, false]);
    }

    #[test]
    fn clear_paths_are_split_without_their_query() {
        assert_eq!(segments(b"/").unwrap(), [""]);
        assert_eq!(segments(b"/orders?x=/admin/../..").unwrap(), ["orders"]);
        assert_eq!(segments(b"/orders/").unwrap(), ["orders", ""]);
        assert_eq!(segments(b"/caf%C3%A9/a%20b/...").unwrap(), ["caf%C3%A9", "a%20b", "..."]);
    }

    proptest! {
        #[test]
        fn normalisation_leaves_an_accepted_path_as_it_is(
            path in "(/|//|a|\\.|%2[EeFf5a0]|%[0-9a-g]{0,2}|;|\\?|[!-~]){0,8}",
        ) {
            let path = format!("/{path}");
            let Some(segments) = segments(path.as_bytes()) else { return Ok(()) };
            let decoded = segments.iter().map(|segment| percent_decoded(segment));
            for (at, segment) in decoded.enumerate() {
                prop_assert_eq!(percent_decoded(&segment), segment.clone());
                prop_assert!(!segment.contains(['/', '\\', ';', '?', '#', '%', '\0']));
                prop_assert!(segment != "." && segment != "..");
                prop_assert!(!segment.is_empty() || at + 1 == segments.len());
            }
        }

        #[test]
        fn nothing_makes_it_panic(target: Vec<u8>, template: String) {
            let (path, template) = (Path::parse(&target), Template::parse(&template));
            let _ = path.zip(template.ok()).map(|(path, template)| template.matches(path));
        }
    }

    /// As Latin-1, which keeps ASCII apart.
    fn percent_decoded(text: &str) -> String {
        let mut pieces = text.split('%');
        let first = pieces.next().unwrap().to_owned();
        pieces.fold(first, |text, piece| {
            let (hex, rest) = piece.split_at(2);
            format!("{text}{}{rest}", char::from(u8::from_str_radix(hex, 16).unwrap()))
        })
    }

    #[test]
    fn templates_match_whole_segments_only() {
        assert!(matches("/", "/"));
        assert!(matches("/orders", "/orders?public=1"));
        assert!(!matches("/orders", "/orders/"));
        assert!(!matches("/orders", "/ORDERS"));
        assert!(!matches("/orders", "/orders2"));
        assert!(matches("/orders/{id}/items", "/orders/7/items"));
        assert!(!matches("/orders/{id}", "/orders/"));
        assert!(!matches("/orders/{id}", "/orders/7/items"));
        assert!(matches("/assets/{*rest}", "/assets/a/b/c"));
        assert!(matches("/{*rest}", "/"));
        assert!(!matches("/assets/{*rest}", "/assets"));
    }

    #[test]
    fn templates_overlap_where_some_path_matches_both() {
        let overlap = |one: &str, other: &str| {
            let (one, other) = (Template::parse(one).unwrap(), Template::parse(other).unwrap());
            assert_eq!(one.overlaps(&other), other.overlaps(&one));
            one.overlaps(&other)
        };

        for (one, other) in [
            ("/a", "/a"),
            ("/a", "/{x}"),
            ("/a/{x}", "/{y}/b"),
            ("/a", "/{*rest}"),
            ("/", "/{*rest}"),
            ("/a/", "/a/{*rest}"),
            ("/a/{x}/c", "/a/{*rest}"),
            ("/{x}", "/{y}"),
        ] {
            assert!(overlap(one, other), "{one} and {other}");
        }
        for (one, other) in [
            ("/a", "/b"),
            ("/a", "/a/"),
            ("/", "/{x}"),
            ("/a", "/a/{*rest}"),
            ("/a/{x}", "/b/{x}"),
            ("/a/", "/a/{x}"),
        ] {
            assert!(!overlap(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn the_more_specific_template_comes_first() {
        let mut texts = ["/{*rest}", "/orders/{id}", "/{kind}/new", "/orders/new"];
        texts.sort_by(|a, b| Template::parse(a).unwrap().by_precedence(&Template::parse(b).unwrap()));

        assert_eq!(texts, ["/orders/new", "/orders/{id}", "/{kind}/new", "/{*rest}"]);
    }

    #[test]
    fn malformed_templates_say_why() {
        for text in [
            "orders",
            "/a//b",
            "/{*rest}/x",
            "/{id",
            "/{}",
            "/{a-b}",
            "/x{id}",
            "/a/../b",
            "/a b",
            "/a%20",
            "/a;b",
            "/a*",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
