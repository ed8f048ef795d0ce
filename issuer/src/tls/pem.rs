//! Reads a certificate chain and a private key from PEM files (RFC 7468).
//!
//! The parser's own errors quote the file, so none of them is kept: what a private key's file holds must not reach a log.

use std::path::Path;

use tokio_rustls::rustls::pki_types::pem::{Error, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::TlsError;

/// Why a file cannot be read as PEM. Holds nothing of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    #[error("it begins with a byte order mark; save it as ASCII")]
    ByteOrderMark,
    #[error(
        "it is DER; convert it, for example with `openssl x509 -inform DER` or `openssl pkey -inform DER`"
    )]
    Der,
    #[error("its private key is encrypted; decrypt it, for example with `openssl pkey`")]
    Encrypted,
    #[error("a `-----BEGIN ` marker is incomplete; the base64 must start on the next line")]
    SectionStart,
    #[error("a section does not end with its `-----END …-----` line")]
    SectionEnd,
    #[error("a section is not valid base64")]
    Base64,
    #[error("a section is too large")]
    TooLarge,
    #[error("it cannot be read to its end")]
    Incomplete,
}

/// The certificates of a file, in their order; at least one.
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(path)?;
    let chain = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem { path: path.to_owned(), source: without_content(&error) })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned(), found: Labels::of(&bytes) });
    }
    Ok(chain)
}

/// The first private key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(path)?;
    if ENCRYPTED.iter().any(|sign| contains(&bytes, sign)) {
        return Err(TlsError::Pem { path: path.to_owned(), source: PemError::Encrypted });
    }
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| match error {
        Error::NoItemsFound => TlsError::NoKey { path: path.to_owned(), found: Labels::of(&bytes) },
        error => TlsError::Pem { path: path.to_owned(), source: without_content(&error) },
    })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let bytes = std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|source| TlsError::Read { path: path.to_owned(), source })?;
    let fault = match bytes.as_slice() {
        [0xef, 0xbb, 0xbf, ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => PemError::ByteOrderMark,
        // A SEQUENCE, with which every key and certificate begins (X.690 §8.9).
        [0x30, length, ..] if *length >= 0x80 || usize::from(*length) + 2 == bytes.len() => PemError::Der,
        _ if sections(&bytes).any(|label| label.is_none()) => PemError::SectionStart,
        _ => return Ok(bytes),
    };
    Err(TlsError::Pem { path: path.to_owned(), source: fault })
}

fn without_content(error: &Error) -> PemError {
    match error {
        Error::IllegalSectionStart { .. } => PemError::SectionStart,
        Error::MissingSectionEnd { .. } => PemError::SectionEnd,
        Error::Base64Decode(_) => PemError::Base64,
        Error::SectionTooLarge => PemError::TooLarge,
        _ => PemError::Incomplete,
    }
}

/// The labels of a file's sections, for the message that the expected one is not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels(Vec<String>);

impl Labels {
    fn of(bytes: &[u8]) -> Self {
        Self(sections(bytes).flatten().collect())
    }
}

/// The label of each line that begins a section. `None`: the line is no marker, but holds more than a label, like base64.
fn sections(bytes: &[u8]) -> impl Iterator<Item = Option<String>> {
    let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.filter_map(|line| line.strip_prefix(b"-----BEGIN ")).map(|rest| {
        let label = rest.trim_ascii_end().strip_suffix(b"-----")?;
        let is_label = label.len() <= LONGEST_LABEL
            && label.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b' '));
        is_label.then(|| String::from_utf8_lossy(label).into_owned())
    })
}

impl std::fmt::Display for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("no PEM section at all"),
            labels => write!(f, "only {}", labels.join(", ")),
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// RFC 5958 in PEM, and OpenSSL's own form (RFC 1421).
const ENCRYPTED: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED"];
/// Of the labels in use (RFC 7468 §4).
const LONGEST_LABEL: usize = 40;
