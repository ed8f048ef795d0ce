//! `judge FILE`: the native verdict on each case of the hostile file, a line each.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool of the tests: what cannot go on fails")]

use serde_json::Value;

#[path = "../tests/case/mod.rs"]
mod case;

use case::{gate, now, read, with_request};

fn main() {
    let file = read(&std::env::args().nth(1).unwrap());
    for case in file.get("cases").and_then(Value::as_array).unwrap() {
        let decision = with_request(case, |request| gate(&file, case).decide(request, now(&file, case)));
        println!("{}", decision.word());
    }
}
