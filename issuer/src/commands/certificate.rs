//! Keeps the certificate of the public listener fresh while `serve` runs, and says what is wrong with it, once.

use std::time::Duration;

use super::{Failure, open};
use crate::clock::World;
use crate::config::TlsFiles;
use crate::tls::{Standing, Tls, TlsError};

pub(super) fn open(files: &TlsFiles) -> Result<Tls, Failure> {
    let tls = Tls::open(files).map_err(open::failed)?;
    if tls.key_is_open() {
        tracing::warn!(file = %files.key.display(), "the private key is readable by every user of this machine");
    }
    Ok(tls)
}

/// Looks at the files now and then, and at once when asked by SIGHUP.
pub(super) async fn watch(tls: Tls, world: World, mut hangup: Hangup) {
    let mut told = Told::default();
    loop {
        told.standing(&tls, &world);
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = hangup.heard() => {}
        }
        let looking = tls.clone();
        // A disk may take its time.
        if let Ok(outcome) = tokio::task::spawn_blocking(move || looking.reload()).await {
            told.outcome(outcome);
        }
    }
}

/// Answers SIGHUP where no certificate is configured.
pub(super) async fn ignore(mut hangup: Hangup) {
    loop {
        hangup.heard().await;
        tracing::warn!("SIGHUP ignored: `tls.certificate_file` is not set; other settings need a restart");
    }
}

/// What the log knows already.
#[derive(Default)]
struct Told {
    error: Option<String>,
    standing: Option<Standing>,
}

impl Told {
    fn outcome(&mut self, outcome: Result<bool, TlsError>) {
        match &outcome {
            Ok(true) => {
                tracing::info!("certificate reloaded");
                self.standing = None;
            }
            Ok(false) => {}
            Err(error) if self.error.as_ref() == Some(&error.to_string()) => {}
            Err(error) => {
                tracing::error!(%error, "reloading the certificate failed; the previous one stays in use")
            }
        }
        self.error = outcome.err().map(|error| error.to_string());
    }

    fn standing(&mut self, tls: &Tls, world: &World) {
        let validity = tls.validity();
        let standing = validity.standing(world.now());
        if self.standing.replace(standing) == Some(standing) {
            return;
        }
        let (begins, ends) = (validity.begins, validity.ends);
        match standing {
            Standing::Good => tracing::info!(%ends, "certificate valid"),
            Standing::EndsSoon => tracing::warn!(%ends, "certificate expires soon"),
            Standing::Ended => tracing::error!(%ends, "certificate expired; clients reject it"),
            Standing::NotYet => {
                tracing::error!(%begins, "certificate not valid yet; clients reject it")
            }
        }
    }
}

/// SIGHUP, where there is such a thing.
pub(super) struct Hangup(#[cfg(unix)] tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangup {
    pub(super) fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::hangup()).map(Self).map_err(open::failed)
    }

    async fn heard(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

#[cfg(not(unix))]
impl Hangup {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self())
    }

    async fn heard(&mut self) {
        std::future::pending().await
    }
}

const POLL: Duration = Duration::from_secs(10);
