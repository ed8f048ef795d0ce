use std::task::Waker;

use super::*;

/// What the library reads, however the bytes come apart, and whether the reads fail then.
fn read(text: &str) -> (String, bool) {
    let whole = read_in_parts(text, text.len());
    for size in 1..text.len() {
        let (read, refused) = read_in_parts(text, size);
        assert_eq!(refused, whole.1, "{text:?} in parts of {size}");
        // A part of the line may have been read before its end was seen.
        assert!(refused || read == whole.0, "{text:?} in parts of {size}: {read:?}");
    }
    whole
}

fn read_in_parts(text: &str, size: usize) -> (String, bool) {
    let mut framed = Framed::new(Parts { left: text.as_bytes(), size });
    let mut bytes = vec![0; text.len() + 16];
    let (mut buffer, mut context) = (ReadBuf::new(&mut bytes), Context::from_waker(Waker::noop()));
    loop {
        let known = buffer.filled().len();
        let read = Pin::new(&mut framed).poll_read(&mut context, &mut buffer);
        let refused = matches!(read, Poll::Ready(Err(_)));
        if refused || buffer.filled().len() == known {
            return (String::from_utf8(buffer.filled().to_vec()).unwrap(), refused);
        }
    }
}

struct Parts<'a> {
    left: &'a [u8],
    size: usize,
}

impl AsyncRead for Parts<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let size = self.size.min(buffer.remaining());
        let (now, later) = self.left.split_at_checked(size).unwrap_or((self.left, &[]));
        buffer.put_slice(now);
        self.left = later;
        Poll::Ready(Ok(()))
    }
}

const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\n";
const NEXT: &str = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn requests_with_one_reading_pass_unchanged() {
    for text in [
        format!("{NEXT}{NEXT}"),
        format!("\r\n{NEXT}"),
        format!("{HEAD}content-length: 4\r\n\r\n\n\n\n\n{NEXT}"),
        format!("{HEAD}Content-Length:4\r\ncontent-length:  4 \r\n\r\n\n\n\n\n{NEXT}"),
        format!("{HEAD}content-length: 0\r\n\r\n{NEXT}"),
        format!("{CHUNKED}4;a=b\r\n\n\n\n\n\r\na \r\n0123\n56789\r\n0\r\nx: y\r\n\r\n{NEXT}"),
        format!("{HEAD}Transfer-Encoding:\tChunked \r\n\r\n0\r\n\r\n{NEXT}"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n\n".to_owned(),
    ] {
        assert_eq!(read(&text), (text.clone(), false));
    }
}

/// P-20
#[test]
fn a_head_with_a_second_reading_ends_there() {
    for (before, wrong) in [
        ("", "GET / HTTP/1.1\n"),
        ("", "\n"),
        ("", "\r\r\n"),
        ("", "PRI * HTTP/2.0\n"),
        ("PRI * HTTP/2.0\r\n", "host: a\r\n"),
        ("PRI * HTTP/2.0\r\n\r\n", "SM\n"),
        (HEAD, "x: y\n"),
        (HEAD, "\n"),
        (HEAD, "x: y\rz\r\n"),
        (HEAD, "x: \0\r\n"),
        (HEAD, " x: y\r\n"),
        (HEAD, "x : y\r\n"),
        (HEAD, ": y\r\n"),
        (HEAD, "x\r\n"),
        ("POST / HTTP/1.1\r\ncontent-length: 5\r\n", "transfer-encoding: chunked\r\n"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nhost: a\r\n", "Content-Length: 5\r\n"),
        ("POST / HTTP/1.1\r\ncontent-length: 5\r\n", "content-length: 6\r\n"),
        ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n", "transfer-encoding: chunked\r\n"),
        (HEAD, "transfer-encoding: gzip, chunked\r\n"),
        (HEAD, "transfer-encoding: chunked, chunked\r\n"),
        (HEAD, "transfer-encoding: gzip\r\n"),
        (HEAD, "transfer-encoding: chunked;a=b\r\n"),
        (HEAD, "transfer-encoding: chunked,\r\n"),
        (HEAD, "transfer-encoding:\r\n"),
        (HEAD, "content-length: +1\r\n"),
        (HEAD, "content-length: 1, 1\r\n"),
        (HEAD, "content-length:\r\n"),
        (HEAD, "content-length: 18446744073709551616\r\n"),
        ("POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n\n\n", "GET / HTTP/1.1\n"),
        (NEXT, "PRI * HTTP/2.0\n"),
    ] {
        let end = "\0\r\n\r\n";
        assert_eq!(read(&format!("{before}{wrong}{NEXT}")), (format!("{before}{end}"), true), "{wrong:?}");
    }
}

/// P-20
#[test]
fn a_chunked_body_with_a_second_reading_ends_there() {
    for (before, wrong) in [
        ("", "4\n"),
        ("", "x\r\n"),
        ("", " 4\r\n"),
        ("", "\r\n"),
        ("", "+4\r\n"),
        ("", "4 4\r\n"),
        ("", "ffffffffffffffff\r\n"),
        ("", "1d;a\nb\r\n"),
        ("", "1d;a\rb\r\n"),
        ("", "1d;a\0b\r\n"),
        ("1\r\na\r\n", "1;\n"),
        ("1\r\na", "\n"),
        ("1\r\na", "b\r\n"),
        ("0\r\n", "\n"),
        ("0\r\n", "x: y\n"),
        ("0\r\n", "x\r\n"),
        ("0\r\nx: y\r\n", " z\r\n"),
    ] {
        let before = format!("{CHUNKED}{before}");
        assert_eq!(read(&format!("{before}{wrong}{NEXT}")), (before, true), "{wrong:?}");
    }
}

#[test]
fn a_line_has_an_end() {
    let text = format!("{CHUNKED}4;{}", "a".repeat(LONGEST_LINE));

    assert_eq!([1000, text.len()].map(|size| read_in_parts(&text, size).1), [true, true]);
}
