//! The certificate of the public listener: read from files, replaced while running, never by one that does not work.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use time::OffsetDateTime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::verify_server_cert_signed_by_trust_anchor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{CertificateError, Error, InconsistentKeys, RootCertStore, ServerConfig};

pub use self::pem::{Labels, PemError};
use crate::config::TlsFiles;

mod pem;

/// Clones share the pair: what one reloads, all use from the next handshake on.
#[derive(Clone)]
pub struct Tls {
    files: TlsFiles,
    held: Arc<Held>,
    server: Arc<ServerConfig>,
}

/// Why a certificate and its key cannot be used. Names files, never what is in them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{} cannot be read: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} cannot be read as PEM: {source}", .path.display())]
    Pem { path: PathBuf, source: PemError },
    #[error("{} must contain a CERTIFICATE section, but contains {found}", .path.display())]
    NoCertificate { path: PathBuf, found: Labels },
    #[error("{} must contain a PRIVATE KEY section, but contains {found}", .path.display())]
    NoKey { path: PathBuf, found: Labels },
    #[error("the private key in {} does not belong to the first certificate in {}", .0.key.display(), .0.certificate.display())]
    Mismatch(TlsFiles),
    #[error("{} and {} cannot be used: {source}", .files.certificate.display(), .files.key.display())]
    Unusable { files: TlsFiles, source: Error },
}

impl Tls {
    pub fn open(files: &TlsFiles) -> Result<Self, TlsError> {
        let held = Arc::new(Held(RwLock::new(Arc::new(Pair::read(files)?))));
        let mut server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::Unusable { files: files.clone(), source })?
            .with_no_client_auth()
            .with_cert_resolver(held.clone());
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files: files.clone(), held, server: Arc::new(server) })
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.server.clone())
    }

    /// Takes what the files hold now; `false` if that is the same certificate. An error leaves the old pair in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let fresh = Pair::read(&self.files)?;
        if fresh.certified.cert == self.held.pair().certified.cert {
            return Ok(false);
        }
        *self.held.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(true)
    }

    /// When the certificate in use is good.
    pub fn validity(&self) -> Validity {
        self.held.pair().validity
    }

    /// Whether the private key is readable by every user of this machine.
    pub fn key_is_open(&self) -> bool {
        is_open(&self.files.key)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

/// The time for which a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub begins: OffsetDateTime,
    pub ends: OffsetDateTime,
}

/// What a clock says to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    NotYet,
    Good,
    /// In the last tenth of its time: whatever renews certificates should have done so.
    EndsSoon,
    Ended,
}

impl Validity {
    pub fn standing(&self, now: OffsetDateTime) -> Standing {
        match now {
            _ if now < self.begins => Standing::NotYet,
            _ if now > self.ends => Standing::Ended,
            _ if now > self.ends - (self.ends - self.begins) / 10 => Standing::EndsSoon,
            _ => Standing::Good,
        }
    }
}

/// A certificate with its chain and its key, found to belong together.
struct Pair {
    certified: Arc<CertifiedKey>,
    validity: Validity,
}

impl Pair {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let unusable = |source| TlsError::Unusable { files: files.clone(), source };
        let (chain, key) = (pem::chain(&files.certificate)?, pem::private_key(&files.key)?);
        let certified =
            CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch(files.clone()),
                error => unusable(error),
            })?;
        let validity = validity(&certified).map_err(unusable)?;
        Ok(Self { certified: Arc::new(certified), validity })
    }
}

struct Held(RwLock<Arc<Pair>>);

impl Held {
    fn pair(&self) -> Arc<Pair> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Held {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair().certified.clone())
    }
}

/// Asks what is wrong with the certificate at the two ends of time, for the answer says when it begins and ends: a
/// reader of certificates is part of rustls, and another one would be a second opinion.
fn validity(certified: &CertifiedKey) -> Result<Validity, Error> {
    let certificate = ParsedCertificate::try_from(certified.end_entity_cert()?)?;
    let algorithms = default_provider().signature_verification_algorithms.all;
    let at = |seconds| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &RootCertStore::empty(),
            &[],
            time,
            algorithms,
        )
    };
    let begins = match at(0) {
        Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
            moment(not_before)
        }
        _ => OffsetDateTime::UNIX_EPOCH,
    };
    match at(u64::MAX) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Ok(Validity { begins, ends: moment(not_after) })
        }
        Err(error) => Err(error),
        Ok(()) => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
    }
}

fn moment(time: UnixTime) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(unix)]
fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests;
