//! Refuses HTTP/1.1 requests whose end two readers could see in different places, before the HTTP library reads them
//! (CWE-444).
//!
//! RFC 9112 lets a server take a bare LF for the end of a line (§2.2), and chunks where a length stands too (§6.3), and the
//! library does both. Here the way from line to line is followed, and nothing else is. After a line that breaks a rule the
//! reads fail: no byte of it or behind it reaches the library.

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
    /// The part of a line that came so far.
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
    Chunk(u64),
    /// The line break after a chunk.
    ChunkEnd,
    Trailers,
    /// The line of [`HTTP_2`] that must come next.
    Preface(usize),
    /// It has lengths of its own.
    Http2,
    /// What the library may still read before reads fail.
    Refused(&'static [u8]),
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
    /// Returns how many of the bytes the library may read.
    fn follow(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            taken += match self.place {
                Place::Http2 => rest.len(),
                Place::Refused(_) => break,
                Place::Body(left) => self.skip(left, rest.len(), Place::Body),
                Place::Chunk(left) => self.skip(left, rest.len(), Place::Chunk),
                _ => self.read_line(rest),
            };
        }
        taken
    }

    fn skip(&mut self, left: u64, there: usize, within: fn(u64) -> Place) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(there);
        self.place = match (left.saturating_sub(taken as u64), within(0)) {
            (0, Place::Chunk(_)) => Place::ChunkEnd,
            (0, _) => Place::RequestLine { first: false },
            (left, _) => within(left),
        };
        taken
    }

    fn read_line(&mut self, rest: &[u8]) -> usize {
        let end = rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let taken = end.unwrap_or(rest.len());
        self.line.extend_from_slice(rest.get(..taken).unwrap_or_default());
        let next = match end {
            _ if self.line.len() > LONGEST_LINE => None,
            None => Some(self.place),
            Some(_) => self.place.after(&self.line),
        };
        if end.is_some() {
            self.line.clear();
        }
        self.place = next.unwrap_or(self.place.refused());
        if next.is_some() { taken } else { 0 }
    }

    /// What is read after a refusal: first the end of the head, then an error.
    fn refuse(&mut self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let Place::Refused(left) = self.place else { return Ok(()) };
        if left.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the request has more than one reading"));
        }
        let (now, later) = left.split_at_checked(buffer.remaining()).unwrap_or((left, &[]));
        buffer.put_slice(now);
        self.place = Place::Refused(later);
        Ok(())
    }
}

impl Place {
    /// Where this line leads. `None`: it has a second reading.
    fn after(self, line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\r\n").filter(|line| !line.iter().any(is_control))?;
        Some(match self {
            Self::RequestLine { first: true } if HTTP_2.first() == Some(&line) => Self::Preface(1),
            Self::Preface(number) => match (HTTP_2.get(number)?, HTTP_2.get(number + 1)) {
                (expected, _) if *expected != line => return None,
                (_, None) => Self::Http2,
                (_, Some(_)) => Self::Preface(number + 1),
            },
            // "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line".
            Self::RequestLine { .. } if line.is_empty() => Self::RequestLine { first: false },
            Self::RequestLine { .. } => Self::Head(Lengths::default()),
            Self::Head(lengths) if line.is_empty() => lengths.body(),
            Self::Head(lengths) => Self::Head(lengths.with(line)?),
            Self::ChunkSize => match chunk_size(line)? {
                0 => Self::Trailers,
                size => Self::Chunk(size),
            },
            Self::ChunkEnd => line.is_empty().then_some(Self::ChunkSize)?,
            Self::Trailers if line.is_empty() => Self::RequestLine { first: false },
            Self::Trailers => {
                field(line)?;
                Self::Trailers
            }
            other => other,
        })
    }

    /// A head ends with what no reader takes for one, so that the library answers 400 and not with silence. A body just
    /// fails: its request has a head and gets an answer.
    fn refused(self) -> Self {
        match self {
            Self::RequestLine { .. } | Self::Preface(_) | Self::Head(_) => Self::Refused(b"\0\r\n\r\n"),
            _ => Self::Refused(b""),
        }
    }
}

impl Lengths {
    fn with(mut self, line: &[u8]) -> Option<Self> {
        let (name, value) = field(line)?;
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // Once, and nothing beside it: no other coding is understood here, and none has to be (RFC 9112 §6.1).
            (!self.chunked && value.eq_ignore_ascii_case(b"chunked")).then_some(())?;
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let value = number(value, 10)?;
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

/// Name and value of a field line (RFC 9112 §5).
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let is_token = !name.is_empty() && name.iter().all(is_token_byte);
    is_token.then_some((name, trimmed(value.get(1..)?)))
}

/// Before extensions, which nobody needs to understand (RFC 9112 §7.1.1).
fn chunk_size(line: &[u8]) -> Option<u64> {
    number(line.split(|byte| *byte == b';').next()?.trim_ascii_end(), 16)
}

/// No larger than a reader with signed numbers can tell.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    u64::from_str_radix(text, radix).ok().filter(|number| i64::try_from(*number).is_ok())
}

/// Without optional whitespace (RFC 9110 §5.6.3).
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn is_control(byte: &u8) -> bool {
    byte.is_ascii_control() && *byte != b'\t'
}

/// RFC 9110 §5.6.2.
fn is_token_byte(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

impl<S: AsyncRead + Unpin> AsyncRead for Framed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !matches!(self.framing.place, Place::Refused(_)) {
            let known = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let fresh = buffer.filled().get(known..).unwrap_or_default();
            let taken = self.framing.follow(fresh);
            if taken == fresh.len() {
                return Poll::Ready(Ok(()));
            }
            buffer.set_filled(known + taken);
            if taken > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Ready(self.framing.refuse(buffer))
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
const HTTP_2: [&[u8]; 4] = [b"PRI * HTTP/2.0", b"", b"SM", b""];
/// What the library reads of a head is no longer.
const LONGEST_LINE: usize = 32 * 1024;

#[cfg(test)]
#[path = "framing/tests.rs"]
mod tests;
