//! Addresses that every host asks for in the same way.

/// An `http` or `https` URL in its parts. It has one reading only: a host and perhaps a port, then a path and perhaps a
/// query, all in the characters of RFC 3986, no dot segments, nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port, as in the `Host` header.
    pub authority: &'a str,
    /// Path and query; `/` where the URL has none.
    pub target: &'a str,
}

impl<'a> Address<'a> {
    /// Reads a URL. Returns `None` if hosts could differ on what to ask for, or on whether it is a URL at all.
    pub fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => ("http", rest),
            (_, rest) => ("https", rest?),
        };
        let (authority, target) = rest.split_at_checked(rest.find(['/']).unwrap_or(rest.len()))?;
        let path = target.split(['?']).next()?;
        let is_valid = is_authority(authority)
            && target.bytes().all(is_of_target)
            && is_percent_encoded(target)
            && !path.split(['/']).any(is_dots);
        is_valid.then_some(Self { scheme, authority, target: if target.is_empty() { "/" } else { target } })
    }
}

/// A name, an IPv4 address or an IPv6 address in brackets; perhaps a port.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once([':']) {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => {
            !address.is_empty()
                && address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        None => {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            !host.is_empty() && host.bytes().all(is_plain)
        }
    };
    let is_port =
        |port: &str| (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    is_host && port.is_none_or(is_port)
}

/// RFC 3986 §3.3 and §3.4.
const fn is_of_target(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b','
        )
        || matches!(byte, b';' | b'=' | b':' | b'@' | b'/' | b'?' | b'%')
}

fn is_percent_encoded(text: &str) -> bool {
    let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    text.split(['%']).skip(1).all(|piece| piece.get(..2).is_some_and(is_hex))
}

/// `.`, `..`, and what the URL standard takes for them: some hosts take them away, others send them.
fn is_dots(segment: &str) -> bool {
    const DOTS: [&str; 6] = [".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"];
    DOTS.iter().any(|dots| segment.eq_ignore_ascii_case(dots))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> Option<(&str, &str, &str)> {
        Address::parse(url).map(|Address { scheme, authority, target }| (scheme, authority, target))
    }

    #[test]
    fn a_url_is_split_into_what_is_asked_for() {
        for (url, expected) in [
            ("https://as.example/k?a=b", ("https", "as.example", "/k?a=b")),
            ("http://127.0.0.1:8000", ("http", "127.0.0.1:8000", "/")),
            ("https://[2001:db8::1]/k", ("https", "[2001:db8::1]", "/k")),
            ("https://[::1]:8443/a%20b/~c?d=e/f?g", ("https", "[::1]:8443", "/a%20b/~c?d=e/f?g")),
            ("http://key_stone.svc:80/a:b@c", ("http", "key_stone.svc:80", "/a:b@c")),
        ] {
            assert_eq!(parts(url), Some(expected));
        }
    }

    #[test]
    fn a_url_that_hosts_could_read_differently_is_refused() {
        for url in [
            "as.example/k",
            "ftp://as.example/k",
            "HTTPS://as.example/k",
            "https:///k",
            "https://:80/k",
            "https://as.example:/k",
            "https://as.example:123456/k",
            "https://as.example:8o/k",
            "https://u@as.example/k",
            "https://as.example/k#f",
            "https://as.example/k\r\n",
            "https://as.example/k ",
            "https://as.example/a b",
            "https://as.example/\"k\"",
            "https://as.example/{k}",
            "https://as.example/k|",
            "https://as.example\\k",
            "https://as.example?k",
            "https://bücher.example/k",
            "https://as.example/é",
            "https://as.example/%",
            "https://as.example/%zz",
            "https://as.example/a/../k",
            "https://as.example/a/%2E%2e/k",
            "https://as.example/./k",
            "https://[::1/k",
            "https://[]/k",
            "https://[::g]/k",
            "https://",
            "",
        ] {
            assert_eq!(parts(url), None, "{url}");
        }
    }
}
