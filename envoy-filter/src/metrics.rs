//! The counters and gauges of one worker, which become Envoy's own statistics.
//!
//! A request only raises a number in this VM; the tick hands the numbers over. Envoy never forgets a statistic, and
//! each definition costs memory, so every name is defined once for a VM and the names are few.

use keystone_verifier::text;

use crate::host::{Host, Metric};

/// A family of statistics: its name and the name of its label, empty if it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    name: &'static str,
    label: &'static str,
}

macro_rules! families {
    ($($constant:ident $name:literal $label:literal;)+) => {
        $(pub(crate) const $constant: Family = Family { name: $name, label: $label };)+

        /// Every family, for the test that compares them with `docs/envoy.md`.
        #[cfg(test)]
        const FAMILIES: &[Family] = &[$($constant),+];
    };
}

families! {
    CACHE_HITS "keystone_cache_hits_total" "";
    DECISIONS "keystone_decisions_total" "code";
    HELD_REQUESTS "keystone_held_requests_total" "";
    KEY_AGE "keystone_key_age_seconds" "issuer";
    KEY_FETCHES "keystone_key_fetches_total" "result";
    KEYS_USABLE "keystone_keys_usable" "issuer";
    REVOCATION_AGE "keystone_revocation_age_seconds" "issuer";
    REVOCATION_PAGES "keystone_revocation_pages_total" "result";
    REVOCATIONS "keystone_revocations" "issuer";
    SHADOW_DIFFERENCES "keystone_shadow_differences_total" "code";
    WORKER_HEARTBEAT "keystone_worker_heartbeat_seconds" "worker";
}

impl Family {
    /// Returns the name of the statistic with this value of the label.
    fn with(self, value: &str) -> String {
        let Self { name, label } = self;
        if label.is_empty() { name.to_owned() } else { text!("{name}.{label}.{value}") }
    }
}

#[derive(Debug)]
pub(crate) struct Metrics {
    /// Raised since the last hand-over. Few, and most often the same.
    raised: Vec<Raised>,
    /// Their numbers at Envoy; `None` if it refused to define them.
    defined: Vec<(String, Option<u32>)>,
}

#[derive(Debug)]
struct Raised {
    family: Family,
    value: &'static str,
    by: u64,
}

impl Metrics {
    pub(crate) const fn new() -> Self {
        Self { raised: Vec::new(), defined: Vec::new() }
    }

    /// Raises the counter with this value of the label.
    pub(crate) fn raise(&mut self, family: Family, value: &'static str, by: u64) {
        match self.raised.iter_mut().find(|known| known.is_of(family, value)) {
            Some(known) => known.by += by,
            None if by > 0 => self.raised.push(Raised { family, value, by }),
            None => {}
        }
    }

    /// Sets the gauge with this value of the label.
    pub(crate) fn set(&mut self, host: &impl Host, family: Family, value: &str, number: u64) {
        if let Some(metric) = self.id(host, Metric::Gauge, family.with(value)) {
            host.set_metric(metric, number);
        }
    }

    pub(crate) fn hand_over(&mut self, host: &impl Host) {
        for Raised { family, value, by } in std::mem::take(&mut self.raised) {
            if let Some(metric) = self.id(host, Metric::Counter, family.with(value)) {
                host.raise_metric(metric, by);
            }
        }
    }

    fn id(&mut self, host: &impl Host, kind: Metric, name: String) -> Option<u32> {
        match self.defined.iter().find(|(known, _)| *known == name) {
            Some((_, id)) => *id,
            None if self.defined.len() >= MAX_METRICS => None,
            None => {
                let id = host.define_metric(kind, &name);
                self.defined.push((name, id));
                id
            }
        }
    }
}

impl Raised {
    /// Compares places instead of texts: the names are constants, and one that has two places is only handed over twice.
    fn is_of(&self, family: Family, value: &str) -> bool {
        std::ptr::eq(self.family.name, family.name) && std::ptr::eq(self.value, value)
    }
}

/// An issuer as a part of a statistic's name: without the scheme, and what could end the part is replaced.
pub(crate) fn part(issuer: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let schemes = ["https://", "http://"];
    let name = schemes.iter().find_map(|scheme| issuer.strip_prefix(scheme)).unwrap_or(issuer);
    name.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect()
}

/// All codes, and the issuers of many policies that follow each other.
const MAX_METRICS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Process;

    #[test]
    fn every_family_is_documented() {
        let manual = include_str!("../../docs/envoy.md");
        for Family { name, label } in FAMILIES {
            let row =
                if label.is_empty() { format!("| `{name}` |") } else { format!("| `{name}{{{label}}}` |") };
            assert!(manual.contains(&row), "{row}");
        }
    }

    #[test]
    fn what_was_raised_is_handed_over_once() {
        let host = Process::start().host();
        let mut metrics = Metrics::new();
        metrics.raise(DECISIONS, "expired", 1);
        metrics.raise(DECISIONS, "expired", 2);
        metrics.raise(CACHE_HITS, "", 0);

        metrics.hand_over(&host);
        metrics.hand_over(&host);

        assert_eq!(host.metric("keystone_decisions_total.code.expired"), Some(3));
        assert_eq!(host.metric("keystone_cache_hits_total"), None);
    }

    #[test]
    fn a_name_is_defined_once_and_names_are_bounded() {
        let host = Process::start().host();
        let mut metrics = Metrics::new();
        for round in 0..2000 {
            metrics.set(&host, KEY_AGE, "a", round);
            metrics.set(&host, KEY_AGE, &format!("issuer-{round}"), round);
        }

        assert_eq!(host.metric("keystone_key_age_seconds.issuer.a"), Some(1999));
        assert_eq!(host.definitions(), MAX_METRICS);
    }

    #[test]
    fn an_issuer_is_one_part_of_a_name() {
        assert_eq!(part("https://as.example:8443/a"), "as_example_8443_a");
    }
}
