//! A relay between the issuer and PostgreSQL that knows where a message of theirs ends, and can stop the talk there:
//! the way to be between two steps, every time at the same place.

use std::io::{self, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// Everything passes until it is told otherwise.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    gate: Arc<Gate>,
}

impl Relay {
    /// In front of the server that this URL names; the answer is the URL through the relay.
    pub fn start(database_url: &str) -> Result<(Self, String)> {
        let (before, after) = database_url.rsplit_once(':').context("the URL names no port")?;
        let (server, name) = after.split_once('/').context("the URL names no database")?;
        let server: u16 = server.parse()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let relay = Self { port: listener.local_addr()?.port(), gate: Arc::default() };
        let gate = Arc::clone(&relay.gate);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is gone shows in the connection that nobody answers.
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) {
                    let _ = Gate::join(&gate, client, server);
                }
            }
        });
        // Over TLS nobody could tell where a message ends.
        let url = format!("{before}:{}/{name}?sslmode=disable", relay.port);
        Ok((relay, url))
    }

    /// Lets so many messages pass, of either side, and holds the next one and all that follow.
    pub fn hold_after(&self, messages: usize) {
        self.gate.set(Passing::Some(messages));
    }

    /// Lets so many messages of the server pass, and holds the next one and all that follow of either side.
    pub fn hold_after_answers(&self, messages: usize) {
        self.gate.set(Passing::Answers(messages));
    }

    /// Lets everything pass up to the next message that holds this text, and holds what follows it.
    pub fn hold_after_text(&self, text: &'static str) {
        self.gate.set(Passing::Until(text));
    }

    /// Keeps each message of the server for so long from now on.
    pub fn delay(&self, by: Duration) {
        *self.gate.delay() = by;
    }

    pub fn holds(&self) -> bool {
        matches!(*self.gate.passing(), Passing::None)
    }

    /// Sends on the messages that were held.
    pub fn release(&self) {
        self.gate.set(Passing::All);
    }

    /// Loses the messages that were held, as a sender's death does. Returns when the server has seen every connection end.
    pub fn lose(&self) -> Result<()> {
        self.gate.set(Passing::Lost);
        let pumps: Vec<_> = self.gate.pumps().drain(..).collect();
        let ended: Vec<_> = pumps.into_iter().map(JoinHandle::join).collect();
        ensure!(ended.iter().all(Result::is_ok), "a connection through the relay ended badly");
        self.release();
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Gate {
    passing: Mutex<Passing>,
    changed: Condvar,
    delay: Mutex<Duration>,
    pumps: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Passing {
    #[default]
    All,
    Some(usize),
    /// Counts messages of the server.
    Answers(usize),
    Until(&'static str),
    None,
    Lost,
}

impl Gate {
    /// One thread for each direction.
    fn join(gate: &Arc<Self>, client: TcpStream, server: TcpStream) -> io::Result<()> {
        let (to_client, to_server) = (client.try_clone()?, server.try_clone()?);
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let there = Pump { from: BufReader::new(client), to: to_server, from_client: true, greeting: true };
        let back = Pump { from: BufReader::new(server), to: to_client, from_client: false, greeting: false };
        for pump in [there, back] {
            let own = Arc::clone(gate);
            gate.pumps().push(thread::spawn(move || pump.run(&own)));
        }
        Ok(())
    }

    /// Waits while nothing passes; the answer is whether the message goes on.
    fn lets_pass(&self, message: &[u8], from_client: bool) -> bool {
        let mut passing = self.passing();
        loop {
            match *passing {
                Passing::All => return true,
                Passing::Lost => return false,
                Passing::Some(0) => *passing = Passing::None,
                Passing::Some(left) => {
                    *passing = Passing::Some(left - 1);
                    return true;
                }
                Passing::Answers(_) if from_client => return true,
                Passing::Answers(0) => *passing = Passing::None,
                Passing::Answers(left) => {
                    *passing = Passing::Answers(left - 1);
                    return true;
                }
                Passing::Until(text) => {
                    if message.windows(text.len()).any(|part| part == text.as_bytes()) {
                        *passing = Passing::None;
                    }
                    return true;
                }
                Passing::None => {
                    passing = self.changed.wait(passing).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn set(&self, passing: Passing) {
        *self.passing() = passing;
        self.changed.notify_all();
    }

    fn delay(&self) -> MutexGuard<'_, Duration> {
        self.delay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passing(&self) -> MutexGuard<'_, Passing> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pumps(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.pumps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One direction of a connection.
struct Pump {
    from: BufReader<TcpStream>,
    to: TcpStream,
    from_client: bool,
    /// The client's first message has no type.
    greeting: bool,
}

impl Pump {
    fn run(mut self, gate: &Gate) {
        while let Ok(message) = self.message() {
            let delay = *gate.delay();
            if !self.from_client && !delay.is_zero() {
                thread::sleep(delay);
            }
            if !gate.lets_pass(&message, self.from_client) || self.to.write_all(&message).is_err() {
                break;
            }
        }
        // The other side has sent its last; what still comes from it after a loss is lost as well.
        let _ = self.to.shutdown(Shutdown::Write);
        let _ = io::copy(&mut self.from, &mut io::sink());
    }

    /// A type of one byte, a length that counts itself, and so much less four of the rest.
    fn message(&mut self) -> io::Result<Vec<u8>> {
        let head = if self.greeting { 4 } else { 5 };
        self.greeting = false;
        let mut message = vec![0; head];
        self.from.read_exact(&mut message)?;
        let length = message.last_chunk().map_or(0, |length: &[u8; 4]| u32::from_be_bytes(*length));
        self.from.by_ref().take(u64::from(length).saturating_sub(4)).read_to_end(&mut message)?;
        Ok(message)
    }
}
