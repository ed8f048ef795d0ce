//! Keys and their age, to be handed to another process, another thread or the next start.

use alloc::string::String;
use core::fmt;

use super::{HARD_AGE, KeyCache, LEEWAY};
use crate::Seconds;
use crate::json::{self, write_string};
use crate::keys::{KeySet, KeySetError};
use crate::text::text;

/// Why a snapshot was not taken; what was known before stays in use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// Not a snapshot, or one that was damaged.
    Broken,
    /// The snapshot belongs to another issuer.
    Issuer,
    /// Its keys would be past their hard age.
    TooOld,
    /// From a clock that is more than 30 seconds ahead: its keys would be used for too long.
    Future,
    /// The known keys are as new. Pinned keys are always newer.
    NotNewer,
    /// Its keys would be refused if they were fetched.
    Keys(KeySetError),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken => f.write_str("not a snapshot of keys"),
            Self::Issuer => f.write_str("the snapshot is of another issuer"),
            Self::TooOld => write!(f, "the keys of the snapshot are {HARD_AGE} seconds old or more"),
            Self::Future => f.write_str("the snapshot is from the future"),
            Self::NotNewer => f.write_str("the keys that are there are as new as the snapshot"),
            Self::Keys(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl core::error::Error for SnapshotError {}

impl KeyCache {
    /// Returns a snapshot for [`KeyCache::restore`]: a JWK set with two more members, `issuer` and `fetched_at` (Unix time in
    /// seconds). `None`: there are no keys, or they are pinned.
    pub fn snapshot(&self, issuer: &str) -> Option<String> {
        let keys = self.keys.as_ref().filter(|_| !self.pinned)?;
        let mut name = String::new();
        write_string(issuer, &mut name);
        Some(text!("{{\"issuer\":{name},\"fetched_at\":{},{}}}", self.fetched_at, keys.members()))
    }

    /// Takes the keys of a snapshot of `issuer`, with the age that they have at `now`. They are trusted like fetched ones, so
    /// a snapshot must come from where only the host can write.
    pub fn restore(&mut self, snapshot: &[u8], issuer: &str, now: Seconds) -> Result<(), SnapshotError> {
        let document = json::parse(snapshot).map_err(|_| SnapshotError::Broken)?;
        let member = |name| document.value.as_object()?.get(name).map(|node| &node.value);
        let of = member("issuer").and_then(|value| value.as_str()).ok_or(SnapshotError::Broken)?;
        let fetched_at =
            member("fetched_at").and_then(|value| value.as_u64()).ok_or(SnapshotError::Broken)?;
        if of != issuer {
            return Err(SnapshotError::Issuer);
        }
        if fetched_at > now.saturating_add(LEEWAY) {
            return Err(SnapshotError::Future);
        }
        let fetched_at = fetched_at.min(now);
        if now >= fetched_at.saturating_add(HARD_AGE) {
            return Err(SnapshotError::TooOld);
        }
        if self.pinned || self.keys.is_some() && self.fetched_at >= fetched_at {
            return Err(SnapshotError::NotNewer);
        }
        let keys = KeySet::from_json(self.accepted, &document.value)
            .and_then(|keys| self.refuse_changed_key(keys, now))
            .map_err(SnapshotError::Keys)?;
        self.take(keys, fetched_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::fixture::{NOW, jwks};

    const ISSUER: &str = "https://as.example";

    fn loaded() -> KeyCache {
        let mut cache = KeyCache::remote();
        cache.replace(jwks().as_bytes(), NOW).unwrap();
        cache
    }

    fn restored(snapshot: &str, now: Seconds) -> Result<KeyCache, SnapshotError> {
        let mut cache = KeyCache::remote();
        cache.restore(snapshot.as_bytes(), ISSUER, now).map(|()| cache)
    }

    #[test]
    fn a_snapshot_brings_the_same_keys_with_the_same_age() {
        let snapshot = loaded().snapshot(ISSUER).unwrap();
        let cache = restored(&snapshot, NOW + 100).unwrap();

        assert!(cache.current(NOW + 100).unwrap().is_same(loaded().current(NOW).unwrap()));
        assert_eq!(cache.age(NOW + 100), Some(100));
        assert!(!cache.wants_fetch(NOW + 299) && cache.wants_fetch(NOW + 300));
        assert!(cache.current(NOW + 599).is_some() && cache.current(NOW + 600).is_none());
        assert_eq!(cache.snapshot(ISSUER).unwrap(), snapshot);
    }

    #[test]
    fn a_name_that_needs_escaping_comes_back() {
        let mut cache = KeyCache::remote();
        cache.replace(jwks().replace("\"k1\"", r#""k\"\\\u0000""#).as_bytes(), NOW).unwrap();
        let snapshot = cache.snapshot("a\"b").unwrap();
        let mut other = KeyCache::remote();
        other.restore(snapshot.as_bytes(), "a\"b", NOW).unwrap();

        assert_eq!(other.current(NOW).unwrap().kids().collect::<alloc::vec::Vec<_>>(), ["k\"\\\0"]);
    }

    #[test]
    fn a_snapshot_that_is_too_old_or_from_the_future_is_refused() {
        let snapshot = loaded().snapshot(ISSUER).unwrap();

        assert!(restored(&snapshot, NOW + 599).is_ok());
        assert_eq!(restored(&snapshot, NOW + 600).unwrap_err(), SnapshotError::TooOld);
        assert_eq!(restored(&snapshot, NOW - 31).unwrap_err(), SnapshotError::Future);
        assert_eq!(restored(&snapshot, NOW - 30).unwrap().age(NOW - 30), Some(0));
        let endless = snapshot.replace("\"fetched_at\":1800000000", "\"fetched_at\":1e300");
        assert_eq!(restored(&endless, NOW).unwrap_err(), SnapshotError::Future);
    }

    #[test]
    fn a_snapshot_of_another_issuer_or_a_broken_one_is_refused() {
        let snapshot = loaded().snapshot(ISSUER).unwrap();

        assert_eq!(restored(&loaded().snapshot("x").unwrap(), NOW).unwrap_err(), SnapshotError::Issuer);
        for broken in [
            "",
            "{}",
            "[]",
            snapshot.trim_start_matches('{'),
            &jwks(),
            &snapshot.replace("1800000000", "\"1\""),
        ] {
            assert_eq!(restored(broken, NOW).unwrap_err(), SnapshotError::Broken, "{broken}");
        }
        for (changed, why) in [
            (snapshot.replace("Ed25519", "X25519"), KeySetError::NoUsableKey),
            (snapshot.replace("\"kty\"", "\"d\":\"\",\"kty\""), KeySetError::PrivateKey),
            (snapshot.replace("\"keys\"", "\"key\""), KeySetError::NoKeysMember),
        ] {
            assert_eq!(restored(&changed, NOW).unwrap_err(), SnapshotError::Keys(why));
        }
    }

    #[test]
    fn a_snapshot_replaces_older_keys_only_and_never_changes_a_key() {
        let snapshot = loaded().snapshot(ISSUER).unwrap();
        let mut cache = KeyCache::remote();
        cache.replace(jwks().as_bytes(), NOW - 1).unwrap();
        assert_eq!(cache.restore(snapshot.as_bytes(), ISSUER, NOW), Ok(()));
        assert_eq!(cache.restore(snapshot.as_bytes(), ISSUER, NOW), Err(SnapshotError::NotNewer));

        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let other = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"{x}"}}]}}"#);
        cache.replace(other.as_bytes(), NOW).unwrap_err();
        let mut changed = KeyCache::remote();
        changed.replace(other.as_bytes(), NOW - 1).unwrap();
        assert_eq!(
            changed.restore(snapshot.as_bytes(), ISSUER, NOW),
            Err(SnapshotError::Keys(KeySetError::ChangedKey("k1".into())))
        );
    }

    #[test]
    fn pinned_keys_are_neither_handed_out_nor_replaced() {
        let mut pinned = KeyCache::pinned(crate::fixture::keys());
        let snapshot = loaded().snapshot(ISSUER).unwrap();

        assert_eq!(pinned.snapshot(ISSUER), None);
        assert_eq!(KeyCache::remote().snapshot(ISSUER), None);
        assert_eq!(pinned.restore(snapshot.as_bytes(), ISSUER, NOW), Err(SnapshotError::NotNewer));
    }
}
