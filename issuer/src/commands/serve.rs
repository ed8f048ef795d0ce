//! `keystone serve`: the issuer on its two listeners, until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use super::Failure;
use super::open::{self, Schema};
use crate::cache::{Cache, MemoryCache, RedisCache};
use crate::clock::World;
use crate::config::Config;
use crate::http::{self, server};
use crate::issuer::{Issuer, Parts};
use crate::keys::Lookout;
use crate::store::KeyChange;

pub(super) async fn run(config: Config, world: World, migrate: bool) -> Result<(), Failure> {
    log_to_stderr(&config);
    leave_no_core();
    // Taken first: a second start must not touch the data of the first.
    let public = bind("listen", config.listen).await?;
    let operations = bind("operations_listen", config.operations_listen).await?;

    let store = open::store(&config, if migrate { Schema::Migrate } else { Schema::Check }).await?;
    let kek = open::key_encryption_key(&config, &world)?;
    let cache = cache(&config, &world)?;
    let issuer = Issuer::open(config, Parts { world, store, cache, kek }).await.map_err(open::failed)?;
    let issuer = Arc::new(issuer);
    // Before the first token: settings that let tokens live longer keep older keys for longer.
    issuer.keys.tend(&*issuer.store).await.map_err(open::failed)?;

    let lookout = Lookout::new(&issuer.config.jwks_url).map_err(open::failed)?;
    let stop = stop_signal()?;
    tokio::spawn(watch_keys(issuer.clone()));
    tokio::spawn(watch_published_keys(issuer.clone(), lookout));
    announce("public", &public, &issuer);
    announce("operations", &operations, &issuer);
    let (public_stop, operations_stop) = (stopped(stop.clone()), stopped(stop));
    tokio::join!(
        server::serve(public, http::public(issuer.clone()), public_stop),
        server::serve(operations, http::operations(issuer), operations_stop),
    );
    tracing::info!("stopped");
    Ok(())
}

fn log_to_stderr(config: &Config) {
    let filter = config.log.parse::<EnvFilter>().unwrap_or_default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_span_list(false)
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Only a test that runs two commands in one process finds one there already.
    drop(subscriber.try_init());
}

/// A core file would hold keys and passwords.
fn leave_no_core() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
            tracing::warn!(%error, "core files cannot be switched off");
        }
    }
}

async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Failure::new(format!("`{setting}` {address} cannot be used: {}", cause(&error))))
}

fn cause(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "another process listens there".to_owned(),
        _ => error.to_string(),
    }
}

fn cache(config: &Config, world: &World) -> Result<Arc<dyn Cache>, Failure> {
    let memory = MemoryCache::new(world.clock.clone());
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
    loop {
        tokio::time::sleep(KEY_POLL).await;
        if let Err(error) = issuer.keys.refresh(&*issuer.store).await {
            tracing::warn!(%error, "the signing keys could not be looked at; the last view stays");
            continue;
        }
        match issuer.keys.tend(&*issuer.store).await {
            Ok(changes) => changes.iter().for_each(|change| tracing::info!(?change, "signing keys changed")),
            Err(error) => tracing::warn!(%error, "what is due for the signing keys was not done"),
        }
    }
}

/// Apart from the other watch: an answer that takes its time must not make this replica's view of the keys old.
async fn watch_published_keys(issuer: Arc<Issuer>, lookout: Lookout) {
    loop {
        tokio::time::sleep(KEY_POLL).await;
        match issuer.keys.look(&*issuer.store, &lookout).await {
            Ok(changes) => changes.iter().for_each(tell_of_look),
            Err(error) => {
                let url = issuer.config.jwks_url.as_str();
                tracing::warn!(%error, url, "no look at the published key set; without one, no rotation begins");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

fn tell_of_look(change: &KeyChange) {
    match change {
        KeyChange::Missed { kid } => {
            tracing::warn!(kid, "a published key set lacks a key that waits to sign")
        }
        KeyChange::CallOff { kid } => tracing::warn!(kid, "a rotation is called off"),
        _ => {}
    }
}

fn announce(listener: &'static str, socket: &TcpListener, issuer: &Issuer) {
    match socket.local_addr() {
        Ok(address) => tracing::info!(listener, %address, issuer = issuer.config.issuer, "listening"),
        Err(error) => tracing::warn!(listener, %error, "listening at an unknown address"),
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
        tracing::info!("stopping: no new connections; requests under way finish");
        sender.send_replace(true);
    });
    Ok(receiver)
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody will ever say so any more, which is as good.
    drop(stop.wait_for(|stopped| *stopped).await);
}

const KEY_POLL: Duration = Duration::from_secs(10);
/// After a look that found nothing out.
const LOOK_AGAIN: Duration = Duration::from_secs(50);
