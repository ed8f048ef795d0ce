//! Three issuers and four verifiers around one virtual database. What must never happen is an assertion here.

mod database;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keystone_verifier::{KeyCache, compat};
use time::OffsetDateTime;

use super::Step;
use crate::clock::World;
use crate::clock::testing::world;
use crate::config::KeyTimes;
use crate::keys::schedule::{self, tests::times};
use crate::keys::{Algorithm, CannotSign, KNOWN, Ring, Sight};
use crate::store::{KeyChange, KeyHistory, KeyLine, KeyRefusal, KeyState, NewSigningKey};

pub(super) struct Fleet {
    world: World,
    /// The database's time in milliseconds, which is the true one.
    now: i64,
    history: KeyHistory,
    material: BTreeMap<String, NewSigningKey>,
    /// What the database held since when.
    views: Vec<(i64, Arc<Ring>)>,
    /// Of the first two replicas; the third keeps the settings it began with.
    times: KeyTimes,
    old_times: KeyTimes,
    issuer_skews: [i64; 3],
    verifiers: Vec<(i64, KeyCache)>,
    tokens: Vec<Token>,
    lost: BTreeMap<String, i64>,
    /// Since when one of the three ways to the key set serves the copy it had then, whatever the arithmetic says.
    stuck: Option<i64>,
    /// No verifier has a copy of the stuck way after this.
    healed: i64,
    dice: u64,
    /// How many keys may still be published for what happened so far.
    owed: usize,
}

struct Token {
    kid: String,
    /// As the issuer's clock sees it, in seconds.
    expires: i64,
}

impl Fleet {
    pub(super) fn new(skews: [i64; 7], seed: u64) -> Self {
        let mut times = times();
        times.lead = times.shortest_lead();
        times.tail = times.shortest_tail();
        times.rotation_interval = times.lead + Duration::from_secs(300);
        let [a, b, c, verifiers @ ..] = skews;
        let mut fleet = Self {
            world: world().0,
            now: BEGIN,
            history: KeyHistory { now: moment(BEGIN), keys: Vec::new() },
            material: BTreeMap::new(),
            views: Vec::new(),
            old_times: times.clone(),
            times,
            issuer_skews: [a, b, c],
            verifiers: verifiers.map(|skew| (skew, compat::remote_keys(KNOWN))).to_vec(),
            tokens: Vec::new(),
            lost: BTreeMap::new(),
            stuck: None,
            healed: BEGIN,
            dice: seed | 1,
            owed: 2,
        };
        let (tail, watch) = (fleet.times.tail, fleet.times.cache);
        let publish = |active| KeyChange::Publish { active, tail, watch };
        fleet.commit(&[publish(true), publish(false)], Algorithm::EdDsa);
        fleet.views[0].0 = 0;
        fleet
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Wait(millis) => self.pass(millis),
            Step::Approach(offset) => self.pass(self.until_next_moment() + offset),
            Step::Sign { replica, view_age } => self.sign(replica, view_age),
            Step::Rotate => {
                if let Ok(changes) = schedule::rotation(&self.history, &self.times) {
                    self.commit(&changes, self.times.algorithm);
                }
            }
            Step::Switch(algorithm) => {
                self.owed += 1;
                self.times.algorithm = algorithm;
            }
            Step::Agree => {
                self.owed += 1;
                self.old_times.algorithm = self.times.algorithm;
            }
            Step::Stick => self.stuck = self.stuck.or(Some(self.now)),
            Step::Heal => self.heal(),
            Step::Lose(place) => self.lose(place),
            Step::Lengthen => {
                self.times.longest_token = Duration::from_secs(3600);
                self.times.tail = self.times.shortest_tail();
                // A replica does this before its first token.
                self.tend(0);
            }
        }
    }

    /// `kid` and `alg` of the key that signs.
    pub(super) fn active(&self) -> (String, String) {
        let active = |key: &&KeyLine| key.state(self.history.now) == KeyState::Active;
        let key = self.history.keys.iter().find(active).unwrap();
        (key.kid.clone(), key.alg.clone())
    }

    /// `alg` of every key in the key set.
    pub(super) fn published(&self) -> Vec<String> {
        let gone = |key: &&KeyLine| key.removed_at.is_none() && key.compromised_at.is_none();
        self.history.keys.iter().filter(gone).map(|key| key.alg.clone()).collect()
    }

    /// I1: whoever has a copy that is young enough knows the key of every token that lives.
    pub(super) fn every_good_token_is_accepted(&mut self) {
        let now = self.now;
        self.tokens.retain(|token| token.expires * 1000 > now - 60_000);
        let leeway = i64::try_from(self.times.leeway.as_secs()).unwrap();
        for (skew, cache) in &self.verifiers {
            let local = seconds(now + skew);
            let Some(copy) = cache.current(local) else { continue };
            for Token { kid, expires } in &self.tokens {
                let lives = i64::try_from(local).unwrap() < expires + leeway;
                let knows = copy.kids().any(|known| known == kid);
                assert!(
                    knows || !lives || self.lost.contains_key(kid),
                    "I1: a verifier lacks {kid} at {now}"
                );
            }
            // I7, without the feed. A cache that is stuck holds on to what is lost.
            for (kid, lost_at) in &self.lost {
                let since = self.healed.max(*lost_at);
                let gone = now > since + millis(self.times.propagation + self.times.cache);
                assert!(!gone || copy.kids().all(|known| known != kid), "I7: {kid} is still known");
            }
        }
    }

    /// Replicas tend the keys and verifiers fetch them all the while.
    fn pass(&mut self, millis: i64) {
        let until = self.now + millis.max(0);
        while self.now < until {
            self.now = until.min(self.now + 10_000);
            self.history.now = moment(self.now);
            let replica = self.roll(3);
            self.tend(replica);
            self.look();
            self.fetch();
        }
    }

    /// What the looks are for: while one way is stuck, no key signs that it does not carry.
    fn look(&mut self) {
        if !schedule::wants_look(&self.history) {
            return;
        }
        let copies = [0, 1, 2].map(|way| self.copy(way));
        let in_all = |kid: &&str| copies.iter().all(|copy| copy.public.kids().any(|known| known == *kid));
        let seen: Vec<String> = copies[0].public.kids().filter(in_all).map(str::to_owned).collect();
        let changes = schedule::sighting(&self.history, &self.times, &seen);
        self.commit(&changes, self.times.algorithm);
    }

    fn heal(&mut self) {
        if self.stuck.take().is_some() {
            // The hard age of a verifier's copy.
            self.healed = self.now + 602_000;
        }
    }

    /// The key set by one of three ways: a cache on it may hold a copy, and a replica may not have seen the last change.
    fn copy(&mut self, way: usize) -> Arc<Ring> {
        let oldest = millis(self.times.cache) - 602_000;
        let age = [0, oldest, self.roll(30_000) as i64][self.roll(3)] + self.roll(30_001) as i64;
        let age = age.min(oldest + millis(self.times.propagation));
        let since = self.stuck.filter(|_| way == 2).unwrap_or(self.now);
        self.view(age.max(self.now - since))
    }

    fn until_next_moment(&self) -> i64 {
        let ends = self.history.keys.iter().filter(|key| key.removed_at.is_none()).flat_map(|key| {
            let removal = key.retires_at.map(|at| at + key.tail.unwrap_or_default());
            [key.activates_at, removal]
        });
        let ahead = ends.flatten().map(|at| in_millis(at) - self.now).filter(|wait| *wait > 6_000);
        ahead.min().unwrap_or(300_000)
    }

    fn tend(&mut self, replica: usize) {
        let times = if replica == 2 { &self.old_times } else { &self.times };
        let changes = schedule::due(&self.history, times);
        if changes.is_empty() {
            return;
        }
        let algorithm = times.algorithm;
        self.commit(&changes, algorithm);
        let times = if replica == 2 { &self.old_times } else { &self.times };
        let history = &self.history;
        assert!(schedule::due(history, times).is_empty(), "what is done is still due");
        assert!(history.keys.iter().any(|key| key.state(history.now) == KeyState::Standby), "no standby");
    }

    fn fetch(&mut self) {
        for place in 0..self.verifiers.len() {
            let way = self.roll(3);
            let (fails, ring) = (self.roll(5) == 0, self.copy(way));
            let (skew, cache) = &mut self.verifiers[place];
            let local = seconds(self.now + *skew);
            if !cache.wants_fetch(local) {
                continue;
            }
            match fails {
                true => assert!(cache.replace(br#"{"keys":[]}"#, local).is_err()),
                false => cache.replace(ring.jwks.body.as_bytes(), local).unwrap(),
            }
        }
    }

    fn sign(&mut self, replica: usize, view_age: i64) {
        let local = |millis: i64| moment(millis + self.issuer_skews[replica]);
        let seen = self.now - view_age;
        let sight = Sight::new(local(seen), moment(seen), local(seen));
        let standing = sight.check(local(self.now), &self.times);
        // I9.
        let is_fresh = view_age <= millis(self.times.propagation);
        assert_eq!(standing, if is_fresh { Ok(()) } else { Err(CannotSign::StaleView) });
        if !is_fresh {
            return;
        }
        let kid =
            self.view(view_age).signer(local(self.now)).expect("I2: nothing to sign with").kid().to_owned();
        self.may_sign(&kid);
        let lifetime = if replica == 2 { &self.old_times } else { &self.times }.longest_token;
        let expires = local(self.now).unix_timestamp() + i64::try_from(lifetime.as_secs()).unwrap();
        self.tokens.push(Token { kid, expires });
    }

    /// I2 and I3.
    fn may_sign(&self, kid: &str) {
        let (now, skew) = (self.now, millis(self.times.skew));
        if let Some(lost_at) = self.lost.get(kid) {
            assert!(now <= lost_at + millis(self.times.propagation), "I3: {kid} signs though it is lost");
            return;
        }
        let line = self.history.keys.iter().find(|key| key.kid == kid).unwrap();
        assert!(line.activates_at.is_some_and(|at| in_millis(at) <= now + skew), "I3: {kid} signs too early");
        assert!(line.retires_at.is_none_or(|at| now <= in_millis(at) + skew), "I3: {kid} signs too late");
        for age in (0..=millis(self.times.propagation)).step_by(1000) {
            assert!(
                self.view(age).jwks.body.contains(kid),
                "I2: {kid} signs and is not published everywhere"
            );
        }
    }

    fn lose(&mut self, place: Option<usize>) {
        // An emergency waits for no look, so the operator repairs what is stuck first.
        self.heal();
        self.pass(self.healed - self.now);
        let history = self.history.clone();
        let is_active = |key: &&KeyLine| key.state(history.now) == KeyState::Active;
        let Some(key) =
            place.map_or_else(|| history.keys.iter().find(is_active), |n| history.keys.iter().rev().nth(n))
        else {
            return;
        };
        let known = history
            .keys
            .iter()
            .filter(|key| matches!(key.state(history.now), KeyState::Standby | KeyState::Planned))
            .any(|key| key.published_at + self.times.shortest_lead() <= history.now);
        match schedule::emergency(&history, &self.times, &key.kid, false) {
            Ok(changes) => {
                assert!(known || !is_active(&key), "I7: an emergency with a window was not announced");
                self.lost.insert(key.kid.clone(), self.now);
                self.commit(&changes, self.times.algorithm);
            }
            Err(KeyRefusal::Window { .. }) => assert!(is_active(&key) && !known),
            Err(refusal) => assert!(matches!(refusal, KeyRefusal::Compromised(_)), "{refusal}"),
        }
    }

    /// What the database held `age` milliseconds ago.
    fn view(&self, age: i64) -> Arc<Ring> {
        let then = self.now - age;
        self.views.iter().rev().find(|(since, _)| *since <= then).unwrap().1.clone()
    }

    /// SplitMix64: enough to choose who is asked.
    fn roll(&mut self, sides: u64) -> usize {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.dice ^ (self.dice >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        usize::try_from(((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 33) % sides).unwrap()
    }
}

const BEGIN: i64 = 1_700_000_000_000;

fn moment(millis: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap()
}

fn in_millis(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap()
}

fn seconds(millis: i64) -> u64 {
    u64::try_from(millis / 1000).unwrap()
}
