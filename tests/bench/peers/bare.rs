//! The least that the issuer's own HTTP library can do: take a form, give JSON of the size of a token answer.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::routing::post;
use axum::{Json, Router};
use keystone_tests::http::Site;
use keystone_tests::ledger::Ledger;
use keystone_tests::ports;
use keystone_tests::process::Process;
use keystone_tests::program::Program;
use serde_json::{Value, json};

/// A bare server, in a process of its own as the issuer is.
#[derive(Debug)]
pub(crate) struct Bare {
    pub(crate) site: Site,
    _process: Process,
}

impl Bare {
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let port = ports::free()?;
        let program = std::env::current_exe().context("this program does not know where it is")?;
        let mut process =
            Program::new("bare", &program, directory).args(["bare", &port.to_string()]).start()?;
        let site = Site::new(port, &Ledger::default());
        process.ready(Duration::from_secs(10), || site.get("/").send().is_ok())?;
        Ok(Self { site, _process: process })
    }

    /// One request of it, on a connection that stays open.
    pub(crate) fn request(&self) -> Vec<u8> {
        self.site.post("/").form(&[("grant_type", "client_credentials")]).kept_alive()
    }
}

pub(crate) fn serve(port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        axum::serve(listener, Router::new().route("/", post(answer))).await?;
        Ok(())
    })
}

async fn answer(form: String) -> Json<Value> {
    let fields: BTreeMap<&str, &str> = form.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let scope = fields.get("grant_type");
    Json(json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 900, "scope": scope }))
}

/// As long as an access token of two scopes.
const TOKEN: &str = concat!(
    "..................................................................................................",
    "..................................................................................................",
    "..................................................................................................",
    "..................................................................................................",
    "..................................................................................................",
    "..................................................................................................",
    "..................................................................................................",
);
