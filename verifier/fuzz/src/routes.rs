//! Paths and templates, read a second time and character by character.

/// Whether a request target has one reading (RFC 3986 §3.3, §5.2.4 and §6.2.2): every reader splits it the same, decoded
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

/// Whether every `%` begins the encoding of a byte that needs one and hides nothing. `None`: a `%` begins nothing.
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
