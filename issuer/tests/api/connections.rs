//! Connections as bytes on a socket: how they begin, what they may not carry, how they end.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keystone_issuer::http;
use keystone_issuer::http::server::{self, Admission, Stop, Terms};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::TestIssuer;

/// What the public listener holds.
const CONNECTIONS: usize = 20;
const JWKS: &str = "GET /.well-known/jwks.json HTTP/1.1\r\nhost: a\r\n";

/// Both listeners of one issuer.
struct Listening {
    public: SocketAddr,
    operations: SocketAddr,
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
    /// Its database lies in a directory that goes with it.
    _test: TestIssuer,
}

impl Listening {
    async fn start(drain: Duration) -> Self {
        let test = TestIssuer::start().await;
        let issuer = test.issuer.clone();
        let (stop, told) = watch::channel(false);
        let stopping = Stop::new(told, drain);
        let [public, operations] = [
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        ];
        let addresses = (public.local_addr().unwrap(), operations.local_addr().unwrap());
        let ended = tokio::spawn(async move {
            let admission = Admission::new(CONNECTIONS, 1000, &[]);
            let plain = |routes| Terms { routes, tls: None, admission: admission.clone() };
            tokio::join!(
                server::serve(public, plain(http::public(issuer.clone())), stopping.clone()),
                server::serve(operations, plain(http::operations(issuer)), stopping),
            );
        });
        Self { public: addresses.0, operations: addresses.1, stop, ended, _test: test }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.public).await.unwrap()
    }

    /// From an address of this machine, with little room for what is not read.
    async fn connect_from(&self, address: [u8; 4]) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket.connect(self.public).await.unwrap()
    }

    /// Over HTTP/2, with room for so much of an answer; and the end of the connection.
    async fn http2(&self, window: u32) -> (SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(window);
        let stream = TokioIo::new(self.connect().await);
        let (sender, connection) = builder.handshake(stream).await.unwrap();
        (sender, tokio::spawn(connection))
    }

    /// Everything that comes back until the connection ends.
    async fn send(&self, bytes: &str) -> String {
        said(self.connect().await, bytes).await
    }

    /// What the operations listener says of this path, to a request with these hosts.
    async fn operations(&self, path: &str, hosts: &str) -> String {
        let stream = TcpStream::connect(self.operations).await.unwrap();
        said(stream, &format!("GET {path} HTTP/1.1\r\n{hosts}connection: close\r\n\r\n")).await
    }

    async fn ready(&self) -> String {
        self.operations("/health/ready", "host: a\r\n").await
    }
}

async fn said(mut stream: TcpStream, bytes: &str) -> String {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    // What was refused unread may end in a reset.
    drop(end.expect("the connection stays open"));
    String::from_utf8_lossy(&answer).into_owned()
}

fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

/// P-20: what two readers could take for different requests.
#[tokio::test]
async fn lengths_and_lines_with_two_readings_are_refused() {
    let listening = Listening::start(Duration::ZERO).await;

    for (what, head) in [
        ("a folded line", "x-a: b\r\n c\r\n"),
        ("a space before the colon", "x-a : b\r\n"),
        ("two different lengths", "content-length: 1\r\ncontent-length: 2\r\n"),
        ("a length that is no number", "content-length: +1\r\n"),
        ("a coding that is not chunked", "transfer-encoding: gzip\r\n"),
        ("chunked, and then more", "transfer-encoding: chunked, gzip\r\n"),
        ("a coding before chunked", "transfer-encoding: gzip, chunked\r\n"),
        ("chunked twice", "transfer-encoding: chunked, chunked\r\n"),
        ("chunked on two lines", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        ("a bare CR", "x-a: b\rc\r\n"),
        ("a bare LF", "x-a: b\n"),
        ("a bare LF that ends the head", "\n"),
        ("a length and chunks", "content-length: 5\r\ntransfer-encoding: chunked\r\n"),
        ("chunks and a length", "transfer-encoding: chunked\r\ncontent-length: 5\r\n"),
    ] {
        let answer = listening.send(&format!("{JWKS}{head}\r\n{JWKS}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answers(&answer) == 1, "{what}: {answer}");
    }
}

/// P-20: nor does it let through what comes behind it.
#[tokio::test]
async fn chunks_with_two_readings_end_the_connection() {
    let listening = Listening::start(Duration::ZERO).await;
    let head = "POST /auth/token HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let body = "grant_type=client_credentials\r\n0\r\n\r\n";
    let hidden = format!("{head}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n1d\r\n{body}");

    for size in ["1d;a\nb\r\n", "1d;a\rb\r\n", "1d\n", "+1d\r\n"] {
        let request = format!("{head}transfer-encoding: chunked\r\n\r\n{size}{body}");
        let answer = listening.send(&format!("{request}{hidden}")).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answers(&answer) == 1, "{size:?}: {answer}");
    }
}

/// P-20: RFC 9112 §3.2. Such a request has an answer, a number and a count like any other.
#[tokio::test]
async fn a_request_names_one_host() {
    let listening = Listening::start(Duration::ZERO).await;
    let ask =
        |hosts: &str| format!("GET /.well-known/jwks.json HTTP/1.1\r\n{hosts}connection: close\r\n\r\n");

    for hosts in ["", "host: a\r\nhost: a\r\n"] {
        let answer = listening.send(&ask(hosts)).await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"invalid_request\""), "{answer}");
        assert!(answer.contains("x-request-id: "), "{answer}");
    }
    let figures = listening.operations("/metrics", "host: a\r\n").await;
    let series = "http_requests_total{method=\"GET\",endpoint=\"/.well-known/jwks.json\",status=\"400\"} 2";
    assert!(figures.contains(series), "{figures}");
    let unnamed = listening.operations("/health/live", "").await;
    assert!(unnamed.starts_with("HTTP/1.1 400 "), "{unnamed}");
}

/// P-20: what looks like a second reading is none where no line is read.
#[tokio::test]
async fn bodies_hold_what_they_like() {
    let listening = Listening::start(Duration::ZERO).await;
    let closing = format!("{JWKS}connection: close\r\n\r\n");
    let inside = JWKS.replace("\r\n", "\n");

    let length = format!("{JWKS}content-length: {}\r\n\r\n{inside}{closing}", inside.len());
    let size = inside.len();
    let chunks =
        format!("{JWKS}transfer-encoding: chunked\r\n\r\n{size:x}\r\n{inside}\r\n0\r\n\r\n{closing}");

    for requests in [length, chunks] {
        let answer = listening.send(&requests).await;
        assert!(answers(&answer) == 2 && answer.matches("HTTP/1.1 200 ").count() == 2, "{answer}");
    }
}

/// Their connection goes on, or says that it does not (RFC 9112 §9.6).
#[tokio::test]
async fn an_answer_before_the_body_spoils_no_later_request() {
    let listening = Listening::start(Duration::ZERO).await;
    let json = "content-type: application/json\r\n";
    let text = "content-type: text/plain\r\n";

    for (what, head, length, goes_on) in [
        ("401", "POST /admin/users", json, true),
        ("404", "POST /nothing", json, true),
        ("405", "PUT /auth/token", json, true),
        ("415", "POST /auth/token", text, true),
        ("413", "POST /auth/token", json, false),
        ("401", "POST /admin/users", "expect: 100-continue\r\n", false),
    ]
    .map(|(what, head, field, goes_on)| {
        (
            what,
            format!("{head} HTTP/1.1\r\nhost: a\r\n{field}"),
            if what == "413" { 200_000 } else { 1000 },
            goes_on,
        )
    }) {
        let mut stream = listening.connect().await;
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n").as_bytes()).await.unwrap();
        let (mut answers, body) = stream.into_split();
        let later = tokio::spawn(async move {
            let mut body = body;
            // What is sent to a connection that has ended is lost, and that is what it said.
            drop(body.write_all(&vec![b'x'; length]).await);
            drop(body.write_all(format!("{JWKS}connection: close\r\n\r\n").as_bytes()).await);
            body
        });
        let mut answer = Vec::new();
        drop(answers.read_to_end(&mut answer).await);
        drop(later.await.unwrap());
        let answer = String::from_utf8_lossy(&answer);
        let (first, rest) = answer.split_once("\r\n\r\n").unwrap();
        assert!(first.starts_with(&format!("HTTP/1.1 {what} ")), "{what}: {answer}");
        assert_eq!(first.contains("connection: close"), !goes_on, "{what}: {answer}");
        assert_eq!(rest.contains("HTTP/1.1 200 "), goes_on, "{what}: {answer}");
    }
}

/// With a clock that jumps to whatever is due next.
#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let listening = Listening::start(Duration::ZERO).await;
    let mut stream = listening.connect_from([127, 0, 0, 1]).await;
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: a\r\n\r\n".repeat(100);
    stream.write_all(requests.as_bytes()).await.unwrap();
    stream.readable().await.unwrap();

    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let answer = said(stream, "").await;

    assert!(answers(&answer) < 100, "{}", answers(&answer));
}

#[tokio::test]
async fn a_client_of_http_2_that_takes_no_answer_is_cut_off() {
    let listening = Listening::start(Duration::ZERO).await;
    let (mut sender, ended) = listening.http2(0).await;
    let answer = sender.send_request(get("http://a/openapi.json")).await.unwrap();

    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    tokio::time::timeout(Duration::from_secs(120), ended).await.expect("it goes on").unwrap().ok();
    // Half a minute, at least: nothing else ends it.
    assert!(begun.elapsed() >= Duration::from_secs(30), "{:?}", begun.elapsed());

    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn an_idle_connection_of_http_2_ends() {
    let listening = Listening::start(Duration::ZERO).await;
    let (mut sender, ended) = listening.http2(1 << 20).await;
    let answer = sender.send_request(get("http://a/openapi.json")).await.unwrap();
    assert!(answer.into_body().collect().await.is_ok());

    tokio::time::pause();
    let end = tokio::time::timeout(Duration::from_secs(120), ended).await.expect("it goes on").unwrap();

    assert!(end.is_ok(), "{end:?}");
}

#[tokio::test]
async fn one_address_leaves_connections_for_others() {
    let listening = Listening::start(Duration::ZERO).await;
    let mut held = Vec::new();
    for _ in 0..2 * CONNECTIONS {
        held.push(listening.connect_from([127, 0, 0, 1]).await);
    }

    let other = listening.connect_from([127, 0, 0, 2]).await;
    // Long before the deadline of those that are held.
    let asked = format!("{JWKS}connection: close\r\n\r\n");
    let answer = tokio::time::timeout(Duration::from_secs(5), said(other, &asked)).await.expect("it waits");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let refused = said(held.pop().unwrap(), "").await;
    assert_eq!(refused, "", "beyond its share");
}

/// P-20: RFC 9113 §8.3.1.
#[tokio::test]
async fn the_authority_of_http_2_is_its_host() {
    let listening = Listening::start(Duration::ZERO).await;
    let (mut sender, _) = listening.http2(1 << 20).await;

    for (host, status) in [("a", 200), ("A", 200), ("b", 400), ("a:80", 400)] {
        let mut request = get("http://a/.well-known/jwks.json");
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{host}");
    }
}

fn get(url: &str) -> hyper::Request<Empty<Bytes>> {
    hyper::Request::get(url).body(Empty::new()).unwrap()
}

/// B-19: whoever began is answered.
#[tokio::test]
async fn a_request_under_way_is_answered_after_the_signal_to_stop() {
    let listening = Listening::start(Duration::ZERO).await;
    let mut slow = listening.connect().await;
    slow.write_all(b"POST /auth/token HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-www-form-urlencoded\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n").await.unwrap();
    let mut go_on = [0; 25];
    slow.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n", "it is under way");

    listening.stop.send_replace(true);
    while TcpStream::connect(listening.public).await.is_ok() {}
    let answer = said(slow, "grant_type").await;

    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("connection: close"), "{answer}");
    listening.ended.await.unwrap();
}

/// B-19: whoever comes meanwhile is answered, too, and told not to stay.
#[tokio::test]
async fn while_it_drains_it_is_not_ready_and_answers_everyone() {
    let listening = Listening::start(Duration::from_secs(3)).await;
    let mut open = listening.connect().await;
    open.write_all(format!("{JWKS}\r\n").as_bytes()).await.unwrap();
    open.readable().await.unwrap();
    assert!(listening.ready().await.contains("\"status\":\"ready\""));

    listening.stop.send_replace(true);
    let ready = listening.ready().await;
    let fresh = listening.send(&format!("{JWKS}\r\n")).await;
    let kept = said(open, &format!("{JWKS}\r\n")).await;

    assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("\"status\":\"stopping\""), "{ready}");
    assert!(fresh.starts_with("HTTP/1.1 200 ") && fresh.contains("connection: close"), "{fresh}");
    assert_eq!((answers(&kept), kept.matches("connection: close").count()), (2, 1), "{kept}");
    listening.ended.await.unwrap();
    assert!(TcpStream::connect(listening.public).await.is_err());
}
