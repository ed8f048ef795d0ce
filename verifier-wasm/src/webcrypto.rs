//! Verdicts whose signature JavaScript checks: for pages where this engine is JavaScript itself, and slow at curves.

use keystone_verifier::danger::{Begun, Question, begin_decision, resume_decision};
use keystone_verifier::{Code, Seconds};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::gate::{Gate, Request, answer};
use crate::{Engine, refused, reusable, seconds};

/// What a verdict asks of WebCrypto: whether the key made this signature of the message.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Asked {
    question: Question,
    about: About,
    now: Seconds,
}

/// Whatever the question came from.
#[derive(Debug)]
enum About {
    Request(Request),
    Token(Vec<u8>),
}

#[wasm_bindgen]
impl Asked {
    /// The public key as a JWK; the same text for the same key.
    #[wasm_bindgen(getter)]
    pub fn jwk(&self) -> String {
        self.question.jwk()
    }

    /// What was signed.
    #[wasm_bindgen(getter)]
    pub fn message(&self) -> Vec<u8> {
        self.question.message().to_vec()
    }

    /// 64 bytes: only keys for Ed25519 are taken.
    #[wasm_bindgen(getter)]
    pub fn signature(&self) -> Vec<u8> {
        self.question.signature().to_vec()
    }
}

#[wasm_bindgen]
impl Gate {
    /// The question on which the decision rests. Undefined: it rests on none, and `decide` answers.
    #[expect(
        clippy::too_many_arguments,
        reason = "to pass a structure from JavaScript costs a crossing for each member"
    )]
    pub fn ask(&mut self, method: &str, path: &str, authorization: Vec<String>, now: f64) -> Option<Asked> {
        let request = Request::new(method, path, &authorization);
        let now = seconds(now);
        match request.view(|view| begin_decision(&mut self.0, view, now)) {
            Begun::Asks(question) => Some(Asked { question, about: About::Request(request), now }),
            Begun::Decided(_) => None,
        }
    }

    /// What `decide` would answer, where `holds` is WebCrypto's answer to the question.
    pub fn resume(&mut self, asked: &Asked, holds: bool) -> String {
        let Asked { question, about: About::Request(request), now } = asked else { return mistaken() };
        answer(&request.view(|view| resume_decision(&mut self.0, view, (question, holds), *now)))
    }
}

#[wasm_bindgen]
impl Engine {
    /// The question on which the verdict on a token rests. Undefined: it rests on none, and `verify` answers.
    pub fn ask(&mut self, token: &[u8], now: f64) -> Option<Asked> {
        let now = seconds(now);
        let question = self.issuer.begin(token, now).ok()?;
        Some(Asked { question, about: About::Token(token.to_owned()), now })
    }

    /// What `verify` would answer, where `holds` is WebCrypto's answer to the question.
    pub fn resume(&mut self, asked: &Asked, holds: bool) -> String {
        let Asked { question, about: About::Token(token), now } = asked else { return mistaken() };
        let verdict = self.issuer.resume(token, (question, holds), *now);
        match verdict.and_then(|verified| self.stands(verified, *now)) {
            Ok(verified) => reusable(&verified, &self.issuer.rules),
            Err(refusal) => refused(&refusal),
        }
    }
}

/// A question that another kind of engine asked.
fn mistaken() -> String {
    refused(&Code::Signature.into())
}
