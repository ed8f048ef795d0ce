//! Verification that leaves the signature to the host: for hosts with an engine of their own, like WebCrypto, or for an
//! algorithm that is not built in.
//!
//! A host that reports a wrong signature as valid accepts a forgery. All that a strict verifier asks of key and
//! signature beyond the equation is checked here, before the request: keys are canonical and of large order, R is canonical and
//! not of small order, S is below the group order. The engine must check the equation without cofactor (RFC 8032 §5.1.7), or
//! an issuer could make signatures that only some accept.
//!
//! Both steps make the same checks as `verify` and `decide`, from the start: the second differs from the first only in
//! that the signature has a verdict, so no reason can come in another order.

use alloc::boxed::Box;
use alloc::string::String;

use crate::Seconds;
use crate::authorizer::Authorizer;
use crate::checks::Observer;
use crate::error::{Code, Refusal};
use crate::key_cache::KeyCache;
use crate::request::{Decision, RequestView};
use crate::signature::{Algorithm, PublicKey};
use crate::verify::{Rules, Verified, Verifier, ask_for_unknown_key};

/// A request to check one signature. Every check before it passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureRequest {
    key: PublicKey,
    message: Box<[u8]>,
    signature: Box<[u8]>,
}

impl SignatureRequest {
    /// Returns the algorithm of the key, whatever the token says.
    pub const fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Returns the key as a JWK with the required members of its type in lexicographic order (RFC 7638 §3.2): the same text
    /// for the same key.
    pub fn jwk(&self) -> String {
        self.key.jwk()
    }

    /// Returns the signed bytes: header and claims as they were sent (RFC 7515 §5.2).
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Returns the signature as in a JWS: 64 bytes for Ed25519 and ES256, the length of the modulus for RS256.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// The answer of the host to a [`SignatureRequest`].
#[derive(Clone, Copy, Debug)]
pub struct SignatureAnswer<'a> {
    /// The request, of the same token.
    pub request: &'a SignatureRequest,
    /// Whether the signature is valid.
    pub is_valid: bool,
}

/// The rules and the keys of one issuer whose signatures the host checks.
#[derive(Clone, Debug)]
pub struct ExternalVerifier {
    /// The rules for its tokens.
    pub rules: Rules,
    /// Its keys; with `compat::remote_keys` those for other algorithms too.
    pub keys: KeyCache,
}

impl ExternalVerifier {
    /// Makes the checks before the signature. An unknown `kid` makes the cache ask for a fetch.
    pub fn begin(&mut self, token: &[u8], now: Seconds) -> Result<SignatureRequest, Refusal> {
        let mut requesting = Requesting::default();
        let outcome = self.verify(token, now, &mut requesting);
        match (requesting.0, outcome) {
            (Some(request), _) => Ok(request),
            (None, Err(refusal)) => Err(refusal),
            (None, Ok(_)) => Err(Code::Signature.into()),
        }
    }

    /// Makes all checks, with the answer to the request that [`ExternalVerifier::begin`] returned for the same token.
    pub fn resume(
        &mut self,
        token: &[u8],
        answer: SignatureAnswer<'_>,
        now: Seconds,
    ) -> Result<Verified, Refusal> {
        self.verify(token, now, &mut Answered(answer))
    }

    fn verify(
        &mut self,
        token: &[u8],
        now: Seconds,
        observer: &mut impl Observer,
    ) -> Result<Verified, Refusal> {
        let outcome = Verifier { rules: &self.rules, now }.verify_token(token, &self.keys, observer);
        ask_for_unknown_key(&outcome, &mut self.keys, now);
        outcome
    }
}

/// The first step of a decision.
#[derive(Clone, Debug)]
pub enum BegunDecision {
    /// Decided without a signature: the request is public, refused before the signature, or its token is cached.
    Decided(Decision),
    /// The decision rests on a signature.
    NeedsSignature(SignatureRequest),
}

/// Makes [`Authorizer::decide`] up to the signature.
pub fn begin_decision(authorizer: &mut Authorizer, request: &RequestView<'_>, now: Seconds) -> BegunDecision {
    let mut requesting = Requesting::default();
    let decision = authorizer.decide_observed(request, now, &mut requesting);
    requesting.0.map_or(BegunDecision::Decided(decision), BegunDecision::NeedsSignature)
}

/// Makes [`Authorizer::decide`] with the answer to the request that [`begin_decision`] returned.
pub fn resume_decision(
    authorizer: &mut Authorizer,
    request: &RequestView<'_>,
    answer: SignatureAnswer<'_>,
    now: Seconds,
) -> Decision {
    authorizer.decide_observed(request, now, &mut Answered(answer))
}

/// Notes the request and takes no signature for valid.
#[derive(Debug, Default)]
struct Requesting(Option<SignatureRequest>);

impl Observer for Requesting {
    fn can_verify(&self, _: Algorithm) -> bool {
        true
    }

    fn verify(&mut self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        if key.may_have_made(signature) {
            let (key, message, signature) = (key.clone(), message.into(), signature.into());
            self.0 = Some(SignatureRequest { key, message, signature });
        }
        false
    }
}

/// Takes one signature for valid if the host reported it so: the very one of the request.
#[derive(Debug)]
struct Answered<'a>(SignatureAnswer<'a>);

impl Observer for Answered<'_> {
    fn can_verify(&self, _: Algorithm) -> bool {
        true
    }

    fn verify(&mut self, key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        let SignatureAnswer { request, is_valid } = self.0;
        is_valid && key == &request.key && message == &*request.message && signature == &*request.signature
    }
}

#[cfg(test)]
mod tests;
