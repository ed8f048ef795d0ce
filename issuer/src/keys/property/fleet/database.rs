//! The fleet's database: what a decision does to the rows, under the rules that the schema holds.

use std::sync::Arc;
use std::time::Duration;

use super::{Fleet, moment};
use crate::keys::{Algorithm, Ring, kek, signer};
use crate::store::{KeyChange, KeyLine, SigningKey};

impl Fleet {
    /// One transaction of a replica with this algorithm, with the rules that the schema holds (I8).
    pub(super) fn commit(&mut self, changes: &[KeyChange], algorithm: Algorithm) {
        for change in changes {
            self.count(change);
            self.apply(change, algorithm);
            self.keep_rules();
        }
        let looked = |change: &KeyChange| {
            matches!(change, KeyChange::Sighted { .. } | KeyChange::Missed { .. } | KeyChange::Watch { .. })
        };
        if changes.iter().all(looked) {
            return;
        }
        let is_known = |key: &&KeyLine| key.removed_at.is_none() && key.compromised_at.is_none();
        let rows: Vec<SigningKey> =
            self.history.keys.iter().filter(is_known).map(|key| self.row(key)).collect();
        assert!(!rows.is_empty() && rows.len() <= 32, "I4");
        // I4: what a verifier would refuse does not become a ring, nor does a kid that is not its key's thumbprint.
        self.views.push((self.now, Arc::new(Ring::new(&rows, &kek()).unwrap())));
    }

    /// Replicas that undo each other's work would publish keys for ever.
    fn count(&mut self, change: &KeyChange) {
        match change {
            // The next standby, and where replicas' settings differ, a leftover's successor.
            KeyChange::Activate { .. } | KeyChange::Compromise { .. } => self.owed += 2,
            KeyChange::Publish { .. } => {
                self.owed = self.owed.checked_sub(1).expect("I12: replicas publish against each other");
            }
            _ => {}
        }
    }

    fn apply(&mut self, change: &KeyChange, algorithm: Algorithm) {
        let now = moment(self.now);
        match change {
            KeyChange::Publish { active, tail, watch } => {
                let new = signer::generate(&kek(), &self.world, algorithm).unwrap();
                let begins = active.then_some(now);
                self.history.keys.push(KeyLine {
                    kid: new.kid.clone(),
                    alg: new.alg.clone(),
                    published_at: now,
                    lead: begins.map(|_| Duration::ZERO),
                    activates_at: begins,
                    retires_at: None,
                    tail: Some(*tail),
                    removed_at: None,
                    compromised_at: None,
                    seen_since: None,
                    seen_at: None,
                    watch: (!active).then_some(*watch),
                });
                // I11: a kid is never used twice.
                assert!(self.material.insert(new.kid.clone(), new).is_none());
            }
            KeyChange::Activate { kid, at, lead } => {
                let shortest = self.old_times.shortest_lead();
                assert!(*lead >= shortest, "I8: {kid} was promised too short a lead");
                let key = self.line(kid);
                assert!(key.activates_at.is_none_or(|at| at > now), "I8: {kid} began already");
                (key.activates_at, key.lead) = (Some(*at), Some(*lead));
            }
            KeyChange::Retire { kid, at } => {
                let key = self.line(kid);
                assert!(key.retires_at.is_none_or(|at| at > now), "I8: {kid} ended already");
                key.retires_at = *at;
            }
            KeyChange::Keep { kid, tail } => {
                let key = self.line(kid);
                assert!(key.tail.is_none_or(|old| old < *tail), "I8: the tail of {kid} shrinks");
                key.tail = Some(*tail);
            }
            KeyChange::Watch { kid, watch } => self.line(kid).watch = *watch,
            KeyChange::Sighted { kid, since } => {
                let key = self.line(kid);
                (key.seen_since, key.seen_at) = (Some(*since), Some(now));
            }
            KeyChange::Missed { kid } => {
                let key = self.line(kid);
                (key.seen_since, key.seen_at) = (None, None);
            }
            KeyChange::CallOff { kid } => {
                let key = self.line(kid);
                assert!(key.activates_at.is_some_and(|at| at > now), "I8: {kid} began already");
                (key.activates_at, key.lead) = (None, None);
            }
            KeyChange::Remove { kid } => self.line(kid).removed_at = Some(now),
            KeyChange::Compromise { kid } => {
                let key = self.line(kid);
                key.compromised_at = Some(now);
                if key.activates_at.is_some_and(|at| at <= now) {
                    key.retires_at = Some(key.retires_at.map_or(now, |at| at.min(now)));
                }
            }
        }
    }

    fn keep_rules(&self) {
        for key in &self.history.keys {
            let lead = key.lead.unwrap_or_default();
            assert!(key.activates_at.is_none_or(|at| at >= key.published_at + lead), "I8: {key:?}");
            let seen =
                || key.seen_since.is_some_and(|since| key.activates_at >= Some(since + key.watch.unwrap()));
            assert!(key.watch.is_none() || key.activates_at.is_none() || seen(), "I8: {key:?}");
            let (Some(removed), None) = (key.removed_at, key.compromised_at) else { continue };
            let outlived = key.retires_at.is_none_or(|at| removed >= at + key.tail.unwrap());
            assert!(outlived, "I8: {key:?}");
        }
        let mut spans: Vec<_> = self
            .history
            .keys
            .iter()
            .filter(|key| key.compromised_at.is_none())
            .filter_map(|key| Some((key.activates_at?, key.retires_at)))
            .collect();
        spans.sort();
        for pair in spans.windows(2) {
            assert!(pair[0].1.is_some_and(|end| end <= pair[1].0), "I8: two keys sign at once: {spans:?}");
        }
    }

    fn line(&mut self, kid: &str) -> &mut KeyLine {
        self.history.keys.iter_mut().find(|key| key.kid == kid).unwrap()
    }

    fn row(&self, key: &KeyLine) -> SigningKey {
        let material = &self.material[&key.kid];
        SigningKey {
            kid: key.kid.clone(),
            alg: key.alg.clone(),
            public_jwk: material.public_jwk.clone(),
            sealed: material.sealed.clone(),
            published_at: key.published_at,
            activates_at: key.activates_at,
            retires_at: key.retires_at,
        }
    }
}
