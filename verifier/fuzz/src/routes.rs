//! Paths and templates, read a second time and character by character.

/// Returns whether a request target has one reading (RFC 3986 §3.3, §5.2.4 and §6.2.2): every reader splits it the same, decoded
/// or not.
pub(crate) fn has_one_reading(target: &[u8]) -> bool {
    let Ok(target) = str::from_utf8(target) else { return false };
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    if target.len() > 8192 || !target.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\\".contains(&byte)) {
        return false;
    }
    let Some(decoded) = decoded(path) else { return false };
    let Some(segments) = path.strip_prefix('/').map(|path| path.split('/').collect::<Vec<_>>()) else {
        return false;
    };
    let (last, others) = segments.split_last().unwrap_or((&"", &[]));
    let is_plain = |segment: &&str| !matches!(*segment, "." | "..") && !segment.contains(';');
    decoded && is_plain(last) && others.iter().all(|segment| is_plain(segment) && !segment.is_empty())
}

/// Returns whether every `%` begins the encoding of a byte that needs one and hides nothing. `None`: a `%` begins nothing.
fn decoded(path: &str) -> Option<bool> {
    let (mut bytes, mut harmless) = (path.bytes(), true);
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let hidden = u8::try_from(digit()? * 16 + digit()?).ok()?;
            let needless = hidden.is_ascii_alphanumeric() || b"-._~".contains(&hidden);
            harmless &= !needless && !hidden.is_ascii_control() && !b"/\\%;?#".contains(&hidden);
        }
    }
    Some(harmless)
}

/// How a template's segment fits a path's, the better the smaller. `None`: not at all.
pub(crate) fn fit(template: &str, path: &str) -> Option<Vec<u8>> {
    let mut segments = path.split('/');
    let mut ranks = Vec::new();
    for piece in template.split('/') {
        let segment = segments.next()?;
        if piece.starts_with("{*") {
            ranks.push(2);
            return Some(ranks);
        }
        let is_any = piece.starts_with('{');
        if !is_any && piece != segment || is_any && segment.is_empty() {
            return None;
        }
        ranks.push(u8::from(is_any));
    }
    if segments.next().is_some() { None } else { Some(ranks) }
}

/// The templates whose routes decide on a path, by their places: the best for the path as it is, then the best in every other
/// reading of both. Empty where none fits the path as it is.
pub(crate) fn deciding(templates: &[&str], path: &str) -> Vec<usize> {
    let best = |reading: u8| {
        let fits = templates.iter().map(|template| {
            let (template, path) = (read_as(template, reading, false), read_as(path, reading, true));
            let ends_open = reading & SLASH != 0 && template.rsplit('/').next()?.starts_with("{*");
            fit(&template, if ends_open { format!("{path}/") } else { path }.as_str())
        });
        let fits: Vec<_> = fits.collect();
        let least = fits.iter().flatten().min().cloned();
        let places = fits.into_iter().enumerate().filter(move |(_, fit)| fit.is_some() && *fit == least);
        places.map(|(place, _)| place).collect::<Vec<_>>()
    };
    let mut places = best(0);
    if places.is_empty() {
        return places;
    }
    for place in (1..8).flat_map(best) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

const CASE: u8 = 1;
const SLASH: u8 = 2;
const ENCODING: u8 = 4;

fn read_as(text: &str, reading: u8, is_path: bool) -> String {
    let text = text.strip_suffix('/').filter(|rest| !rest.is_empty() && reading & SLASH != 0).unwrap_or(text);
    if !is_path {
        return if reading & CASE != 0 { text.to_lowercase() } else { text.to_owned() };
    }
    let decoded = percent_decoded(text.as_bytes());
    let text = if reading & ENCODING != 0 {
        String::from_utf8_lossy(&decoded).into_owned()
    } else {
        text.to_owned()
    };
    if reading & CASE == 0 {
        return text;
    }
    // As regular expressions without case have it: by single characters, both ways.
    let lower = |character: char| match character {
        '\u{130}' | '\u{131}' => 'i',
        '\u{17f}' => 's',
        other => other.to_lowercase().next().unwrap_or(other),
    };
    text.chars().map(lower).collect()
}

pub(crate) fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let (mut decoded, mut rest) = (Vec::new(), text);
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.first_chunk::<2>().and_then(|hex| str::from_utf8(hex).ok());
        let hidden = hex.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        decoded.push(hidden.unwrap_or(byte));
        rest = if hidden.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    decoded
}
