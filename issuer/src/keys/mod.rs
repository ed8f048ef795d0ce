//! The signing keys: loaded once, signing from memory, published before use, a standby always ready.

mod feed_key;
mod jwk;
mod kek;
mod life;
mod lookout;
mod pair;
#[cfg(test)]
mod property;
mod reseal;
pub mod schedule;
mod signer;
mod standing;
mod view;

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystone_verifier::{KeySet, KeySetError, compat};
use time::OffsetDateTime;

pub use self::feed_key::FeedKey;
pub use self::jwk::Jwks;
#[cfg(test)]
pub(crate) use self::kek::tests::kek;
pub use self::kek::{CannotOpen, KeyEncryptionKey};
pub use self::lookout::{LookError, Lookout, LookoutError};
pub use self::pair::Algorithm;
pub use self::reseal::{ResealError, opens, reseal};
pub use self::signer::{KeyError, Signer};
pub use self::standing::{CannotSign, Sight, WrongClock};
pub use self::view::{KeyView, to_the_second};
use crate::clock::World;
use crate::config::KeyTimes;
use crate::secrets::SecretsError;
use crate::store::{KeyRefusal, NewSigningKey, SigningKey, Store, StoreError};

/// Every key that is not removed, as this replica saw them last.
#[derive(Debug)]
pub struct Keys {
    /// Signs no tokens, and is published apart.
    pub feed: FeedKey,
    kek: KeyEncryptionKey,
    times: KeyTimes,
    world: World,
    view: RwLock<(Arc<Ring>, Sight)>,
}

/// One view of the keys. Immutable: a request works with one view from start to end.
#[derive(Debug)]
pub struct Ring {
    pub signers: Vec<Signer>,
    pub jwks: Document,
    /// The same keys, for tokens of ours that come back.
    pub public: KeySet,
}

/// Bytes that are served as they are, with their strong entity tag (RFC 9110 §8.8.3).
#[derive(Clone, Debug)]
pub struct Document {
    pub body: String,
    pub etag: String,
}

#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error("verifiers would reject the key set: {0}")]
    Published(String),
    #[error("the database has no active signing key")]
    NoneActive,
    #[error(transparent)]
    Refused(#[from] KeyRefusal),
    #[error("the published key set could not be checked: {0}")]
    Look(#[from] LookError),
}

impl Keys {
    /// Makes the first key and its standby, and the key of the feed, where the database has none.
    pub async fn open(
        store: &Store,
        kek: KeyEncryptionKey,
        world: &World,
        times: KeyTimes,
    ) -> Result<Self, KeysError> {
        let sight = look_at_clock(store, world).await?;
        let mut stored = store.signing_keys().await?;
        if stored.is_empty() {
            // The first key may sign at once: no verifier can have fetched a key set before it.
            let [first, standby] = signer::generate_two(&kek, world, times.algorithm).await?;
            stored = store.first_signing_keys(&[NewSigningKey { active: true, ..first }, standby]).await?;
        }
        let view = RwLock::new((Arc::new(Ring::new(&stored, &kek)?), sight));
        let feed = FeedKey::open(store, &kek, world).await?;
        Ok(Self { feed, kek, times, world: world.clone(), view })
    }

    /// What is published. An old view is better than none.
    pub fn current(&self) -> Arc<Ring> {
        self.view().0
    }

    /// The same for signing, where an old view is worse than none.
    pub fn signing(&self, now: OffsetDateTime) -> Result<Arc<Ring>, CannotSign> {
        let (ring, sight) = self.view();
        sight.check(now, &self.times).map(|()| ring)
    }

    /// The keys to judge tokens with, where the time is known.
    pub fn judging(&self, now: OffsetDateTime) -> Result<Arc<Ring>, WrongClock> {
        let (ring, sight) = self.view();
        sight.check_clock(now, &self.times).map(|()| ring)
    }

    /// Looks at the database again. On an error the last view stays.
    pub async fn refresh(&self, store: &Store) -> Result<(), KeysError> {
        let sight = look_at_clock(store, &self.world).await?;
        let ring = Ring::new(&store.signing_keys().await?, &self.kek)?;
        // Most of the time the keys are the same, and what was worked out for them is worth keeping.
        let ring = Ring { public: ring.public.continuing(&self.current().public), ..ring };
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = (Arc::new(ring), sight);
        Ok(())
    }

    /// How old the view is, and how wrong the clock was then.
    pub fn sight(&self) -> Sight {
        self.view().1
    }

    fn view(&self) -> (Arc<Ring>, Sight) {
        self.view.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The public halves of stored keys: what tokens are judged with where nothing is signed.
pub fn public_keys(stored: &[SigningKey]) -> Result<KeySet, KeySetError> {
    let keys: Vec<&str> = stored.iter().map(|key| key.public_jwk.as_str()).collect();
    read_key_set(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
}

fn read_key_set(jwks: &[u8]) -> Result<KeySet, KeySetError> {
    compat::key_set(KNOWN, jwks)
}

/// Before the keys are read: the view is no older than this.
async fn look_at_clock(store: &Store, world: &World) -> Result<Sight, StoreError> {
    let before = world.now();
    let database = store.now().await?;
    Ok(Sight::new(before, database, world.now()))
}

impl Ring {
    fn new(stored: &[SigningKey], kek: &KeyEncryptionKey) -> Result<Self, KeysError> {
        let opened = stored.iter().map(|key| Signer::open(key, kek)).collect::<Result<Vec<_>, _>>()?;
        let (signers, public): (Vec<_>, Vec<_>) = opened.into_iter().unzip();
        if signers.iter().all(|signer| signer.activates_at.is_none()) {
            return Err(KeysError::NoneActive);
        }
        let body = serde_json::json!(Jwks { keys: public }).to_string();
        // What a verifier would refuse is not published.
        let public =
            read_key_set(body.as_bytes()).map_err(|error| KeysError::Published(error.to_string()))?;
        Ok(Self { signers, jwks: Document::new(body), public })
    }

    /// The key that was activated last, unless its successor's time has come. `None` only if no key ever was.
    pub fn signer(&self, now: OffsetDateTime) -> Option<&Signer> {
        let activated = |signer: &&Signer| signer.activates_at;
        let signs = |signer: &&Signer| {
            signer.activates_at.is_some_and(|at| at <= now) && signer.retires_at.is_none_or(|at| at > now)
        };
        // After the very first activation, and after an emergency, a clock behind the database's finds the signer in
        // its future. A key that retired must not sign again instead: it may be about to be removed.
        let upcoming = || {
            let ahead = |signer: &&Signer| signer.activates_at.is_some_and(|at| at > now);
            self.signers.iter().filter(ahead).min_by_key(activated)
        };
        self.signers.iter().filter(signs).max_by_key(activated).or_else(upcoming)
    }
}

impl Document {
    pub fn new(body: String) -> Self {
        let hash = digest(&SHA256, body.as_bytes());
        Self { etag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(hash)), body }
    }
}

/// Of the keys that this issuer has or had: whatever it signs with now, older tokens live on.
const KNOWN: &[keystone_verifier::Algorithm] = &[
    keystone_verifier::Algorithm::Ed25519,
    keystone_verifier::Algorithm::Es256,
    keystone_verifier::Algorithm::Rs256,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::testing::world;

    fn stored(world: &World, activates_at: Option<i64>) -> SigningKey {
        stored_for(Algorithm::EdDsa, world, activates_at)
    }

    fn stored_for(algorithm: Algorithm, world: &World, activates_at: Option<i64>) -> SigningKey {
        let new = signer::generate(&kek(), world, algorithm).unwrap();
        SigningKey {
            kid: new.kid,
            alg: new.alg,
            public_jwk: new.public_jwk,
            sealed: new.sealed,
            published_at: at(0),
            activates_at: activates_at.map(at),
            retires_at: None,
        }
    }

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(second).unwrap()
    }

    #[test]
    fn the_key_activated_last_signs() {
        let (world, _) = world();
        let stored = [stored(&world, Some(100)), stored(&world, Some(200)), stored(&world, None)];
        let ring = Ring::new(&stored, &kek()).unwrap();

        for (now, expected) in [(50, 0), (100, 0), (199, 0), (200, 1), (9999, 1)] {
            assert_eq!(ring.signer(at(now)).unwrap().kid(), stored[expected].kid, "at {now}");
        }
    }

    #[test]
    fn a_retired_key_signs_no_more_even_where_a_clock_is_behind() {
        let (world, _) = world();
        let retired = SigningKey { retires_at: Some(at(200)), ..stored(&world, Some(100)) };
        // What signed in between was compromised at 300.
        let ring = Ring::new(&[retired.clone(), stored(&world, Some(300))], &kek()).unwrap();

        assert_eq!(ring.signer(at(199)).unwrap().kid(), retired.kid);
        for now in [200, 299, 300] {
            assert_ne!(ring.signer(at(now)).unwrap().kid(), retired.kid, "at {now}");
        }
    }

    /// B-03
    #[test]
    fn keys_of_every_type_are_published_with_their_public_members_alone() {
        let (world, _) = world();
        let kinds = [
            (Algorithm::EdDsa, &["alg", "crv", "kid", "kty", "use", "x"][..]),
            (Algorithm::Es256, &["alg", "crv", "kid", "kty", "use", "x", "y"]),
            (Algorithm::Rs256, &["alg", "e", "kid", "kty", "n", "use"]),
        ];
        let stored = kinds.map(|(algorithm, _)| stored_for(algorithm, &world, Some(100)));
        let ring = Ring::new(&stored, &kek()).unwrap();

        let jwks: serde_json::Value = serde_json::from_str(&ring.jwks.body).unwrap();
        let keys = jwks["keys"].as_array().unwrap();
        assert_eq!(keys.len(), kinds.len());
        for ((key, stored), (algorithm, public)) in keys.iter().zip(&stored).zip(kinds) {
            let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, public);
            assert_eq!((&key["kid"], &key["alg"]), (&stored.kid.as_str().into(), &algorithm.as_str().into()));
        }
        assert_eq!(ring.public.kids().count(), kinds.len());
    }

    /// B-10
    #[test]
    fn swapped_rows_and_foreign_public_keys_are_noticed() {
        let (world, _) = world();
        for algorithm in Algorithm::ALL {
            let [one, other] = [(); 2].map(|()| stored_for(algorithm, &world, Some(1)));
            let private = one.public_jwk.replace("\"kty\"", "\"d\":\"x\",\"kty\"");
            let refused = |key: SigningKey| match Ring::new(&[key], &kek()) {
                Err(KeysError::Key(error)) => error,
                other => panic!("{algorithm}: {other:?}"),
            };

            let swapped = SigningKey { sealed: other.sealed.clone(), ..one.clone() };
            assert!(matches!(refused(swapped), KeyError::CannotOpen(_)));
            let foreign = SigningKey { public_jwk: other.public_jwk.clone(), ..one.clone() };
            assert!(matches!(refused(foreign), KeyError::Mismatch(_)));
            let private = SigningKey { public_jwk: private, ..one.clone() };
            assert!(matches!(refused(private), KeyError::Mismatch(_)));
            // I11.
            for alg in Algorithm::ALL.into_iter().filter(|alg| *alg != algorithm) {
                let changed = SigningKey { alg: alg.to_string(), ..one.clone() };
                assert!(matches!(refused(changed), KeyError::Mismatch(_)), "{algorithm} as {alg}");
            }
            let unknown = SigningKey { alg: "HS256".to_owned(), ..one.clone() };
            assert!(matches!(refused(unknown), KeyError::Algorithm(_, _)));
        }
    }

    #[test]
    fn a_set_without_an_active_key_is_refused() {
        let (world, _) = world();

        assert!(matches!(Ring::new(&[stored(&world, None)], &kek()), Err(KeysError::NoneActive)));
    }
}
