//! The counters and gauges of one worker, which become Envoy's own statistics.
//!
//! A request only raises a number in this VM; the tick hands the numbers over. Envoy never forgets a statistic, and
//! each definition costs memory, so every name is defined once for a VM and the names are few.

use keystone_verifier::text;

use crate::host::{Host, Metric};

/// A counter: its name and what distinguishes it from others of the name, as `code.expired`.
pub(crate) type Counter = (&'static str, &'static str, &'static str);

#[derive(Debug)]
pub(crate) struct Metrics {
    /// Raised since the last hand-over. Few, and most often the same.
    raised: Vec<(Counter, u64)>,
    /// Their numbers at Envoy; `None` if it refused to define them.
    defined: Vec<(String, Option<u32>)>,
}

impl Metrics {
    pub(crate) const fn new() -> Self {
        Self { raised: Vec::new(), defined: Vec::new() }
    }

    pub(crate) fn raise(&mut self, counter: Counter, by: u64) {
        match self.raised.iter_mut().find(|(known, _)| is_same(known, &counter)) {
            Some((_, raised)) => *raised += by,
            None if by > 0 => self.raised.push((counter, by)),
            None => {}
        }
    }

    pub(crate) fn set(&mut self, host: &impl Host, name: String, value: u64) {
        if let Some(metric) = self.id(host, Metric::Gauge, name) {
            host.set_metric(metric, value);
        }
    }

    pub(crate) fn hand_over(&mut self, host: &impl Host) {
        for ((name, label, value), by) in std::mem::take(&mut self.raised) {
            let name = if label.is_empty() { name.to_owned() } else { text!("{name}.{label}.{value}") };
            if let Some(metric) = self.id(host, Metric::Counter, name) {
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

/// Compares places instead of texts: the names are constants, and one that has two places is only handed over twice.
fn is_same(one: &Counter, other: &Counter) -> bool {
    std::ptr::eq(one.0, other.0) && std::ptr::eq(one.2, other.2)
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

    const EXPIRED: Counter = ("decisions", "code", "expired");

    #[test]
    fn what_was_raised_is_handed_over_once() {
        let host = Process::start().host();
        let mut metrics = Metrics::new();
        metrics.raise(EXPIRED, 1);
        metrics.raise(EXPIRED, 2);
        metrics.raise(("hits", "", ""), 0);

        metrics.hand_over(&host);
        metrics.hand_over(&host);

        assert_eq!(host.metric("decisions.code.expired"), Some(3));
        assert_eq!(host.metric("hits"), None);
    }

    #[test]
    fn a_name_is_defined_once_and_names_are_bounded() {
        let host = Process::start().host();
        let mut metrics = Metrics::new();
        for round in 0..2000 {
            metrics.set(&host, "age.issuer.a".to_owned(), round);
            metrics.set(&host, format!("age.issuer.{round}"), round);
        }

        assert_eq!(host.metric("age.issuer.a"), Some(1999));
        assert_eq!(host.definitions(), MAX_METRICS);
    }

    #[test]
    fn an_issuer_is_one_part_of_a_name() {
        assert_eq!(part("https://as.example:8443/a"), "as_example_8443_a");
    }
}
