//! `judge FILE`: the native verdict on each case of the hostile file, a line each.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool of the tests: what cannot go on fails")]

use serde_json::Value;

#[path = "../tests/files/case.rs"]
mod case;

use case::{authorizer, now, read, with_request};

fn main() {
    let file = read(&std::env::args().nth(1).unwrap());
    for case in file.get("cases").and_then(Value::as_array).unwrap() {
        let decision =
            with_request(case, |request| authorizer(&file, case).decide(request, now(&file, case)));
        println!("{}", decision.as_str());
    }
}
