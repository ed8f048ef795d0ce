//! A cache of accepted tokens, so that the same bytes under the same keys need no second signature check.
//!
//! The number of slots is fixed. The slots of a token follow from its signature, which nobody can choose for a token that is
//! accepted, and its whole text is compared.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::Seconds;
use crate::error::Refusal;
use crate::issuers::{Issuer, IssuerState, Issuers};
use crate::signature::PublicKey;
use crate::verify::Verified;

/// A set-associative cache: the entry used least recently of four makes room.
#[derive(Clone, Debug)]
pub(crate) struct TokenCache {
    /// [`WAYS`] for each set. Empty until the first token.
    slots: Vec<Option<Entry>>,
    capacity: usize,
    /// The size of all entries, and the limit on it.
    bytes: usize,
    max_bytes: usize,
    /// The slot after which room is made next.
    hand: usize,
    uses: u64,
    hits: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    token: Box<[u8]>,
    basis: CacheBasis,
    verified: Verified,
    bytes: usize,
    used: u64,
}

/// The state that an entry rests on besides the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheBasis {
    /// The issuer's place in the policy.
    pub(crate) issuer: usize,
    /// The key that signed the token.
    pub(crate) key: PublicKey,
    /// The issuer's [`Revocations::epoch`](crate::Revocations::epoch) by which the token was not revoked.
    pub(crate) revocations: u64,
}

impl TokenCache {
    /// Rounds `capacity` up to a power of two.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            slots: Vec::new(),
            capacity: capacity.next_power_of_two(),
            bytes: 0,
            max_bytes: MAX_BYTES,
            hand: 0,
            uses: 0,
            hits: 0,
        }
    }

    /// Limits the size from now on.
    pub(crate) fn set_max_bytes(&mut self, bytes: usize) {
        self.max_bytes = bytes;
        self.make_room(0);
    }

    /// Returns how many tokens were accepted from the cache.
    pub(crate) const fn hits(&self) -> u64 {
        self.hits
    }

    pub(crate) fn find(&mut self, token: &[u8]) -> Option<(&mut CacheBasis, &Verified)> {
        self.uses += 1;
        let uses = self.uses;
        let mut entries = self.set(token)?.iter_mut().flatten();
        let entry = entries.find(|entry| is_same(&entry.token, token))?;
        entry.used = uses;
        Some((&mut entry.basis, &entry.verified))
    }

    pub(crate) fn insert(&mut self, token: &[u8], basis: CacheBasis, verified: Verified) {
        if self.slots.is_empty() {
            self.slots.resize(self.capacity.max(WAYS), None);
        }
        self.remove(token);
        let bytes = token.len().saturating_add(verified.bytes());
        self.make_room(bytes);
        let (used, fits) = (self.uses, self.bytes.saturating_add(bytes) <= self.max_bytes);
        // An empty slot before the one that was used least recently.
        let slot = self
            .set(token)
            .and_then(|set| set.iter_mut().min_by_key(|slot| slot.as_ref().map(|entry| entry.used)));
        if let Some(slot) = slot.filter(|_| fits) {
            let old = slot.replace(Entry { token: token.into(), basis, verified, bytes, used });
            self.bytes = self.bytes.saturating_sub(old.map_or(0, |old| old.bytes)).saturating_add(bytes);
        }
    }

    pub(crate) fn remove(&mut self, token: &[u8]) {
        let same = |slot: &&mut Option<Entry>| slot.as_ref().is_some_and(|entry| *entry.token == *token);
        let removed = self.set(token).and_then(|set| set.iter_mut().find(same)).and_then(Option::take);
        self.bytes = self.bytes.saturating_sub(removed.map_or(0, |removed| removed.bytes));
    }

    /// Removes one entry after the other, from any set, until there is room for `bytes` or nothing is left.
    fn make_room(&mut self, bytes: usize) {
        for _ in 0..self.slots.len() {
            if self.bytes.saturating_add(bytes) <= self.max_bytes {
                return;
            }
            self.hand = (self.hand + 1).checked_rem(self.slots.len()).unwrap_or(0);
            let removed = self.slots.get_mut(self.hand).and_then(Option::take);
            self.bytes = self.bytes.saturating_sub(removed.map_or(0, |removed| removed.bytes));
        }
    }

    fn set(&mut self, token: &[u8]) -> Option<&mut [Option<Entry>]> {
        let sets = self.slots.len() / WAYS;
        // The last character holds two bits only.
        let (text, _) = token.split_last_chunk::<1>()?;
        let spread = u64::from_le_bytes(*text.last_chunk()?).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let at = usize::try_from(spread).ok()?.checked_rem(sets)? * WAYS;
        self.slots.get_mut(at..at + WAYS)
    }
}

const WAYS: usize = 4;
/// Many times the size of 1,024 usual tokens.
const MAX_BYTES: usize = 32 << 20;

/// Compares eight bytes at a time, because `==` compares single bytes in WebAssembly, and from the end, because tokens differ
/// soonest in their signatures.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ((one, ones), (other, others)) = (one.as_rchunks(), other.as_rchunks());
    let number = |eight: &[u8; 8]| u64::from_ne_bytes(*eight);
    ones.iter().rev().map(number).eq(others.iter().rev().map(number)) && one == other
}

/// Finds tokens that were accepted before and takes those that are accepted now. A decision uses a cache, an explanation none.
pub(crate) trait TokenMemory {
    /// Returns the issuer's place in the policy and the token, if it was accepted before and still is.
    fn find(
        &mut self,
        token: &[u8],
        issuers: &Issuers<'_>,
        now: Seconds,
    ) -> Result<Option<(usize, Verified)>, Refusal>;

    fn insert(&mut self, token: &[u8], basis: CacheBasis, verified: &Verified);

    /// Called if a token names a key that the issuer with this state does not have.
    fn missed(&mut self, state: usize);
}

/// Uses a cache.
#[derive(Debug)]
pub(crate) struct Cached<'a> {
    cache: &'a mut TokenCache,
    /// The state of the issuer that lacks a key which a token named.
    pub(crate) missed: Option<usize>,
}

impl<'a> Cached<'a> {
    pub(crate) const fn new(cache: &'a mut TokenCache) -> Self {
        Self { cache, missed: None }
    }
}

impl TokenMemory for Cached<'_> {
    fn find(
        &mut self,
        token: &[u8],
        issuers: &Issuers<'_>,
        now: Seconds,
    ) -> Result<Option<(usize, Verified)>, Refusal> {
        let Some((basis, verified)) = self.cache.find(token) else { return Ok(None) };
        let at = basis.issuer;
        let Some(Issuer { policy, state, .. }) = issuers.get(at) else { return Ok(None) };
        // A key that was removed, or is too old, takes its tokens along.
        if state.keys.current(now).and_then(|keys| keys.key(verified.kid())) != Some(&basis.key) {
            return Ok(None);
        }
        let verified = verified.clone();
        let outcome = verified
            .check_times(&policy.rules, now)
            .and_then(|()| check_new_revocations(&verified, basis, state, now));
        match outcome {
            Ok(()) => {
                self.cache.hits += 1;
                Ok(Some((at, verified)))
            }
            Err(refusal) => {
                self.cache.remove(token);
                Err(refusal)
            }
        }
    }

    fn insert(&mut self, token: &[u8], basis: CacheBasis, verified: &Verified) {
        self.cache.insert(token, basis, verified.clone());
    }

    fn missed(&mut self, state: usize) {
        self.missed = Some(state);
    }
}

/// Checks for a revocation only if the feed brought some since.
fn check_new_revocations(
    token: &Verified,
    basis: &mut CacheBasis,
    state: &IssuerState,
    now: Seconds,
) -> Result<(), Refusal> {
    let epoch = state.revocation_epoch();
    if basis.revocations != epoch {
        state.check_revocation(token, now)?;
        basis.revocations = epoch;
    }
    Ok(())
}

/// Uses no cache: an explanation must make every check and change nothing.
#[derive(Debug)]
pub(crate) struct Uncached;

impl TokenMemory for Uncached {
    fn find(&mut self, _: &[u8], _: &Issuers<'_>, _: Seconds) -> Result<Option<(usize, Verified)>, Refusal> {
        Ok(None)
    }

    fn insert(&mut self, _: &[u8], _: CacheBasis, _: &Verified) {}

    fn missed(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::fixture::{HEADER, NOW, claims, keys, rules, sign};
    use crate::verify::verify;

    fn basis(issuer: usize) -> CacheBasis {
        CacheBasis { issuer, key: keys().key("k1").unwrap().clone(), revocations: 0 }
    }

    fn verified() -> Verified {
        verify(sign(HEADER, &claims(&[])).as_bytes(), &rules(), &keys(), NOW).unwrap()
    }

    fn token(number: usize) -> String {
        format!("{:0>43}A", number.wrapping_mul(0x9e37_79b9))
    }

    fn count(cache: &TokenCache) -> usize {
        cache.slots.iter().flatten().count()
    }

    #[test]
    fn a_flood_of_tokens_takes_no_more_slots_than_there_are() {
        let mut cache = TokenCache::new(60);
        let (verified, basis) = (verified(), basis(0));

        for number in 0..100_000 {
            cache.insert(token(number).as_bytes(), basis.clone(), verified.clone());
        }

        assert_eq!(cache.slots.len(), 64);
        assert_eq!(count(&cache), 64);
        assert!(cache.find(token(99_999).as_bytes()).is_some());
    }

    #[test]
    fn large_tokens_take_no_more_memory_than_there_may_be() {
        let verified = verified();
        let each = token(0).len() + verified.bytes();
        let mut cache = TokenCache::new(64);
        cache.set_max_bytes(10 * each);
        for number in 0..1000 {
            cache.insert(token(number).as_bytes(), basis(0), verified.clone());
            assert!(cache.bytes <= 10 * each && count(&cache) <= 10);
        }
        assert!(count(&cache) >= 8 && cache.find(token(999).as_bytes()).is_some());

        cache.set_max_bytes(3 * each);
        assert!((1..=3).contains(&count(&cache)) && cache.bytes == count(&cache) * each);
        cache.set_max_bytes(each - 1);
        cache.insert(token(1).as_bytes(), basis(0), verified);
        assert_eq!((count(&cache), cache.bytes), (0, 0));
    }

    #[test]
    fn the_token_used_least_recently_makes_room() {
        let mut cache = TokenCache::new(4);
        let verified = verified();
        for number in 0..4 {
            cache.find(b"");
            cache.insert(token(number).as_bytes(), basis(0), verified.clone());
        }
        assert!(cache.find(token(0).as_bytes()).is_some());

        cache.insert(token(4).as_bytes(), basis(0), verified);

        let found = (0..5).map(|number| cache.find(token(number).as_bytes()).is_some());
        assert_eq!(found.collect::<Vec<_>>(), [true, false, true, true, true]);
    }

    #[test]
    fn a_token_has_one_slot_and_leaves_it_when_removed() {
        let mut cache = TokenCache::new(16);
        let verified = verified();
        for issuer in [1, 2] {
            cache.insert(token(1).as_bytes(), basis(issuer), verified.clone());
        }

        assert_eq!(count(&cache), 1);
        assert_eq!(cache.find(token(1).as_bytes()).map(|(basis, _)| basis.issuer), Some(2));
        cache.remove(token(1).as_bytes());
        assert_eq!(count(&cache), 0);
    }

    #[test]
    fn only_the_same_bytes_are_the_same_token() {
        let text = b"abcdefghijklmnopqrstuvwxyz";
        for length in 0..text.len() {
            let token = &text[..length];
            assert!(is_same(token, &Vec::from(token)));
            assert!(!is_same(token, &text[..=length]) && !is_same(&text[..=length], token));
            for at in 0..length {
                let mut other = Vec::from(token);
                other[at] ^= 1;
                assert!(!is_same(token, &other), "{length} bytes, the one at {at} differs");
            }
        }
    }

    #[test]
    fn what_is_too_short_for_a_token_is_never_found() {
        let mut cache = TokenCache::new(4);
        cache.insert(b"short", basis(0), verified());

        assert!(cache.find(b"short").is_none() && cache.find(b"").is_none());
    }
}
