//! Tokens that were accepted lately, so that the same bytes under the same keys need no second signature check.
//!
//! A fixed number of places. A token's places follow from its signature, which nobody can choose for a token that is
//! accepted, and its whole text is compared.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::Seconds;
use crate::error::Refusal;
use crate::judge::{Judge, Memory, Source};
use crate::signature::PublicKey;
use crate::verify::Verified;

/// At most as many verdicts as there are places; the one used least lately of four makes room.
#[derive(Clone, Debug)]
pub(crate) struct Verdicts {
    /// [`WAYS`] for each set. Empty until the first verdict.
    places: Vec<Option<Verdict>>,
    capacity: usize,
    /// What all verdicts take together, and how much they may.
    bytes: usize,
    most_bytes: usize,
    /// Where room is made next.
    hand: usize,
    uses: u64,
    reused: u64,
}

#[derive(Clone, Debug)]
struct Verdict {
    token: Box<[u8]>,
    under: Under,
    verified: Verified,
    bytes: usize,
    used: u64,
}

/// What a verdict rests on besides the token: the issuer's place in the policy, the key under its name, and what was
/// revoked by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Under {
    pub(crate) issuer: usize,
    pub(crate) key: PublicKey,
    /// Of the issuer's revocations, see [`Revocations::epoch`].
    pub(crate) revocations: u64,
}

impl Verdicts {
    /// `capacity` is rounded up to a power of two.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            places: Vec::new(),
            capacity: capacity.next_power_of_two(),
            bytes: 0,
            most_bytes: MOST_BYTES,
            hand: 0,
            uses: 0,
            reused: 0,
        }
    }

    /// Takes at most so many bytes from now on.
    pub(crate) fn limit(&mut self, bytes: usize) {
        self.most_bytes = bytes;
        self.make_room(0);
    }

    /// How many tokens were accepted by what is remembered of them.
    pub(crate) const fn reused(&self) -> u64 {
        self.reused
    }

    pub(crate) fn find(&mut self, token: &[u8]) -> Option<(&mut Under, &Verified)> {
        self.uses += 1;
        let uses = self.uses;
        let mut places = self.set(token)?.iter_mut().flatten();
        let verdict = places.find(|verdict| is_same(&verdict.token, token))?;
        verdict.used = uses;
        Some((&mut verdict.under, &verdict.verified))
    }

    pub(crate) fn keep(&mut self, token: &[u8], under: Under, verified: Verified) {
        if self.places.is_empty() {
            self.places.resize(self.capacity.max(WAYS), None);
        }
        self.forget(token);
        let bytes = token.len().saturating_add(verified.bytes());
        self.make_room(bytes);
        let (used, fits) = (self.uses, self.bytes.saturating_add(bytes) <= self.most_bytes);
        // An empty place before the one that was used least lately.
        let place = self
            .set(token)
            .and_then(|set| set.iter_mut().min_by_key(|place| place.as_ref().map(|verdict| verdict.used)));
        if let Some(place) = place.filter(|_| fits) {
            let old = place.replace(Verdict { token: token.into(), under, verified, bytes, used });
            self.bytes = self.bytes.saturating_sub(old.map_or(0, |old| old.bytes)).saturating_add(bytes);
        }
    }

    pub(crate) fn forget(&mut self, token: &[u8]) {
        let same =
            |place: &&mut Option<Verdict>| place.as_ref().is_some_and(|verdict| *verdict.token == *token);
        let gone = self.set(token).and_then(|set| set.iter_mut().find(same)).and_then(Option::take);
        self.bytes = self.bytes.saturating_sub(gone.map_or(0, |gone| gone.bytes));
    }

    /// Forgets one verdict after the other, wherever they are, until there is room for so many bytes, or nothing is left.
    fn make_room(&mut self, bytes: usize) {
        for _ in 0..self.places.len() {
            if self.bytes.saturating_add(bytes) <= self.most_bytes {
                return;
            }
            self.hand = (self.hand + 1).checked_rem(self.places.len()).unwrap_or(0);
            let gone = self.places.get_mut(self.hand).and_then(Option::take);
            self.bytes = self.bytes.saturating_sub(gone.map_or(0, |gone| gone.bytes));
        }
    }

    fn set(&mut self, token: &[u8]) -> Option<&mut [Option<Verdict>]> {
        let sets = self.places.len() / WAYS;
        // The last character holds two bits only.
        let (text, _) = token.split_last_chunk::<1>()?;
        let spread = u64::from_le_bytes(*text.last_chunk()?).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let at = usize::try_from(spread).ok()?.checked_rem(sets)? * WAYS;
        self.places.get_mut(at..at + WAYS)
    }
}

const WAYS: usize = 4;
/// Unless the host says less: many times what 1,024 usual tokens take.
const MOST_BYTES: usize = 32 << 20;

/// `==`, which goes byte by byte in WebAssembly. From the end on, where tokens differ soonest: in their signatures.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ((one, ones), (other, others)) = (one.as_rchunks(), other.as_rchunks());
    let number = |eight: &[u8; 8]| u64::from_ne_bytes(*eight);
    ones.iter().rev().map(number).eq(others.iter().rev().map(number)) && one == other
}

/// The memory of one decision.
#[derive(Debug)]
pub(crate) struct Remembering<'a> {
    verdicts: &'a mut Verdicts,
    /// The cache that lacks a key which a token named.
    pub(crate) missed: Option<usize>,
}

impl<'a> Remembering<'a> {
    pub(crate) const fn new(verdicts: &'a mut Verdicts) -> Self {
        Self { verdicts, missed: None }
    }
}

impl Memory for Remembering<'_> {
    fn recall(&mut self, judge: &Judge<'_>, token: &[u8]) -> Result<Option<(usize, Verified)>, Refusal> {
        let Some((under, verified)) = self.verdicts.find(token) else { return Ok(None) };
        let at = under.issuer;
        let (Some(issuer), Some(source)) = (judge.policy.issuers().get(at), judge.source(at)) else {
            return Ok(None);
        };
        // A key that went, or is too old, takes its verdicts along.
        if source.keys.current(judge.now).and_then(|keys| keys.key(verified.kid())) != Some(&under.key) {
            return Ok(None);
        }
        let verified = verified.clone();
        let holds = verified
            .check_times(&issuer.rules, judge.now)
            .and_then(|()| still_stands(&verified, under, source, judge.now));
        match holds {
            Ok(()) => {
                self.verdicts.reused += 1;
                Ok(Some((at, verified)))
            }
            Err(refusal) => {
                self.verdicts.forget(token);
                Err(refusal)
            }
        }
    }

    fn keep(&mut self, token: &[u8], under: Under, verified: &Verified) {
        self.verdicts.keep(token, under, verified.clone());
    }

    fn missed(&mut self, cache: usize) {
        self.missed = Some(cache);
    }
}

/// Asks again only after revocations came.
fn still_stands(token: &Verified, under: &mut Under, source: &Source, now: Seconds) -> Result<(), Refusal> {
    let epoch = source.revocation_epoch();
    if under.revocations != epoch {
        source.stands(token, now)?;
        under.revocations = epoch;
    }
    Ok(())
}

/// The memory of an explanation, which must find out everything and change nothing.
#[derive(Debug)]
pub(crate) struct Forgetful;

impl Memory for Forgetful {
    fn recall(&mut self, _: &Judge<'_>, _: &[u8]) -> Result<Option<(usize, Verified)>, Refusal> {
        Ok(None)
    }

    fn keep(&mut self, _: &[u8], _: Under, _: &Verified) {}

    fn missed(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;

    use super::*;
    use crate::fixture::{HEADER, NOW, claims, keys, rules, sign};
    use crate::verify::verify;

    fn under(issuer: usize) -> Under {
        Under { issuer, key: keys().key("k1").unwrap().clone(), revocations: 0 }
    }

    fn verified() -> Verified {
        verify(sign(HEADER, &claims(&[])).as_bytes(), &rules(), &keys(), NOW).unwrap()
    }

    fn token(number: usize) -> String {
        format!("{:0>43}A", number.wrapping_mul(0x9e37_79b9))
    }

    fn kept(verdicts: &Verdicts) -> usize {
        verdicts.places.iter().flatten().count()
    }

    #[test]
    fn a_flood_of_tokens_takes_no_more_places_than_there_are() {
        let mut verdicts = Verdicts::new(60);
        let (verified, under) = (verified(), under(0));

        for number in 0..100_000 {
            verdicts.keep(token(number).as_bytes(), under.clone(), verified.clone());
        }

        assert_eq!(verdicts.places.len(), 64);
        assert_eq!(kept(&verdicts), 64);
        assert!(verdicts.find(token(99_999).as_bytes()).is_some());
    }

    #[test]
    fn large_tokens_take_no_more_memory_than_there_may_be() {
        let verified = verified();
        let each = token(0).len() + verified.bytes();
        let mut verdicts = Verdicts::new(64);
        verdicts.limit(10 * each);
        for number in 0..1000 {
            verdicts.keep(token(number).as_bytes(), under(0), verified.clone());
            assert!(verdicts.bytes <= 10 * each && kept(&verdicts) <= 10);
        }
        assert!(kept(&verdicts) >= 8 && verdicts.find(token(999).as_bytes()).is_some());

        verdicts.limit(3 * each);
        assert!((1..=3).contains(&kept(&verdicts)) && verdicts.bytes == kept(&verdicts) * each);
        verdicts.limit(each - 1);
        verdicts.keep(token(1).as_bytes(), under(0), verified);
        assert_eq!((kept(&verdicts), verdicts.bytes), (0, 0));
    }

    #[test]
    fn the_token_used_least_lately_makes_room() {
        let mut verdicts = Verdicts::new(4);
        let verified = verified();
        for number in 0..4 {
            verdicts.find(b"");
            verdicts.keep(token(number).as_bytes(), under(0), verified.clone());
        }
        assert!(verdicts.find(token(0).as_bytes()).is_some());

        verdicts.keep(token(4).as_bytes(), under(0), verified);

        let found = (0..5).map(|number| verdicts.find(token(number).as_bytes()).is_some());
        assert_eq!(found.collect::<Vec<_>>(), [true, false, true, true, true]);
    }

    #[test]
    fn a_token_has_one_place_and_leaves_it_when_forgotten() {
        let mut verdicts = Verdicts::new(16);
        let verified = verified();
        for issuer in [1, 2] {
            verdicts.keep(token(1).as_bytes(), under(issuer), verified.clone());
        }

        assert_eq!(kept(&verdicts), 1);
        assert_eq!(verdicts.find(token(1).as_bytes()).map(|(under, _)| under.issuer), Some(2));
        verdicts.forget(token(1).as_bytes());
        assert_eq!(kept(&verdicts), 0);
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
        let mut verdicts = Verdicts::new(4);
        verdicts.keep(b"short", under(0), verified());

        assert!(verdicts.find(b"short").is_none() && verdicts.find(b"").is_none());
    }
}
