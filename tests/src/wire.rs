//! HTTP/1.1 messages as bytes: enough for one client and one server that must not clean anything up on the way,
//! because tests send and look for exactly the dirt a polite library would remove.

use std::io::{self, BufRead, Read};

/// A request or an answer. Header names are lower case, values are the bytes that came.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The first line, without its line end.
    pub start: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Message {
    /// Reads one request; `None` when the peer closed the connection between two.
    pub fn request(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(mut message) = Self::head(from)? else { return Ok(None) };
        message.body = match message.framing()? {
            Framing::Chunked => message.chunked(from)?,
            Framing::Length(length) => exactly(from, length)?,
            Framing::Unsaid => Vec::new(),
        };
        Ok(Some(message))
    }

    /// Reads one answer, whose body may end with the connection.
    pub fn answer(from: &mut impl BufRead) -> io::Result<Self> {
        let mut message = Self::head(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        message.body = match message.framing()? {
            Framing::Chunked => message.chunked(from)?,
            Framing::Length(length) => exactly(from, length)?,
            Framing::Unsaid => rest(from),
        };
        Ok(message)
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    fn head(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(start) = line(from)? else { return Ok(None) };
        let mut message = Self { start: String::from_utf8_lossy(&start).into_owned(), ..Self::default() };
        message.fields(from)?;
        Ok(Some(message))
    }

    /// Headers, or trailers, which count as headers here.
    fn fields(&mut self, from: &mut impl BufRead) -> io::Result<()> {
        loop {
            let next = line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if next.is_empty() {
                return Ok(());
            }
            let mut halves = next.splitn(2, |byte| *byte == b':');
            let name = String::from_utf8_lossy(halves.next().unwrap_or_default()).to_ascii_lowercase();
            self.headers.push((name, halves.next().unwrap_or_default().trim_ascii().to_vec()));
        }
    }

    fn chunked(&mut self, from: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let body = chunks(from)?;
        self.fields(from)?;
        Ok(body)
    }

    fn framing(&self) -> io::Result<Framing> {
        if self.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            return Ok(Framing::Chunked);
        }
        match self.header("content-length") {
            Some(length) => Ok(Framing::Length(length.parse().map_err(io::Error::other)?)),
            None => Ok(Framing::Unsaid),
        }
    }
}

enum Framing {
    Chunked,
    Length(usize),
    Unsaid,
}

fn line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    if from.take(LONGEST).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    while bytes.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        bytes.pop();
    }
    Ok(Some(bytes))
}

fn exactly(from: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(body)
}

/// A server that refuses a request early may reset the connection behind its answer: what came is the answer.
fn rest(from: &mut impl BufRead) -> Vec<u8> {
    let mut body = Vec::new();
    let _ = from.read_to_end(&mut body);
    body
}

fn chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = String::from_utf8_lossy(&size).into_owned();
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        if size == 0 {
            break;
        }
        body.extend(exactly(from, size)?);
        line(from)?;
    }
    Ok(body)
}

const LONGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_answer_is_put_together() {
        let mut bytes =
            &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"[..];

        let answer = Message::answer(&mut bytes).unwrap();

        assert_eq!(answer.start, "HTTP/1.1 200 OK");
        assert_eq!(answer.body, b"abcde");
    }

    #[test]
    fn an_answer_without_a_length_ends_with_the_connection() {
        let mut bytes = &b"HTTP/1.1 400 Bad Request\r\n\r\nwhy"[..];

        assert_eq!(Message::answer(&mut bytes).unwrap().body, b"why");
    }

    #[test]
    fn header_bytes_arrive_as_they_were_sent() {
        let mut bytes = &b"GET / HTTP/1.1\r\nX-Odd: \xff\x80\r\n\r\n"[..];

        let request = Message::request(&mut bytes).unwrap().unwrap();

        assert_eq!(request.headers, [("x-odd".to_owned(), vec![0xff, 0x80])]);
    }
}
