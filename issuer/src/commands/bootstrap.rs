//! `keystone bootstrap`: the first administrator, exactly once in the life of a database (CVE-2023-46249).

use serde::Serialize;
use time::format_description::well_known::Rfc3339;

use super::Failure;
use super::open::{self, Schema};
use crate::clock::World;
use crate::config::Config;
use crate::identifier;
use crate::identity::{ADMINISTRATOR, CONSOLE};
use crate::password::Passwords;
use crate::secret::Secret;
use crate::store::{Bootstrap, NewUser};
use crate::users::{ONE_TIME_LIFETIME, one_time_password, user_id};

/// What is printed, once.
#[derive(Serialize)]
struct Credential<'a> {
    username: &'a str,
    one_time_password: &'a str,
    expires_at: &'a str,
    client_id: &'static str,
}

pub(super) async fn run(
    config: &Config,
    world: &World,
    username: &str,
    json: bool,
) -> Result<String, Failure> {
    let Some(username_key) = identifier::new_username_key(username) else {
        return Err(Failure::new(
            "--username must be 1 to 64 letters, digits or . _ - + @ ', starting with a letter or digit",
        ));
    };
    let store = open::store(config, Schema::Check).await?;
    let password = one_time_password(world.bytes());
    let expires_at =
        (world.now() + ONE_TIME_LIFETIME).truncate_to_second().format(&Rfc3339).map_err(open::failed)?;
    let administrator = NewUser {
        id: user_id(world.bytes()),
        username: username.trim().to_owned(),
        username_key,
        email: None,
        email_key: None,
        password_hash: hash(config, world, &password).await?,
        one_time_for: Some(ONE_TIME_LIFETIME),
        password_must_change: true,
        roles: vec![ADMINISTRATOR.to_owned()],
    };
    let bootstrap = Bootstrap { administrator, console_client: CONSOLE.to_owned() };
    if !store.bootstrap(&bootstrap).await.map_err(open::failed)? {
        return Err(Failure::new("already bootstrapped; an existing administrator can create more"));
    }
    open::close(&store).await;
    let username = username.trim();
    let credential = Credential {
        username,
        one_time_password: password.expose(),
        expires_at: &expires_at,
        client_id: CONSOLE,
    };
    if json {
        return serde_json::to_string(&credential).map_err(open::failed);
    }
    Ok(format!(
        "The administrator `{username}` can log in once with this password, until {expires_at}:\n\n    {}\n\n\
         Log in with the client `{CONSOLE}`, then set a password with POST /users/me/password.",
        password.expose()
    ))
}

async fn hash(config: &Config, world: &World, password: &Secret) -> Result<String, Failure> {
    let passwords = Passwords::start(&config.passwords, world.clone()).map_err(open::failed)?;
    passwords.hash(password).await.map_err(|_| Failure::new("hashing the password failed"))
}
