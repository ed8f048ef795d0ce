//! Decisions whose signature WebCrypto checks: for pages where this module is translated to JavaScript, and slow at curves.

use keystone_verifier::danger::{
    BegunDecision, SignatureAnswer, SignatureRequest, begin_decision, resume_decision,
};
use keystone_verifier::{Code, Seconds};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::authorizer::{Authorizer, Request, answer};
use crate::{Engine, refused, reusable, seconds};

/// A decision that waits for WebCrypto: whether the key made this signature of the message.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Pending {
    request: SignatureRequest,
    subject: Subject,
    now: Seconds,
}

/// The request or the token that is decided on.
#[derive(Debug)]
enum Subject {
    Request(Request),
    Token(Vec<u8>),
}

#[wasm_bindgen]
impl Pending {
    /// Returns the public key as a JWK; the same text for the same key.
    #[wasm_bindgen(getter)]
    pub fn jwk(&self) -> String {
        self.request.jwk()
    }

    /// Returns the signed bytes.
    #[wasm_bindgen(getter)]
    pub fn message(&self) -> Vec<u8> {
        self.request.message().to_vec()
    }

    /// Returns the signature of 64 bytes: only keys for Ed25519 are taken.
    #[wasm_bindgen(getter)]
    pub fn signature(&self) -> Vec<u8> {
        self.request.signature().to_vec()
    }
}

#[wasm_bindgen]
impl Authorizer {
    /// Returns the signature to check, or undefined if the decision needs none and `decide` answers.
    pub fn begin(
        &mut self,
        method: &str,
        path: &str,
        authorization: Vec<String>,
        now: f64,
    ) -> Option<Pending> {
        let subject = Request::new(method, path, &authorization);
        let now = seconds(now);
        match subject.view(|view| begin_decision(&mut self.0, view, now)) {
            BegunDecision::NeedsSignature(request) => {
                Some(Pending { request, subject: Subject::Request(subject), now })
            }
            BegunDecision::Decided(_) => None,
        }
    }

    /// Answers as `decide` does, with WebCrypto's answer.
    pub fn resume(&mut self, pending: &Pending, is_valid: bool) -> String {
        let Pending { request, subject: Subject::Request(subject), now } = pending else { return mistaken() };
        let checked = SignatureAnswer { request, is_valid };
        answer(&subject.view(|view| resume_decision(&mut self.0, view, checked, *now)))
    }
}

#[wasm_bindgen]
impl Engine {
    /// Returns the signature to check, or undefined if the token is refused without and `verify` answers.
    pub fn begin(&mut self, token: &[u8], now: f64) -> Option<Pending> {
        let now = seconds(now);
        let request = self.issuer.begin(token, now).ok()?;
        Some(Pending { request, subject: Subject::Token(token.to_owned()), now })
    }

    /// Answers as `verify` does, with WebCrypto's answer.
    pub fn resume(&mut self, pending: &Pending, is_valid: bool) -> String {
        let Pending { request, subject: Subject::Token(token), now } = pending else { return mistaken() };
        let outcome = self.issuer.resume(token, SignatureAnswer { request, is_valid }, *now);
        match outcome.and_then(|verified| self.check_revocation(verified, *now)) {
            Ok(verified) => reusable(&verified, &self.issuer.rules),
            Err(refusal) => refused(&refusal),
        }
    }
}

/// Answers for a decision that another kind of engine began.
fn mistaken() -> String {
    refused(&Code::Signature.into())
}
