//! One HTTP/2 request, byte for byte: its frames can carry what no line of HTTP/1.1 can, and nothing here looks at it.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// A frame of the answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// An answer with this body. Its headers are compressed and are not read.
    Body(Vec<u8>),
    /// The server ended the stream or the connection instead.
    Refused,
}

/// Sends a request with these fields, pseudo-fields first (RFC 9113 §8.3), on a connection of its own.
pub fn send(port: u16, fields: &[(&[u8], &[u8])]) -> Result<Answer> {
    exchange(port, &headers(&block(fields), END_STREAM))
}

/// The same, with trailers (RFC 9113 §8.1) after a body of nothing.
pub fn send_with_trailers(
    port: u16,
    fields: &[(&[u8], &[u8])],
    trailers: &[(&[u8], &[u8])],
) -> Result<Answer> {
    exchange(port, &[headers(&block(fields), 0), headers(&block(trailers), END_STREAM)].concat())
}

fn exchange(port: u16, request: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("nobody listens on 127.0.0.1:{port}"))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(request);
    // A server may refuse before it has read everything: its answer counts, not our failed write.
    let _ = stream.write_all(&bytes);
    answer(&mut BufReader::new(stream))
}

fn answer(from: &mut impl Read) -> Result<Answer> {
    let mut body = Vec::new();
    let mut answered = false;
    loop {
        let mut head = [0; 9];
        // An end without an answer is one, too.
        if from.read_exact(&mut head).is_err() {
            return Ok(Answer::Refused);
        }
        let [high, middle, low, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        from.read_exact(&mut payload).context("the frame ends early")?;
        match kind {
            DATA => body.extend(payload),
            HEADERS => answered = true,
            RST_STREAM | GOAWAY => return Ok(Answer::Refused),
            _ => continue,
        }
        if answered && flags & END_STREAM != 0 {
            return Ok(Answer::Body(body));
        }
    }
}

/// Literals that are neither indexed nor compressed (RFC 7541 §6.2.3).
fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            block.extend(length(text.len()));
            block.extend(*text);
        }
    }
    block
}

/// An integer of a 7-bit prefix (RFC 7541 §5.1).
fn length(number: usize) -> Vec<u8> {
    if number < 127 {
        return vec![number as u8];
    }
    let mut bytes = vec![127];
    let mut rest = number - 127;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    bytes.push(rest as u8);
    bytes
}

/// Fields of the one stream; `end_of_stream` is [`END_STREAM`] where nothing follows.
fn headers(block: &[u8], end_of_stream: u8) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut parts = block.chunks(LARGEST_FRAME).peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_none() { END_HEADERS } else { 0 };
        let (kind, flags) = if first { (HEADERS, end | end_of_stream) } else { (CONTINUATION, end) };
        frames.extend(frame(kind, flags, 1, part));
        first = false;
    }
    frames
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, size @ ..] = (payload.len() as u32).to_be_bytes();
    [&size[..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const LARGEST_FRAME: usize = 16_384;
const LIMIT: Duration = Duration::from_secs(20);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_as_rfc_7541_shows() {
        assert_eq!(length(10), [10]);
        assert_eq!(length(127), [127, 0]);
        assert_eq!(length(1337 + 96), [127, 0x9a, 0x0a]);
    }

    #[test]
    fn a_long_request_continues_in_a_second_frame() {
        let frames = headers(&vec![7; LARGEST_FRAME + 1], END_STREAM);

        assert_eq!(frames[..5], [0, 0x40, 0, HEADERS, END_STREAM]);
        assert_eq!(frames[9 + LARGEST_FRAME..][..5], [0, 0, 1, CONTINUATION, END_HEADERS]);
    }

    #[test]
    fn an_answer_is_its_body_or_a_refusal() {
        let mut whole = frame(SETTINGS, 0, 0, &[]);
        whole.extend(frame(HEADERS, END_HEADERS, 1, &[0x88]));
        whole.extend(frame(DATA, END_STREAM, 1, b"u1"));
        let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 1]);

        assert_eq!(answer(&mut &whole[..]).unwrap(), Answer::Body(b"u1".to_vec()));
        assert_eq!(answer(&mut &reset[..]).unwrap(), Answer::Refused);
        assert_eq!(answer(&mut &b""[..]).unwrap(), Answer::Refused);
    }
}
