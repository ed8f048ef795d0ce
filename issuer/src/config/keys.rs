//! `[keys]`: how long each step of a signing key's life waits, so that no verifier is ever without the key it needs.

use std::time::Duration;

use super::reader::Reader;
use crate::keys::Algorithm;

/// The waits are sums: see [`KeyTimes::shortest_lead`] and [`KeyTimes::shortest_tail`].
#[derive(Clone, Debug)]
pub struct KeyTimes {
    /// Of the keys that are made from now on.
    pub algorithm: Algorithm,
    /// From one activation to the next.
    pub rotation_interval: Duration,
    /// From a key's publication to its first signature.
    pub lead: Duration,
    /// From a key's last signature to its removal from the key set.
    pub tail: Duration,
    /// The greatest age of a key set that any verifier uses, with every cache on the way.
    pub cache: Duration,
    /// How old a replica's view of the keys may be; with an older one it does not sign.
    pub propagation: Duration,
    /// How far a replica's clock may be from the database's; beyond it, the replica does not sign.
    pub skew: Duration,
    /// What verifiers forgive an expired token.
    pub leeway: Duration,
    /// What the key set's `Cache-Control` says.
    pub jwks_max_age: Duration,
    /// The longest lifetime of an access token, from `[tokens]`.
    pub longest_token: Duration,
}

impl KeyTimes {
    pub(super) fn read(reader: &mut Reader, max_access_token_lifetime: u64) -> Self {
        let algorithm = reader.parsed("keys.algorithm", "\"EdDSA\", \"ES256\" or \"RS256\"");
        let mut seconds = |key, default, range| Duration::from_secs(reader.number(key, default, range));
        let times = Self {
            algorithm: algorithm.unwrap_or(Algorithm::EdDsa),
            rotation_interval: seconds("keys.rotation_interval", 30 * DAY, 3600..=366 * DAY),
            lead: seconds("keys.lead", DAY, 60..=30 * DAY),
            tail: seconds("keys.tail", DAY, 60..=30 * DAY),
            cache: seconds("keys.cache", 3600, VERIFIER..=7 * DAY),
            // A view is looked at every 10 seconds, and the database may take 2 to answer.
            propagation: seconds("keys.propagation", 30, 15..=600),
            skew: seconds("keys.skew", 5, 1..=60),
            leeway: seconds("keys.leeway", 30, 0..=120),
            jwks_max_age: seconds("keys.jwks_max_age", 300, 0..=DAY),
            longest_token: Duration::from_secs(max_access_token_lifetime),
        };
        times.check(reader);
        times
    }

    fn check(&self, reader: &mut Reader) {
        let [propagation, cache, skew, leeway, longest] =
            [self.propagation, self.cache, self.skew, self.leeway, self.longest_token].map(|t| t.as_secs());
        let (lead, tail) = (self.shortest_lead(), self.shortest_tail());
        if self.lead < lead {
            let least = lead.as_secs();
            reader.mistake::<()>("keys.lead", format!(
                "must be at least {least}: `keys.propagation` {propagation} + `keys.cache` {cache} + `keys.skew` {skew}"
            ));
        }
        if self.tail < tail {
            let least = tail.as_secs();
            reader.mistake::<()>("keys.tail", format!(
                "must be at least {least}: `tokens.max_access_token_lifetime` {longest} + `keys.leeway` {leeway} + 4 × `keys.skew` {skew}"
            ));
        }
        if self.jwks_max_age + Duration::from_secs(VERIFIER) > self.cache {
            let most = cache.saturating_sub(VERIFIER);
            reader.mistake::<()>("keys.jwks_max_age", format!(
                "must be at most {most}: `keys.cache` {cache} - the {VERIFIER} for which a verifier uses its copy"
            ));
        }
        // Else keys would pile up in the key set, and verifiers take 32 at most.
        if self.rotation_interval < self.lead.max(self.tail) {
            reader.mistake::<()>(
                "keys.rotation_interval",
                "must be at least `keys.lead` and `keys.tail`: a key must be published before it signs and stay published after",
            );
        }
    }

    /// The least time from a key's publication to its first signature: every replica serves it, every older copy of the
    /// key set has gone, and no clock is that wrong.
    pub fn shortest_lead(&self) -> Duration {
        self.propagation + self.cache + self.skew
    }

    /// The least time from a key's last signature to its removal: its last token has expired for every verifier.
    pub fn shortest_tail(&self) -> Duration {
        self.longest_token + self.leeway + 4 * self.skew
    }

    /// How long before a change of signer the database must hold it, so that no replica misses it.
    pub fn notice(&self) -> Duration {
        self.propagation + self.skew
    }
}

/// What is published under `issuer`, unless the issuer must look elsewhere.
pub(super) fn jwks_url(reader: &mut Reader, issuer: &str) -> String {
    let Some(text) = reader.text("keys.jwks_url") else { return format!("{issuer}/.well-known/jwks.json") };
    let is_http = |url: &url::Url| matches!(url.scheme(), "http" | "https");
    if !url::Url::parse(&text).is_ok_and(|url| is_http(&url)) {
        reader.mistake::<()>("keys.jwks_url", "must be an http(s) URL");
    }
    text
}

const DAY: u64 = 86_400;
/// The hard age of a key set in Keystone's verifiers.
const VERIFIER: u64 = 600;
