//! Load from loopback: connections that ask, hear the answer and ask again, all on one thread, so that the loader takes
//! little of what it measures.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::watch::{self, Moment};

/// One of those who ask.
pub(crate) trait Caller {
    /// Writes the next request.
    fn ask(&mut self, request: &mut Vec<u8>);

    /// Takes the answer; how long to wait before the next request.
    fn hear(&mut self, _answer: &Answer<'_>) -> Option<Duration> {
        None
    }
}

#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// Always the same request.
#[derive(Clone, Debug)]
pub(crate) struct Repeated(pub(crate) Vec<u8>);

impl Caller for Repeated {
    fn ask(&mut self, request: &mut Vec<u8>) {
        request.extend_from_slice(&self.0);
    }
}

/// The answers that arrived in time.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    lasting: Duration,
    /// Status and time of each answer, the quickest first.
    answers: Vec<(u16, Duration)>,
}

impl Tally {
    pub(crate) fn join(&mut self, other: Self) {
        self.lasting += other.lasting;
        self.answers.extend(other.answers);
        self.answers.sort_unstable_by_key(|(_, took)| *took);
    }

    /// Answers with this status in a second.
    pub(crate) fn rate(&self, status: u16) -> f64 {
        self.of(status).count() as f64 / self.lasting.as_secs_f64()
    }

    /// The time within which this part of the answers with this status came.
    pub(crate) fn within(&self, part: f64, status: u16) -> Option<Duration> {
        let last = self.of(status).count().checked_sub(1)?;
        self.of(status).nth((last as f64 * part).round() as usize)
    }

    fn of(&self, status: u16) -> impl Iterator<Item = Duration> {
        self.answers.iter().filter(move |(known, _)| *known == status).map(|(_, took)| *took)
    }

    /// An error if anything else was answered.
    pub(crate) fn only(self, expected: &[u16]) -> Result<Self> {
        match self.answers.iter().find(|(status, _)| !expected.contains(status)) {
            Some((status, _)) => bail!("{status} was answered where {expected:?} was expected"),
            None if self.answers.is_empty() => bail!("nothing was answered in {:?}", self.lasting),
            None => Ok(self),
        }
    }
}

/// Opens a connection for each caller, all of them before the first request: what it takes to connect is this thread's
/// work as much as the server's. A caller that waits for an answer at the end still gets it, but it does not count.
pub(crate) fn run<C: Caller + 'static>(port: u16, callers: &mut Vec<C>, lasting: Duration) -> Result<Tally> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let connect = |_| runtime.block_on(TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
    let streams = (0..callers.len()).map(connect).collect::<io::Result<Vec<_>>>()?;
    let end = watch::now() + lasting;
    let mut answers = Vec::new();
    let conversations: Vec<_> = callers
        .drain(..)
        .zip(streams)
        .map(|(caller, stream)| local.spawn_local(converse(stream, caller, end)))
        .collect();
    for conversation in conversations {
        let (caller, heard) = local.block_on(&runtime, conversation)?.context("a connection failed")?;
        callers.push(caller);
        answers.extend(heard);
    }
    answers.sort_unstable_by_key(|(_, took)| *took);
    Ok(Tally { lasting, answers })
}

async fn converse<C: Caller>(
    mut stream: TcpStream,
    mut caller: C,
    end: Moment,
) -> io::Result<(C, Vec<(u16, Duration)>)> {
    stream.set_nodelay(true)?;
    // Room for a whole answer: a buffer that grows as it is read would take several reads for the first.
    let (mut request, mut answer, mut heard) = (Vec::new(), Vec::with_capacity(ANSWER), Vec::new());
    loop {
        let asked = watch::now();
        if asked >= end {
            return Ok((caller, heard));
        }
        request.clear();
        caller.ask(&mut request);
        stream.write_all(&request).await?;
        let (status, body) = read(&mut stream, &mut answer).await?;
        let now = watch::now();
        if now < end {
            heard.push((status, now - asked));
        }
        let pause = caller.hear(&Answer { status, body: answer.get(body..).unwrap_or_default() });
        if let Some(pause) = pause {
            tokio::time::sleep(pause.min(end - now)).await;
        }
    }
}

/// One answer of a server that says how long it is; its status and where its body begins.
async fn read(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<(u16, usize)> {
    answer.clear();
    let body = loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(at) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let (status, length) = head(answer.get(..body).unwrap_or_default())?;
    while answer.len() < body + length {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok((status, body))
}

fn head(head: &[u8]) -> io::Result<(u16, usize)> {
    let head = std::str::from_utf8(head).map_err(io::Error::other)?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let length = lines.find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    match (status, length) {
        (Some(status), Some(length)) => Ok((status, length)),
        (Some(status @ (204 | 304)), None) => Ok((status, 0)),
        _ => Err(io::Error::other(format!("an answer without status or length: {head}"))),
    }
}

const ANSWER: usize = 4096;
