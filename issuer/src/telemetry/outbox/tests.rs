//! Against a real listener, which answers as it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use tokio::net::TcpListener;

use super::*;
use crate::metrics::Metrics;

/// Numbers, each batch as one line.
struct Numbers(Url);

impl Receiver for Numbers {
    type Item = u32;
    const NAME: &'static str = "collector";

    fn url(&self) -> &Url {
        &self.0
    }

    fn pack(&self, items: Vec<u32>) -> Vec<Parcel> {
        let text = items.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        vec![Parcel { request: Request::post("/").body(text.into()).unwrap(), items: items.len() as u64 }]
    }

    fn unwanted(&self, answer: &[u8]) -> u64 {
        std::str::from_utf8(answer).unwrap().parse().unwrap_or(0)
    }
}

#[derive(Clone)]
struct Listener {
    answers: Arc<Mutex<Vec<(u16, &'static str)>>>,
    got: Arc<Mutex<Vec<String>>>,
    address: SocketAddr,
}

impl Listener {
    /// One answer after the other, with this body; 200 when there are no more.
    async fn saying(answers: &[(u16, &'static str)]) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listener = Self {
            answers: Arc::new(Mutex::new(answers.iter().rev().copied().collect())),
            got: Arc::default(),
            address: socket.local_addr().unwrap(),
        };
        let routes = Router::new().fallback(answer).with_state(listener.clone());
        tokio::spawn(async move { axum::serve(socket, routes).await });
        listener
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

async fn answer(State(listener): State<Listener>, text: String) -> (StatusCode, HeaderMap, &'static str) {
    listener.got.lock().unwrap().push(text);
    let (status, body) = listener.answers.lock().unwrap().pop().unwrap_or((200, ""));
    let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("0"))]);
    (StatusCode::from_u16(status).unwrap(), headers, body)
}

fn to(address: SocketAddr) -> (Outbox<u32>, Carrier, Tally) {
    let dropped = Metrics::default().telemetry_dropped;
    let way = Way { outbound: Outbound::new().unwrap(), dropped: dropped.clone() };
    let (outbox, carrier) = open(Numbers(format!("http://{address}/").parse().unwrap()), way);
    (outbox, carrier, dropped)
}

#[tokio::test]
async fn what_waits_at_the_end_arrives_in_one_batch() {
    let listener = Listener::saying(&[]).await;
    let (outbox, carrier, dropped) = to(listener.address);

    (1..=3).for_each(|number| outbox.put(number));
    carrier.finish().await;

    assert_eq!(listener.got(), ["1 2 3"]);
    assert_eq!(dropped.counted(Numbers::NAME), 0);
}

#[tokio::test]
async fn a_receiver_that_is_busy_is_asked_again() {
    let listener = Listener::saying(&[(503, ""), (429, "")]).await;
    let (outbox, _carrier, dropped) = to(listener.address);

    outbox.put(7);
    while listener.got().len() < 3 {
        tokio::task::yield_now().await;
    }

    assert_eq!(listener.got(), ["7", "7", "7"]);
    assert_eq!(dropped.counted(Numbers::NAME), 0);
}

#[tokio::test]
async fn what_is_refused_is_counted_and_not_sent_again() {
    let listener = Listener::saying(&[(400, ""), (200, "2")]).await;
    let (outbox, carrier, dropped) = to(listener.address);

    outbox.put(1);
    while dropped.counted(Numbers::NAME) < 1 {
        tokio::task::yield_now().await;
    }
    (2..=4).for_each(|number| outbox.put(number));
    carrier.finish().await;

    assert_eq!(listener.got(), ["1", "2 3 4"]);
    assert_eq!(dropped.counted(Numbers::NAME), 3, "one that was refused, two that were not wanted");
}

#[tokio::test]
async fn what_finds_no_room_is_counted_and_nobody_waits() {
    // Takes connections and answers none.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (outbox, _carrier, dropped) = to(silent.local_addr().unwrap());

    (0..2048 + 5).for_each(|number| outbox.put(number));

    assert_eq!(dropped.counted(Numbers::NAME), 5);
}
