//! Before the HTTP library reads: where two readers could see the end of an HTTP/1.1 request in different places, it is
//! refused (CWE-444).
//!
//! RFC 9112 lets a server take a bare LF for the end of a line (§2.2), and chunks where a length stands too (§6.3), and the
//! library does both. So the way from line to line is followed here, and nothing else is: what breaks a rule gets its last
//! byte spoiled, which the library answers with 400 and the end of the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection whose requests have one reading.
#[derive(Debug)]
pub(super) struct Framed<S> {
    stream: S,
    framing: Framing,
}

#[derive(Debug)]
struct Framing {
    place: Place,
    /// The part of a line that came so far. Bounded by what the library reads of a head.
    line: Vec<u8>,
}

/// Where the next byte belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Whether it is the connection's first.
    RequestLine {
        first: bool,
    },
    Head(Lengths),
    Body(u64),
    ChunkSize,
    /// With the line break after it.
    Chunk(u64),
    Trailers,
    /// Spoiled, or HTTP/2, which has lengths of its own.
    Beyond,
}

/// What the head said so far about the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lengths {
    length: Option<u64>,
    chunked: bool,
}

impl<S> Framed<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, framing: Framing { place: Place::RequestLine { first: true }, line: Vec::new() } }
    }
}

impl Framing {
    fn follow(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = match self.place {
                Place::Beyond => return,
                Place::Body(left) => self.skip(left, rest.len(), Place::Body),
                Place::Chunk(left) => self.skip(left, rest.len(), Place::Chunk),
                _ => self.read_line(rest),
            };
            rest = rest.get_mut(taken..).unwrap_or_default();
        }
    }

    fn skip(&mut self, left: u64, there: usize, within: fn(u64) -> Place) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(there);
        self.place = match (left.saturating_sub(taken as u64), within(0)) {
            (0, Place::Chunk(_)) => Place::ChunkSize,
            (0, _) => Place::RequestLine { first: false },
            (left, _) => within(left),
        };
        taken
    }

    fn read_line(&mut self, rest: &mut [u8]) -> usize {
        let end = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let taken = end.unwrap_or(rest.len());
        let part = rest.get_mut(..taken).unwrap_or_default();
        self.line.extend_from_slice(part);
        if end.is_some() {
            let next = self.place.after(&self.line);
            if let (None, Some(last)) = (next, part.last_mut()) {
                *last = SPOILED;
            }
            self.place = next.unwrap_or(Place::Beyond);
            self.line.clear();
        }
        taken
    }
}

impl Place {
    /// Where this line leads. `None`: it has a second reading.
    fn after(self, line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r\n")?;
        Some(match self {
            Self::RequestLine { first: true } if line == HTTP_2 => Self::Beyond,
            // "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line".
            Self::RequestLine { .. } if line.is_empty() => Self::RequestLine { first: false },
            Self::RequestLine { .. } => Self::Head(Lengths::default()),
            Self::Head(lengths) if line.is_empty() => lengths.body(),
            Self::Head(lengths) => Self::Head(lengths.with(line)?),
            Self::ChunkSize => match chunk_size(line)? {
                0 => Self::Trailers,
                size => Self::Chunk(size.checked_add(2)?),
            },
            Self::Trailers if line.is_empty() => Self::RequestLine { first: false },
            other => other,
        })
    }
}

impl Lengths {
    fn with(mut self, line: &[u8]) -> Option<Self> {
        // What is no field the library refuses, and so a name with a space behind it.
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon)?;
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let value = number(value.get(1..)?.trim_ascii(), 10)?;
            self.length.is_none_or(|known| known == value).then_some(())?;
            self.length = Some(value);
        }
        (!self.chunked || self.length.is_none()).then_some(self)
    }

    fn body(self) -> Place {
        match (self.chunked, self.length) {
            (true, _) => Place::ChunkSize,
            (false, None | Some(0)) => Place::RequestLine { first: false },
            (false, Some(length)) => Place::Body(length),
        }
    }
}

/// Before extensions, which nobody needs to understand (RFC 9112 §7.1.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    number(line.split(|byte| *byte == b';').next()?.trim_ascii(), 16)
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    u64::from_str_radix(text, radix).ok()
}

impl<S: AsyncRead + Unpin> AsyncRead for Framed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let known = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.framing.follow(buffer.filled_mut().get_mut(known..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// How a connection begins that speaks HTTP/2 (RFC 9113 §3.4).
const HTTP_2: &[u8] = b"PRI * HTTP/2.0";
/// No head and no chunk may hold it.
const SPOILED: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the first spoiled byte is, however the bytes come apart.
    fn spoiled(text: &str) -> Option<usize> {
        let read = |size: usize| {
            let mut bytes = text.as_bytes().to_vec();
            let mut framed = Framed::new(());
            bytes.chunks_mut(size).for_each(|part| framed.framing.follow(part));
            bytes.iter().position(|byte| *byte == SPOILED)
        };
        let whole = read(text.len());
        for size in 1..text.len() {
            assert_eq!(read(size), whole, "{text:?} in parts of {size}");
        }
        whole
    }

    const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\n";
    const NEXT: &str = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";

    #[test]
    fn requests_with_one_reading_pass_unchanged() {
        for text in [
            format!("{NEXT}{NEXT}"),
            format!("\r\n{NEXT}"),
            format!("{HEAD}content-length: 4\r\n\r\n\n\n\n\n{NEXT}"),
            format!("{HEAD}Content-Length:4\r\ncontent-length:  4 \r\n\r\n\n\n\n\n{NEXT}"),
            format!("{HEAD}content-length: 0\r\n\r\n{NEXT}"),
            format!(
                "{HEAD}transfer-encoding: chunked\r\n\r\n4;a=b\r\n\n\n\n\n\r\na\r\n0123\n56789\r\n0\r\nx: y\r\n\r\n{NEXT}"
            ),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n\n".to_owned(),
        ] {
            assert_eq!(spoiled(&text), None, "{text:?}");
        }
    }

    /// P-20
    #[test]
    fn the_line_that_has_a_second_reading_is_spoiled() {
        for (before, wrong) in [
            ("", "GET / HTTP/1.1\n"),
            ("", "\n"),
            (HEAD, "x: y\n"),
            (HEAD, "\n"),
            ("POST / HTTP/1.1\r\ncontent-length: 5\r\n", "transfer-encoding: chunked\r\n"),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: x\r\nhost: a\r\n", "Content-Length: 5\r\n"),
            ("POST / HTTP/1.1\r\ncontent-length: 5\r\n", "content-length: 6\r\n"),
            (HEAD, "content-length: +1\r\n"),
            (HEAD, "content-length: 1, 1\r\n"),
            (HEAD, "content-length:\r\n"),
            (HEAD, "content-length: 18446744073709551616\r\n"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "4\n"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "x\r\n"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "ffffffffffffffff\r\n"),
            ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", "\n"),
            ("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n\n\n", "GET / HTTP/1.1\n"),
            (NEXT, "PRI * HTTP/2.0\n"),
        ] {
            let text = format!("{before}{wrong}{NEXT}\n");
            assert_eq!(spoiled(&text), Some(before.len() + wrong.len() - 1), "{text:?}");
        }
    }
}
