//! Requests on one connection: behind the issuer's guard, hyper reads them as a strict reader does, or not at all.

#[path = "../../../issuer/src/http/framing.rs"]
mod guard;

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::guard::Framed;

/// Method, target and body of a request that was read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    line: Vec<u8>,
    body: Vec<u8>,
}

/// Judges what one client sends on one connection.
pub fn check(input: &[u8]) {
    let strict = strictly(input);
    for size in [input.len().max(1), 1, 7] {
        let guarded = by_hyper(Framed::new(Sent { left: input, size }));
        assert!(strict.requests.starts_with(&guarded), "{guarded:?} instead of {:?}", strict.requests);
        // The guard stops nothing that has one reading and that hyper takes.
        if strict.to_the_end {
            let alone = by_hyper(Sent { left: input, size });
            assert!(guarded.len() >= alone.len().min(strict.requests.len()), "{guarded:?} of {alone:?}");
        }
    }
}

fn by_hyper(stream: impl AsyncRead + AsyncWrite + Unpin) -> Vec<Read> {
    let requests = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let requests = requests.clone();
        async move {
            let target = request.uri().path_and_query().filter(|_| request.uri().authority().is_none());
            let line = named(
                request.method().as_str().as_bytes(),
                target.map_or("", |target| target.as_str()).as_bytes(),
            );
            if let Ok(body) = request.into_body().collect().await {
                let body = body.to_bytes().to_vec();
                requests.borrow_mut().push(Read { line, body });
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    {
        let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        let mut context = Context::from_waker(Waker::noop());
        // There is always something to read, so it is only ever pending to let others run.
        while connection.as_mut().poll(&mut context).is_pending() {}
    }
    requests.take()
}

/// All requests that the bytes begin with, and whether nothing stands behind them.
struct Strictly {
    requests: Vec<Read>,
    to_the_end: bool,
}

/// As RFC 9112 writes requests, without what it lets a reader forgive.
fn strictly(input: &[u8]) -> Strictly {
    let (mut requests, mut rest) = (Vec::new(), input);
    loop {
        while let Some(after) = rest.strip_prefix(b"\r\n") {
            rest = after;
        }
        match request(rest) {
            Some((request, after)) => {
                requests.push(request);
                rest = after;
            }
            None => return Strictly { requests, to_the_end: rest.is_empty() },
        }
    }
}

fn request(input: &[u8]) -> Option<(Read, &[u8])> {
    let (first, mut rest) = line(input)?;
    let mut fields = Vec::new();
    loop {
        let (next, after) = line(rest)?;
        rest = after;
        if next.is_empty() {
            break;
        }
        fields.push(field(next)?);
    }
    let all = |name: &str| -> Vec<&str> {
        fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    };
    let (body, rest) = match (all("content-length").as_slice(), all("transfer-encoding").as_slice()) {
        ([], []) => (Vec::new(), rest),
        ([length, again @ ..], []) => {
            let size = size(length, 10)?;
            again.iter().all(|again| self::size(again, 10) == Some(size)).then_some(())?;
            let (body, rest) = rest.split_at_checked(size)?;
            (body.to_vec(), rest)
        }
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => chunks(rest)?,
        _ => return None,
    };
    let mut words = first.split(|byte| *byte == b' ');
    Some((Read { line: named(words.next()?, words.next()?), body }, rest))
}

/// Method and path, where the target begins with one. The library forgets a fragment.
fn named(method: &[u8], target: &[u8]) -> Vec<u8> {
    let path = target.split(|byte| *byte == b'#').next().filter(|path| path.starts_with(b"/"));
    [method, path.unwrap_or_default()].join(&b' ')
}

fn chunks(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (first, after) = line(rest)?;
        let digits = first.split(|byte| *byte == b';').next()?;
        let size = size(str::from_utf8(digits).ok()?.trim_end(), 16)?;
        rest = after;
        if size == 0 {
            break;
        }
        let (chunk, after) = rest.split_at_checked(size)?;
        body.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n")?;
    }
    loop {
        let (trailer, after) = line(rest)?;
        rest = after;
        if trailer.is_empty() {
            return Some((body, rest));
        }
        field(trailer)?;
    }
}

/// Returns the bytes before the first CRLF, if none of them could end a line for any reader.
fn line(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = input.windows(2).position(|two| two == b"\r\n")?;
    let (line, rest) = (input.get(..end)?, input.get(end + 2..)?);
    line.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control()).then_some((line, rest))
}

fn field(line: &[u8]) -> Option<(String, String)> {
    let (name, value) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
    let is_sign = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    (!name.is_empty() && name.iter().all(is_sign)).then_some(())?;
    let value = String::from_utf8_lossy(value.get(1..)?);
    Some((str::from_utf8(name).ok()?.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

fn size(digits: &str, radix: u32) -> Option<usize> {
    (!digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix))).then_some(())?;
    usize::from_str_radix(digits, radix).ok()
}

/// The bytes that a client sends, in parts of a size; it takes every answer.
struct Sent<'a> {
    left: &'a [u8],
    size: usize,
}

impl AsyncRead for Sent<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let now = self.size.min(buffer.remaining());
        let (now, later) = self.left.split_at_checked(now).unwrap_or((self.left, &[]));
        buffer.put_slice(now);
        self.left = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sent<'_> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
