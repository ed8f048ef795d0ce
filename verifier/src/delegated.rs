//! Verification that stops before the signature and goes on with what the host says of it: for hosts with an engine of their
//! own, like WebCrypto, or for an algorithm that is not built in.
//!
//! Whoever answers `true` for a signature that is wrong accepts a forgery. All that a strict verifier asks of key and
//! signature beyond the equation is asked here, before the question: keys are canonical and of large order, R is canonical and
//! not of small order, S is below the group order. The engine must check the equation without cofactor (RFC 8032 §5.1.7), or
//! an issuer could make signatures that only some accept.
//!
//! Both steps run the same list of checks as `verify` and `decide`, from the start: the second differs from the first only in
//! that the one question has an answer, so no reason can come in another order.

use alloc::boxed::Box;
use alloc::string::String;

use crate::Seconds;
use crate::checks::Watch;
use crate::decide::{Decision, Gate, RequestView};
use crate::error::{Code, Refusal};
use crate::key_cache::KeyCache;
use crate::signature::{Algorithm, PublicKey};
use crate::verify::{Rules, Verified, ask_for_unknown, verify_watched};

/// Whether a signature is right. Everything before it was found in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    key: PublicKey,
    message: Box<[u8]>,
    signature: Box<[u8]>,
}

impl Question {
    /// The algorithm of the key, whatever the token says.
    pub const fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The key as a JWK with the required members of its type in lexicographic order (RFC 7638 §3.2): the same text for the same key.
    pub fn jwk(&self) -> String {
        self.key.jwk()
    }

    /// What was signed: header and claims as they were sent (RFC 7515 §5.2).
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// As in a JWS: 64 bytes for Ed25519 and ES256, the length of the modulus for RS256.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// The rules and the keys of one issuer whose signatures the host checks.
#[derive(Clone, Debug)]
pub struct Delegation {
    /// What its tokens must look like.
    pub rules: Rules,
    /// Its keys; with `compat::remote_keys` those for other algorithms too.
    pub keys: KeyCache,
}

impl Delegation {
    /// The checks before the signature. An unknown `kid` makes the cache ask for a fetch.
    pub fn begin(&mut self, token: &[u8], now: Seconds) -> Result<Question, Refusal> {
        let mut asking = Asking::default();
        let verdict = self.verify(token, now, &mut asking);
        match (asking.0, verdict) {
            (Some(question), _) => Ok(question),
            (None, Err(refusal)) => Err(refusal),
            (None, Ok(_)) => Err(Code::Signature.into()),
        }
    }

    /// All checks, where `holds` answers the question that [`Delegation::begin`] asked of the same token.
    pub fn resume(
        &mut self,
        token: &[u8],
        (question, holds): (&Question, bool),
        now: Seconds,
    ) -> Result<Verified, Refusal> {
        self.verify(token, now, &mut Answered { question, holds })
    }

    fn verify(&mut self, token: &[u8], now: Seconds, watch: &mut impl Watch) -> Result<Verified, Refusal> {
        let verdict = verify_watched(token, (&self.rules, &self.keys), now, watch);
        ask_for_unknown(&verdict, &mut self.keys, now);
        verdict
    }
}

/// The first step of a decision.
#[derive(Clone, Debug)]
pub enum Begun {
    /// There is nothing to ask: the request is public, refused before the signature, or its token was accepted lately.
    Decided(Decision),
    /// The decision rests on a signature.
    Asks(Question),
}

/// [`Gate::decide`] up to the signature.
pub fn begin_decision(gate: &mut Gate, request: &RequestView<'_>, now: Seconds) -> Begun {
    let mut asking = Asking::default();
    let decision = gate.decide_watched(request, now, &mut asking);
    asking.0.map_or(Begun::Decided(decision), Begun::Asks)
}

/// [`Gate::decide`], where `holds` answers the question that [`begin_decision`] asked of the same request.
pub fn resume_decision(
    gate: &mut Gate,
    request: &RequestView<'_>,
    (question, holds): (&Question, bool),
    now: Seconds,
) -> Decision {
    gate.decide_watched(request, now, &mut Answered { question, holds })
}

/// Notes the question and takes no signature for right.
#[derive(Debug, Default)]
struct Asking(Option<Question>);

impl Watch for Asking {
    fn can_verify(&self, _: Algorithm) -> bool {
        true
    }

    fn verifies(&mut self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        if key.may_have_made(signature) {
            let (key, message, signature) = (key.clone(), message.into(), signature.into());
            self.0 = Some(Question { key, message, signature });
        }
        false
    }
}

/// Takes one signature for right, if the host said so: the very one that it was asked for.
#[derive(Debug)]
struct Answered<'a> {
    question: &'a Question,
    holds: bool,
}

impl Watch for Answered<'_> {
    fn can_verify(&self, _: Algorithm) -> bool {
        true
    }

    fn verifies(&mut self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let Question { key: asked, message: signed, signature: given } = self.question;
        self.holds && key == asked && message == &**signed && signature == &**given
    }
}

#[cfg(test)]
mod tests;
