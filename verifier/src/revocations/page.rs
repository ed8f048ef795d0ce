//! One page of the feed: a compact JWS of its own type, by a key of its own.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::LEEWAY;
use crate::Seconds;
use crate::checks::NoObserver;
use crate::error::{Code, Refusal};
use crate::header::parse_jws;
use crate::json::{self, Node, Object};
use crate::keys::KeySet;

/// Why a page was not taken; what was known before stays in use and grows old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// The keys of the feed are not there, or too old.
    NoKeys,
    /// Not a JWS as the feed's are, by the code that a token would get.
    Form(Code),
    /// It names a key that the feed does not have.
    UnknownKey,
    /// The signature is wrong.
    Signature,
    /// The claims are not those of a page.
    Claims,
    /// It belongs to another issuer.
    Issuer,
    /// Signed too long ago to be an answer.
    Expired,
    /// Signed in the future.
    Future,
    /// It does not follow what is known.
    OutOfOrder,
    /// Older than the page before.
    Replayed,
    /// An event of a kind that this release does not know, and so could not enforce.
    UnknownKind,
    /// More revocations live at once than are kept, 100,000 unless the host has less room.
    TooMany,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKeys => "the keys of the feed are not there",
            Self::Form(code) => {
                return write!(f, "not a page of a revocation feed ({code})");
            }
            Self::UnknownKey => "signed by a key that the feed does not publish",
            Self::Signature => "the signature is wrong",
            Self::Claims => "the claims are not those of a page",
            Self::Issuer => "of another issuer",
            Self::Expired => "signed too long ago",
            Self::Future => "signed in the future",
            Self::OutOfOrder => "it does not follow what is known",
            Self::Replayed => "older than the page before",
            Self::UnknownKind => "it revokes by something that this release does not know",
            Self::TooMany => "more revocations live than are kept",
        })
    }
}

impl core::error::Error for PageError {}

/// The kind of thing that a revocation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `sid`
    Session,
    /// `jti`
    Token,
    /// `kid` of the header
    Key,
    /// `sub`, with its epoch `sv`
    Subject,
    /// `client_id`, with its epoch `cv`
    Client,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "sid" => Some(Self::Session),
            "jti" => Some(Self::Token),
            "kid" => Some(Self::Key),
            "sub" => Some(Self::Subject),
            "cid" => Some(Self::Client),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Session => "sid",
            Self::Token => "jti",
            Self::Key => "kid",
            Self::Subject => "sub",
            Self::Client => "cid",
        }
    }

    pub(super) const fn has_epoch(self) -> bool {
        matches!(self, Self::Subject | Self::Client)
    }
}

/// One revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: Kind,
    pub(super) value: Box<str>,
    /// Tokens of a smaller epoch are revoked. 0 where the kind has none.
    pub(super) min_epoch: u64,
    /// No token that it could match lives longer, Unix time in seconds.
    pub(super) drop_after: Seconds,
}

/// A page whose signature and times are right.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    pub(super) issued_at: Seconds,
    pub(super) from: String,
    pub(super) to: String,
    /// Whether others follow.
    pub(super) more: bool,
    pub(super) events: Vec<Event>,
}

impl Page {
    pub(super) fn verify(page: &[u8], issuer: &str, keys: &KeySet, now: Seconds) -> Result<Self, PageError> {
        let payload = signed(page, keys).map_err(|refusal| match refusal.code() {
            Code::UnknownKid => PageError::UnknownKey,
            Code::Signature => PageError::Signature,
            code => PageError::Form(code),
        })?;
        let document = json::parse(&payload).map_err(|_| PageError::Claims)?;
        let claims = document.value.as_object().ok_or(PageError::Claims)?;
        if text(claims, "iss")? != issuer {
            return Err(PageError::Issuer);
        }
        let expires_at = number(claims, "exp")?;
        let mut page = Self::default();
        page.read(claims)?;
        if expires_at.saturating_add(LEEWAY) <= now {
            Err(PageError::Expired)
        } else if page.issued_at > now.saturating_add(LEEWAY) {
            Err(PageError::Future)
        } else {
            Ok(page)
        }
    }

    /// Member by member into what is there: with all at once, each could fail with others to be dropped.
    fn read(&mut self, claims: &Object<'_>) -> Result<(), PageError> {
        self.events = events(claims.get("ev").ok_or(PageError::Claims)?)?;
        self.more = match claims.get("more").map(|more| &more.value) {
            Some(json::Value::Bool(more)) => *more,
            _ => return Err(PageError::Claims),
        };
        self.issued_at = number(claims, "iat")?;
        self.from = text(claims, "from")?.to_owned();
        self.to = text(claims, "to")?.to_owned();
        // It goes into an address, and a page without progress would be asked for without a pause.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let is_cursor = self.to.len() <= MAX_CURSOR && self.to.bytes().all(plain);
        if is_cursor && !(self.more && self.from == self.to) { Ok(()) } else { Err(PageError::Claims) }
    }
}

fn signed(page: &[u8], keys: &KeySet) -> Result<Vec<u8>, Refusal> {
    let jws = parse_jws(page, TYP, MAX_BYTES, keys.accepted(), &mut NoObserver)?;
    let key = jws.key(keys, &mut NoObserver)?;
    Ok(jws.into_payload(key, &mut NoObserver)?.bytes)
}

/// A list of them.
pub(super) fn events(list: &Node<'_>) -> Result<Vec<Event>, PageError> {
    let mut events = Vec::new();
    for node in list.value.as_array().ok_or(PageError::Claims)? {
        events.push(event(node)?);
    }
    Ok(events)
}

/// `[kind, value, min_epoch or null, drop_after]`
fn event(node: &Node<'_>) -> Result<Event, PageError> {
    let Some([kind, value, min_epoch, drop_after]) = node.value.as_array() else {
        return Err(PageError::Claims);
    };
    let kind = Kind::named(kind.value.as_str().ok_or(PageError::Claims)?).ok_or(PageError::UnknownKind)?;
    let min_epoch = match (kind.has_epoch(), min_epoch.value.as_whole()) {
        (true, Some(epoch)) => epoch,
        (false, None) if matches!(min_epoch.value, json::Value::Null) => 0,
        _ => return Err(PageError::Claims),
    };
    let drop_after = drop_after.value.as_whole().ok_or(PageError::Claims)?;
    let value = value.value.as_str().filter(|value| !value.is_empty()).ok_or(PageError::Claims)?;
    Ok(Event { kind, value: value.into(), min_epoch, drop_after })
}

fn text<'a>(claims: &'a Object<'_>, name: &str) -> Result<&'a str, PageError> {
    claims.get(name).and_then(|member| member.value.as_str()).ok_or(PageError::Claims)
}

fn number(claims: &Object<'_>, name: &str) -> Result<u64, PageError> {
    claims.get(name).and_then(|member| member.value.as_whole()).ok_or(PageError::Claims)
}

/// RFC 8725 §3.11: neither an access token nor anything else is taken for a page, nor the reverse.
const TYP: &str = "keystone-revocations+jwt";
/// As a key set, for hosts that copy it.
const MAX_BYTES: usize = 64 * 1024;
const MAX_CURSOR: usize = 64;
