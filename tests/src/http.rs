//! A thin HTTP client: `site.get("/orders").bearer(&token).send()`. It follows, retries and corrects nothing.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

use crate::ledger::Ledger;
use crate::wire::Message;

/// A server on a loopback port.
#[derive(Clone, Debug)]
pub struct Site {
    pub port: u16,
    ledger: Ledger,
}

impl Site {
    /// Returns a client that records every credential of its requests in the list of secrets.
    pub fn new(port: u16, ledger: &Ledger) -> Self {
        Self { port, ledger: ledger.clone() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    pub fn request(&self, method: &str, path: &str) -> Request {
        Request {
            site: self.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: None,
            typed: Vec::new(),
        }
    }

    /// Sends these bytes and nothing else, then reads one answer.
    pub fn raw(&self, bytes: &[u8]) -> Result<Answer> {
        self.begin(bytes)?.answer()
    }

    pub fn conversation(&self) -> Result<Conversation> {
        let stream = self.connect()?;
        stream.set_nodelay(true)?;
        Ok(Conversation { reader: BufReader::new(stream.try_clone()?), stream })
    }

    fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .with_context(|| format!("nobody listens on 127.0.0.1:{}", self.port))?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(stream)
    }

    fn begin(&self, bytes: &[u8]) -> Result<Sent> {
        let mut stream = self.connect()?;
        // A server may refuse before it has read everything: its answer counts, not our failed write.
        let _ = stream.write_all(bytes);
        Ok(Sent(stream))
    }
}

/// A connection that stays open from one request to the next.
#[derive(Debug)]
pub struct Conversation {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Conversation {
    /// Sends this and reads its answer.
    pub fn ask(&mut self, request: &Request) -> Result<Answer> {
        self.ask_bytes(&request.kept_alive())
    }

    /// The same with the bytes of a request.
    pub fn ask_bytes(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request)?;
        Answer::new(Message::answer(&mut self.reader).context("no answer came")?)
    }
}

/// A request that is on its way.
#[derive(Debug)]
pub struct Sent(TcpStream);

impl Sent {
    pub fn answer(self) -> Result<Answer> {
        Answer::new(Message::answer(&mut BufReader::new(self.0)).context("no answer came")?)
    }

    /// An answer has come, or the connection has ended.
    pub fn is_over(&self) -> Result<bool> {
        self.0.set_nonblocking(true)?;
        let seen = self.0.peek(&mut [0]);
        self.0.set_nonblocking(false)?;
        Ok(!seen.is_err_and(|error| error.kind() == ErrorKind::WouldBlock))
    }

    /// Ends our side of the connection and waits until the server ends its own. Whether it did so without an answer.
    pub fn hang_up(mut self) -> Result<bool> {
        self.0.shutdown(Shutdown::Write)?;
        Ok(self.0.read(&mut [0])? == 0)
    }
}

/// A request being put together.
#[derive(Clone, Debug)]
pub struct Request {
    site: Site,
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    /// The options of the same request in curl, with their values.
    typed: Vec<(&'static str, String)>,
}

impl Request {
    pub fn bearer(self, token: &str) -> Self {
        self.site.ledger.note(token);
        self.header("authorization", format!("Bearer {token}"))
    }

    pub fn basic(mut self, id: &str, secret: &str) -> Self {
        self.site.ledger.note(secret);
        let credentials = base64(format!("{id}:{secret}").as_bytes());
        self.site.ledger.note(&credentials);
        self.headers.push(("authorization".to_owned(), format!("Basic {credentials}").into_bytes()));
        self.typed.push(("-u", format!("{id}:{secret}")));
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        let value = value.into();
        self.typed.push(("-H", format!("{name}: {}", String::from_utf8_lossy(&value))));
        self.headers.push((name.to_owned(), value));
        self
    }

    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let encoded: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value))).collect();
        self.typed.extend(encoded.iter().map(|pair| ("-d", pair.clone())));
        self.headers.push(("content-type".to_owned(), b"application/x-www-form-urlencoded".to_vec()));
        self.body = Some(encoded.join("&").into_bytes());
        self
    }

    pub fn json(mut self, value: &Value) -> Self {
        let text = value.to_string();
        self = self.header("content-type", "application/json");
        self.typed.push(("-d", text.clone()));
        self.body = Some(text.into_bytes());
        self
    }

    /// A body of any kind, good or bad.
    pub fn body(mut self, content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self = self.header("content-type", content_type);
        self.body = Some(bytes.into());
        self
    }

    /// The same request as a person would type it; the values of these shell variables are written as `$NAME`.
    pub fn curl(&self, variables: &[(String, String)]) -> String {
        let method = match (self.method.as_str(), &self.body) {
            ("GET", None) | ("POST", Some(_)) => String::new(),
            (method, _) => format!("-X {method} "),
        };
        let mut line = format!("curl -i {method}{}", quoted(&self.site.url(&self.path), &[]));
        for (option, value) in &self.typed {
            line.push_str(&format!(" {option} {}", quoted(value, variables)));
        }
        line
    }

    pub fn send(&self) -> Result<Answer> {
        self.begin()?.answer().with_context(|| format!("{} {}", self.method, self.site.url(&self.path)))
    }

    /// Sends it and reads nothing yet.
    pub fn begin(&self) -> Result<Sent> {
        self.site.begin(&self.bytes())
    }

    /// The bytes of it on a connection that stays open for the next.
    pub fn kept_alive(&self) -> Vec<u8> {
        self.clone().header("connection", "keep-alive").bytes()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        bytes.extend(format!("host: 127.0.0.1:{}\r\n", self.site.port).into_bytes());
        if !self.headers.iter().any(|(name, _)| name == "connection") {
            bytes.extend(b"connection: close\r\n");
        }
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        if let Some(body) = &self.body {
            bytes.extend(format!("content-length: {}\r\n", body.len()).into_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(self.body.as_deref().unwrap_or_default());
        bytes
    }
}

/// Sends all of these at the same moment, each on a connection of its own; the answers are in the same order.
pub fn at_once(requests: &[Request]) -> Result<Vec<Answer>> {
    let start = Barrier::new(requests.len());
    let send = |request: &Request| {
        start.wait();
        request.send()
    };
    thread::scope(|scope| {
        let sent: Vec<_> = requests.iter().map(|request| scope.spawn(|| send(request))).collect();
        sent.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a request panicked"))?).collect()
    })
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    message: Message,
}

impl Answer {
    fn new(message: Message) -> Result<Self> {
        let status = message.start.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.with_context(|| format!("not an HTTP answer: {}", message.start))?;
        Ok(Self { status, message })
    }

    /// The answer again if it has this status; else an error that shows it.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(self.status == status, "expected {status}, got {}: {}", self.message.start, self.text());
        Ok(self)
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.message.header(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.message.body).into_owned()
    }

    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.message.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// A member of the JSON body that must be text.
    pub fn member(&self, name: &str) -> Result<String> {
        match self.json()?.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            _ => bail!("no text member {name} in {}", self.text()),
        }
    }

    /// The reason: `code` of a problem document (RFC 9457), `error` of a token endpoint (RFC 6749 §5.2).
    pub fn reason(&self) -> Option<String> {
        let body = self.json().ok()?;
        let reason = body.get("code").or_else(|| body.get("error"))?;
        reason.as_str().map(str::to_owned)
    }
}

fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// For a POSIX shell, with as few quotes as it takes.
fn quoted(text: &str, variables: &[(String, String)]) -> String {
    if let Some((name, value)) = variables.iter().find(|(_, value)| text.contains(value.as_str())) {
        return format!("\"{}\"", text.replace(value.as_str(), &format!("${name}")));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/=%@,+".contains(&byte);
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |six: u32| ALPHABET.get((six & 63) as usize).copied().map_or('=', char::from);
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        let letters = [letter(bits >> 18), letter(bits >> 12), letter(bits >> 6), letter(bits)];
        text.extend(letters.iter().take(three.len() + 1));
        text.extend(std::iter::repeat_n('=', 3 - three.len()));
    }
    text
}

/// A limit that is longer than every deadline of the product.
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_encoded_as_rfc_4648_says() {
        assert_eq!(
            [base64(b"f"), base64(b"fo"), base64(b"foo"), base64(b"a:b?>")],
            ["Zg==", "Zm8=", "Zm9v", "YTpiPz4="]
        );
    }

    #[test]
    fn the_curl_line_can_be_pasted_into_a_shell() {
        let site = Site::new(8000, &Ledger::default());

        let line = site.post("/auth/token").basic("me", "it's").form(&[("scope", "orders:read x")]).curl(&[]);

        assert_eq!(
            line,
            r"curl -i http://127.0.0.1:8000/auth/token -u 'me:it'\''s' -d scope=orders%3Aread%20x"
        );
    }

    #[test]
    fn a_curl_line_names_the_shell_variable_instead_of_its_value() {
        let site = Site::new(8000, &Ledger::default());
        let variables = [("ALICE".to_owned(), "ey.J.x".to_owned())];

        let line = site.get("/orders").bearer("ey.J.x").curl(&variables);

        assert_eq!(line, "curl -i http://127.0.0.1:8000/orders -H \"authorization: Bearer $ALICE\"");
    }
}
