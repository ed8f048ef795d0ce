//! Requests that are sent under faults, and a record of the answers that must hold in the end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use keystone_tests::cast;
use keystone_tests::http::{Answer, Request};
use keystone_tests::wait::{self, Deadline};
use serde_json::json;

use crate::requests::Staffed;

/// The changes that were acknowledged.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// How often the address was asked to change, and how often it did.
    asked: AtomicUsize,
    changed: AtomicUsize,
    revoked: Mutex<Vec<String>>,
    roles: AtomicUsize,
}

impl Kept {
    pub(super) fn holds(&self, on: &Staffed) -> Result<()> {
        let address = on.own("GET", "/users/me")?.send()?.expect(200)?.member("email")?;
        let number =
            address.trim_start_matches("mia-").split('@').next().and_then(|number| number.parse().ok());
        let (changed, asked) = (self.changed.load(Ordering::Relaxed), self.asked.load(Ordering::Relaxed));
        ensure!(
            number.is_some_and(|number| (changed..=asked).contains(&number)),
            "{address} after {changed}"
        );
        for token in self.revoked.lock().map_err(|_| anyhow!("poisoned"))?.iter() {
            on.issuer.refresh_grant(token).send()?.expect(400)?;
        }
        for number in 0..self.roles.load(Ordering::Relaxed) {
            on.admin("GET", &format!("/admin/roles/kept-{number}")).send()?.expect(200)?;
        }
        Ok(())
    }
}

/// A session that is refreshed with the token that came last. An answer that was lost is asked for again.
pub(super) fn refreshes<'a>(on: &'a Staffed, name: &str) -> Result<impl FnMut() -> Result<()> + Send + 'a> {
    let mut token = on.issuer.login(name)?.refresh()?.to_owned();
    Ok(move || {
        let answer = answered(&on.issuer.refresh_grant(&token), 200)?;
        token = on.issuer.received(&answer)?.refresh()?.to_owned();
        Ok(())
    })
}

pub(super) fn addresses<'a>(
    on: &'a Staffed,
    kept: &'a Kept,
) -> Result<impl FnMut() -> Result<()> + Send + 'a> {
    let change = on.own("PATCH", "/users/me")?;
    change.clone().json(&json!({ "email": "mia-0@example.com" })).send()?.expect(200)?;
    Ok(move || {
        let number = kept.asked.fetch_add(1, Ordering::Relaxed) + 1;
        answered(&change.clone().json(&json!({ "email": format!("mia-{number}@example.com") })), 200)?;
        kept.changed.store(number, Ordering::Relaxed);
        Ok(())
    })
}

pub(super) fn revocations<'a>(on: &'a Staffed, kept: &'a Kept) -> impl FnMut() -> Result<()> + Send + 'a {
    move || {
        let login = on.issuer.password_grant("alice", cast::password("alice")?);
        let tokens = on.issuer.received(&answered(&login, 200)?)?;
        let token = tokens.refresh()?.to_owned();
        let fields = [("client_id", cast::APP), ("token", token.as_str())];
        answered(&on.issuer.site.post("/auth/revoke").form(&fields), 200)?;
        kept.revoked.lock().map_err(|_| anyhow!("poisoned"))?.push(token);
        Ok(())
    }
}

pub(super) fn roles<'a>(on: &'a Staffed, kept: &'a Kept) -> impl FnMut() -> Result<()> + Send + 'a {
    move || {
        let number = kept.roles.load(Ordering::Relaxed);
        let role = json!({ "name": format!("kept-{number}"), "scopes": ["orders:read"] });
        // 409 where the answer to the one before was lost.
        let answer = persisting(&on.admin("POST", "/admin/roles").json(&role))?;
        ensure!(matches!(answer.status, 201 | 409), "{} {}", answer.status, answer.text());
        kept.roles.store(number + 1, Ordering::Relaxed);
        Ok(())
    }
}

/// Clients that hang up, each a little later than the one before.
pub(super) fn hang_ups<'a>(on: &'a Staffed) -> Result<impl FnMut() -> Result<()> + Send + 'a> {
    let profile = on.own("GET", "/users/me")?.header("connection", "keep-alive");
    let change = on.own("PATCH", "/users/me")?.header("connection", "keep-alive").json(&json!({}));
    let mut moments = (0..20).cycle();
    Ok(move || {
        for request in [&profile, &change] {
            if let Ok(asked) = request.begin() {
                thread::sleep(Duration::from_millis(moments.next().unwrap_or_default()));
                drop(asked);
            }
        }
        Ok(())
    })
}

/// Sends it until it is answered with something else than 503, which must be this.
pub(super) fn answered(request: &Request, expected: u16) -> Result<Answer> {
    persisting(request)?.expect(expected)
}

fn persisting(request: &Request) -> Result<Answer> {
    let over = Deadline::after(PATIENCE);
    loop {
        match request.send() {
            Ok(answer) if answer.status != 503 => return Ok(answer),
            last => ensure!(!over.passed(), "no answer for {PATIENCE:?}: {last:?}"),
        }
        wait::breathe();
    }
}

/// Longer than any fault.
const PATIENCE: Duration = Duration::from_secs(120);
