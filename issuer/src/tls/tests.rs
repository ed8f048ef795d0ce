//! On real files; certificates are made as they are needed.

use std::fs;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;
use time::Duration as Span;

use super::*;

/// The first of January 2030.
fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_893_456_000).unwrap()
}

/// A directory with the two files.
struct Files {
    _directory: TempDir,
    files: TlsFiles,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files =
            TlsFiles { certificate: directory.path().join("tls.crt"), key: directory.path().join("tls.key") };
        let this = Self { _directory: directory, files };
        let (certificate, key) = pair(90);
        this.write(&certificate, &key);
        this
    }

    fn write(&self, certificate: &str, key: &str) {
        fs::write(&self.files.certificate, certificate).unwrap();
        fs::write(&self.files.key, key).unwrap();
    }

    fn refusal(&self) -> String {
        Tls::open(&self.files).unwrap_err().to_string()
    }
}

/// A certificate that is good for so many days from `now`, and its key.
fn pair(days: i64) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    (certificate.not_before, certificate.not_after) = (now(), now() + Span::days(days));
    (certificate.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_certificate_says_how_long_it_is_good() {
    let files = Files::new();

    let validity = Tls::open(&files.files).unwrap().validity();

    assert_eq!(validity, Validity { begins: now(), ends: now() + Span::days(90) });
    for (day, standing) in [
        (-1, Standing::NotYet),
        (0, Standing::Good),
        (81, Standing::Good),
        (82, Standing::EndsSoon),
        (90, Standing::EndsSoon),
        (91, Standing::Ended),
    ] {
        assert_eq!(validity.standing(now() + Span::days(day)), standing, "day {day}");
    }
}

#[test]
fn a_new_pair_is_taken_and_the_same_one_is_no_news() {
    let files = Files::new();
    let tls = Tls::open(&files.files).unwrap();
    let (certificate, key) = pair(30);

    assert!(!tls.reload().unwrap());
    files.write(&certificate, &key);
    assert!(tls.reload().unwrap());
    assert!(!tls.reload().unwrap());

    assert_eq!(tls.validity().ends, now() + Span::days(30));
}

#[test]
fn a_broken_pair_replaces_no_good_one() {
    let files = Files::new();
    let tls = Tls::open(&files.files).unwrap();
    let good = tls.held.pair();
    let ((certificate, key), (_, other)) = (pair(30), pair(30));

    for (certificate, key) in [(&certificate, &other), (&String::new(), &key), (&certificate, &certificate)] {
        files.write(certificate, key);
        tls.reload().unwrap_err();
        assert!(Arc::ptr_eq(&good, &tls.held.pair()));
    }
    fs::remove_file(&files.files.key).unwrap();
    tls.reload().unwrap_err();
    assert!(Arc::ptr_eq(&good, &tls.held.pair()));

    files.write(&certificate, &key);
    assert!(tls.reload().unwrap(), "what was broken is mended");
}

#[test]
fn a_broken_pair_is_named_without_its_content() {
    let files = Files::new();
    let ((certificate, key), (_, other)) = (pair(30), pair(30));
    let secret = key.lines().nth(1).unwrap();
    let torn = key.replace("-----END PRIVATE KEY-----", "");
    let one_line = key.replace('\n', "");
    let marked = format!("\u{feff}{key}");
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let old_label = certificate.replace("CERTIFICATE", "X509 CERTIFICATE");
    let nonsense = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    for (certificate, key, why) in [
        (certificate.as_str(), other.as_str(), "tls.key does not belong to the first certificate in"),
        ("", &key, "tls.crt must contain a CERTIFICATE section, but contains no PEM section at all"),
        (&key, &key, "tls.crt must contain a CERTIFICATE section, but contains only PRIVATE KEY"),
        (&old_label, &key, "but contains only X509 CERTIFICATE"),
        (&certificate, "", "tls.key must contain a PRIVATE KEY section, but contains no PEM section at all"),
        (&certificate, &torn, "tls.key cannot be read as PEM: a section does not end"),
        (&certificate, &one_line, "tls.key cannot be read as PEM: a `-----BEGIN "),
        (&certificate, &marked, "tls.key cannot be read as PEM: it begins with a byte order mark"),
        (&certificate, &encrypted, "tls.key cannot be read as PEM: its private key is encrypted"),
        (&certificate, nonsense, "tls.key cannot be used"),
    ] {
        files.write(certificate, key);
        let error = Tls::open(&files.files).unwrap_err();
        let (refusal, debugged) = (error.to_string(), format!("{error:?}"));
        assert!(refusal.contains(why), "{refusal}");
        // As text, or as the numbers of its bytes.
        let numbers = format!("{:?}", secret.as_bytes());
        for printed in [&refusal, &debugged] {
            assert!(
                !printed.contains(secret) && !printed.contains(numbers.trim_matches(['[', ']'])),
                "{printed}"
            );
        }
    }
    fs::remove_file(&files.files.key).unwrap();
    assert!(files.refusal().contains("tls.key cannot be read: "));
}

#[test]
fn nothing_prints_the_key() {
    let files = Files::new();

    let printed = format!("{:?}", Tls::open(&files.files).unwrap());

    assert!(printed.contains("tls.key") && printed.len() < 300, "{printed}");
}

#[cfg(unix)]
#[test]
fn a_key_that_everyone_may_read_is_noticed() {
    use std::os::unix::fs::PermissionsExt as _;
    let files = Files::new();
    let tls = Tls::open(&files.files).unwrap();

    for (mode, open) in [(0o600, false), (0o640, false), (0o644, true)] {
        fs::set_permissions(&files.files.key, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(tls.key_is_open(), open, "{mode:o}");
    }
}
