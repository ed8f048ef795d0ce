//! Records in the host's shared data, by which the workers of a process tell each other what they know.
//!
//! Every plugin of the same `vm_id` reads and writes there, whatever its code. So each record carries a tag that follows from
//! its name, which says the configuration it rests on, and from its value: what another plugin writes by accident, or what
//! belongs under another name, is taken for nothing. A plugin that computes the tag on purpose is not kept out (see
//! docs/envoy.md).

use keystone_verifier::text;
use sha2::{Digest as _, Sha512_256};

use crate::host::{Host, Shared};

/// A record by its name.
#[derive(Debug)]
pub(crate) struct Record {
    name: String,
}

/// The content of a record.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Nothing,
    /// Not what this filter wrote there.
    Foreign,
    Own(Shared),
}

/// The source of a record: the server there is believed about the issuer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) url: &'a str,
    pub(crate) cluster: &'a str,
    pub(crate) issuer: &'a str,
}

impl Record {
    /// The record of a kind for all who fetch from `origin`, and for nobody else. The number in the name is that of the
    /// records' form: another release may run beside this one during an update.
    pub(crate) fn new(kind: &str, origin: Origin<'_>) -> Self {
        let Origin { url, cluster, issuer } = origin;
        // Lengths, so that no two ways to split a text give the same name.
        Self { name: text!("keystone/2/{kind} {}:{url} {}:{cluster} {issuer}", url.len(), cluster.len()) }
    }

    /// The record of a worker.
    pub(crate) fn of_worker(number: u32) -> Self {
        Self { name: text!("keystone/2/worker {number}") }
    }

    /// A part of what stands under this name.
    pub(crate) fn part(&self, at: usize, of: usize) -> Self {
        Self { name: text!("{} {at}/{of}", self.name) }
    }

    pub(crate) fn find(&self, host: &impl Host) -> Found {
        match host.shared(&self.name) {
            None => Found::Nothing,
            Some(shared) => self.own(shared).map_or(Found::Foreign, Found::Own),
        }
    }

    pub(crate) fn read(&self, host: &impl Host) -> Option<Shared> {
        self.own(host.shared(&self.name)?)
    }

    /// The value, unless `version` is that of the record already. `version` becomes that of the record.
    pub(crate) fn read_new(&self, host: &impl Host, version: &mut Option<u32>) -> Option<Vec<u8>> {
        let shared = host.shared(&self.name)?;
        if version.replace(shared.version) == Some(shared.version) {
            return None;
        }
        self.own(shared).map(|shared| shared.value)
    }

    /// Writes, if it was not written since `version` was read. `None` writes in any case.
    pub(crate) fn write(&self, host: &impl Host, value: &[u8], version: Option<u32>) -> bool {
        host.share(&self.name, &[&self.tag(value)[..], value].concat(), version)
    }

    /// Writes in any case. The version is `None` if someone else was faster by a hair: then the next look finds theirs.
    pub(crate) fn publish(&self, host: &impl Host, value: &[u8]) -> Option<u32> {
        self.write(host, value, None);
        self.read(host).filter(|record| record.value == value).map(|record| record.version)
    }

    fn own(&self, shared: Shared) -> Option<Shared> {
        let (tag, value) = shared.value.split_at_checked(TAG_BYTES)?;
        (tag == self.tag(value)).then(|| Shared { value: value.to_vec(), version: shared.version })
    }

    /// SHA-512/256 gives no way to go on from the tag of one value to that of a longer one.
    fn tag(&self, value: &[u8]) -> [u8; TAG_BYTES] {
        let length = u64::try_from(self.name.len()).unwrap_or(u64::MAX);
        let mut hash = Sha512_256::new();
        hash.update(PURPOSE);
        hash.update(length.to_le_bytes());
        hash.update(self.name.as_bytes());
        hash.update(value);
        hash.finalize().into()
    }
}

const PURPOSE: &[u8] = b"keystone envoy filter, shared data, form 2\n";
const TAG_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Process;

    fn record(kind: &str) -> Record {
        Record::new(kind, Origin { url: "http://as.test/k", cluster: "c", issuer: "http://as.test" })
    }

    #[test]
    fn a_value_is_read_back_under_its_name_only() {
        let host = Process::start().host();
        record("a").write(&host, b"value", None);
        let written = host.shared(&record("a").name).unwrap().value;
        host.share(&record("b").name, &written, None);

        assert_eq!(record("a").read(&host).unwrap().value, b"value");
        assert!(record("b").read(&host).is_none());
        assert!(matches!(record("b").find(&host), Found::Foreign));
        assert!(matches!(record("c").find(&host), Found::Nothing));
    }

    #[test]
    fn whatever_else_stands_under_a_name_is_taken_for_nothing() {
        let host = Process::start().host();
        record("a").write(&host, b"value", None);
        let written = host.shared(&record("a").name).unwrap().value;

        for at in 0..written.len() {
            let mut changed = written.clone();
            changed[at] ^= 1;
            host.share(&record("a").name, &changed, None);
            assert!(record("a").read(&host).is_none(), "{at}");
        }
        for length in 0..written.len() {
            host.share(&record("a").name, &written[..length], None);
            assert!(record("a").read(&host).is_none(), "{length}");
        }
    }

    #[test]
    fn a_value_is_looked_at_once_for_each_version() {
        let host = Process::start().host();
        let mut version = None;
        assert_eq!(record("a").read_new(&host, &mut version), None);
        record("a").write(&host, b"1", None);

        assert_eq!(record("a").read_new(&host, &mut version).as_deref(), Some(&b"1"[..]));
        assert_eq!(record("a").read_new(&host, &mut version), None);
        version = record("a").publish(&host, b"2");
        assert_eq!(record("a").read_new(&host, &mut version), None);
    }

    #[test]
    fn every_part_of_a_place_makes_another_name() {
        let names =
            [("a", "b", "c"), ("a b", "c", "d"), ("a", "b c", "d"), ("a", "b", "c d"), ("a 1:b", "c", "d")]
                .map(|(url, cluster, issuer)| Record::new("keys", Origin { url, cluster, issuer }).name);

        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{name}");
        }
        assert_ne!(record("a").part(0, 2).name, record("a").part(0, 4).name);
    }
}
