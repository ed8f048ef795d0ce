//! `keystone serve`: the issuer on its two listeners, until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::certificate::{self, Hangup};
use super::descriptors;
use super::open::{self, Schema};
use super::{Failure, log};
use crate::cache::{Cache, MemoryCache, RedisCache};
use crate::clock::World;
use crate::config::Config;
use crate::http::{
    self,
    server::{self, Admission, Stop, Terms},
};
use crate::issuer::{Issuer, Parts};
use crate::keys::{Algorithm, Lookout};
use crate::store::{KeyChange, Swept};
use crate::sweep::{complete_names, sweep};
use crate::telemetry::Telemetry;

pub(super) async fn run(config: Config, world: World, migrate: bool) -> Result<(), Failure> {
    let (telemetry, watchers) = Telemetry::start(&config, &world).map_err(open::failed)?;
    log::start(&config, &world, watchers);
    leave_no_core();
    let connections = descriptors::shared_out(config.database.max_connections)?;
    // Taken first: a second start must not touch the data of the first.
    let public = bind("listen", config.listen)?;
    let operations = bind("operations_listen", config.operations_listen)?;
    let tls = config.tls.as_ref().map(certificate::open).transpose()?;

    let store = open::store(&config, if migrate { Schema::Migrate } else { Schema::Check }).await?;
    let kek = open::key_encryption_key(&config, &world)?;
    open::warn_of_modes(&config);
    open::warn_of_plain_database(&config);
    let cache = cache(&config, &world)?;
    let issuer = Issuer::open(config, Parts { world, store, cache, kek }).await.map_err(open::failed)?;
    let issuer = Arc::new(issuer);
    // Before the first token: settings that let tokens live longer keep older keys for longer.
    issuer.keys.tend(&issuer.store).await.map_err(open::failed)?;

    let lookout = Lookout::new(&issuer.config.jwks_url).map_err(open::failed)?;
    let stop = Stop::new(stop_signal()?, issuer.config.drain);
    tokio::spawn(watch_keys(issuer.clone()));
    tokio::spawn(sweep_always(issuer.clone()));
    tokio::spawn(report_alive(issuer.clone()));
    tokio::spawn(watch_published_keys(issuer.clone(), lookout));
    // Taken without a certificate too: the signal would end the process.
    let hangup = Hangup::new()?;
    match &tls {
        Some(tls) => tokio::spawn(certificate::watch(tls.clone(), issuer.world.clone(), hangup)),
        None => tokio::spawn(certificate::ignore(hangup)),
    };
    announce("public", &public, &issuer);
    announce("operations", &operations, &issuer);
    warn_of_algorithm(issuer.config.keys.algorithm);
    let store = issuer.store.clone();
    let limits = &issuer.config.limits;
    let public_terms = Terms {
        admission: Admission::new(
            connections.public,
            limits.connections_per_address,
            &limits.trusted_proxies,
        ),
        routes: http::public(issuer.clone()),
        tls,
    };
    let operations_terms = Terms {
        admission: Admission::new(connections.operations, connections.operations, &[]),
        routes: http::operations(issuer),
        tls: None,
    };
    // As tasks of their own: what comes from outside the runtime's threads joins the one queue that all of them share, and
    // of many new connections the last would stand there before the first one's answer from the database.
    let serving = [(public, public_terms), (operations, operations_terms)]
        .map(|(listener, terms)| tokio::spawn(server::serve(listener, terms, stop.clone())));
    for served in serving {
        served.await.map_err(open::failed)?;
    }
    open::close(&store).await;
    telemetry.finish().await;
    tracing::info!("stopped");
    Ok(())
}

/// A core file would hold keys and passwords.
fn leave_no_core() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
            tracing::warn!(%error, "disabling core dumps failed");
        }
    }
}

fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    listener(address)
        .map_err(|error| Failure::new(format!("`{setting}` {address} cannot be used: {}", cause(&error))))
}

/// Only the backlog differs from what is usual: whoever finds it full hears nothing, and asks again after 200 ms at best.
fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn cause(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process is listening there".to_owned(),
        _ => error.to_string(),
    }
}

fn cache(config: &Config, world: &World) -> Result<Arc<dyn Cache>, Failure> {
    let memory = MemoryCache::new(world.clock.clone(), config.limits.replicas);
    match &config.redis_url {
        None => Ok(Arc::new(memory)),
        Some(url) => {
            let fallbacks = world.metrics.redis_fallbacks.clone();
            Ok(Arc::new(RedisCache::connect(url.expose(), memory, fallbacks).map_err(open::failed)?))
        }
    }
}

/// Every replica sees a published key well before it signs, and any of them does what is due.
async fn watch_keys(issuer: Arc<Issuer>) {
    let mut pause = KEY_POLL;
    loop {
        tokio::time::sleep(pause).await;
        if let Err(error) = issuer.keys.refresh(&issuer.store).await {
            tracing::warn!(%error, "refreshing the signing keys failed; the previous ones stay in use");
            pause = KEY_RETRY;
            continue;
        }
        pause = KEY_POLL;
        match issuer.keys.tend(&issuer.store).await {
            Ok(changes) => changes.iter().for_each(|change| tracing::info!(?change, "signing keys changed")),
            Err(error) => tracing::warn!(%error, "a scheduled change of the signing keys failed"),
        }
    }
}

/// Apart from the other watch: an answer that takes its time must not make this replica's view of the keys old.
async fn watch_published_keys(issuer: Arc<Issuer>, lookout: Lookout) {
    loop {
        tokio::time::sleep(KEY_POLL).await;
        match issuer.keys.look(&issuer.store, &lookout).await {
            Ok(changes) => changes.iter().for_each(tell_of_look),
            Err(error) => {
                let url = issuer.config.jwks_url.as_str();
                tracing::warn!(%error, url, "checking the published key set failed; rotation waits for it");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// Every replica that could answer a refresh says so, so that the times in which none could are known afterwards.
async fn report_alive(issuer: Arc<Issuer>) {
    let grace = issuer.config.sessions.grace;
    // Where no predecessor is answered, nobody asks.
    while !grace.is_zero() {
        if issuer.keys.signing(issuer.world.now()).is_ok() {
            // One sign of life may be late, or get lost, without an outage.
            match issuer.store.report_alive(grace / 2).await {
                Ok(Some(outage)) => tracing::warn!(
                    seconds = outage.as_secs(),
                    "no issuer was available; the grace period of refresh tokens is extended by this time"
                ),
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "recording a heartbeat failed"),
            }
        }
        tokio::time::sleep(grace / 4).await;
    }
}

/// Any replica deletes what is over; that one of them stops stops nothing.
async fn sweep_always(issuer: Arc<Issuer>) {
    if let Err(error) = complete_names(&issuer.store).await {
        tracing::warn!(%error, "completing the names of older users failed; the next start continues");
    }
    loop {
        tokio::time::sleep(SWEEP).await;
        match sweep(&issuer.store, &issuer.world).await {
            Ok(Swept { sessions, events, behind: true }) => {
                tracing::warn!(
                    sessions,
                    events,
                    "retention cannot keep up with expired sessions and revocations"
                );
            }
            Ok(Swept { sessions, events, .. }) => {
                tracing::debug!(sessions, events, "expired sessions and revocations deleted")
            }
            Err(error) => {
                tracing::warn!(%error, "deleting expired sessions and revocations failed; the next run retries")
            }
        }
    }
}

fn tell_of_look(change: &KeyChange) {
    match change {
        KeyChange::Missed { kid } => {
            tracing::warn!(kid, "published key set lacks a key that is due to sign")
        }
        KeyChange::CallOff { kid } => tracing::warn!(kid, "rotation cancelled"),
        _ => {}
    }
}

fn announce(listener: &'static str, socket: &TcpListener, issuer: &Issuer) {
    match socket.local_addr() {
        Ok(address) => tracing::info!(listener, %address, issuer = issuer.config.issuer, "listening"),
        Err(error) => tracing::warn!(listener, %error, "listening on an unknown address"),
    }
}

fn warn_of_algorithm(algorithm: Algorithm) {
    if algorithm != Algorithm::EdDsa {
        let name = algorithm.as_str();
        tracing::warn!(
            algorithm = name,
            "the Envoy filter and the npm package reject tokens of new keys: they accept EdDSA only"
        );
    }
}

/// Turns true on SIGTERM or Ctrl-C.
fn stop_signal() -> Result<watch::Receiver<bool>, Failure> {
    let (sender, receiver) = watch::channel(false);
    #[cfg(unix)]
    let mut terminate = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).map_err(open::failed)?
    };
    tokio::spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        #[cfg(not(unix))]
        drop(tokio::signal::ctrl_c().await);
        tracing::info!("stopping; waiting for requests in progress");
        sender.send_replace(true);
    });
    Ok(receiver)
}

const SWEEP: Duration = Duration::from_secs(60);
/// Connections that wait to be accepted. Linux takes `net.core.somaxconn` where that is less.
const BACKLOG: u32 = 4096;
const KEY_POLL: Duration = Duration::from_secs(10);
/// Nothing is signed with keys that were not seen for too long: a database that is back is asked soon.
const KEY_RETRY: Duration = Duration::from_secs(1);
/// After a look that found nothing out.
const LOOK_AGAIN: Duration = Duration::from_secs(50);
