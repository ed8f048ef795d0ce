//! `keystone explain`: why a token, a refresh token or a client secret is accepted or refused. Counts and changes nothing.

mod access_token;
mod client_secret;
mod explanation;
mod holder;
mod refresh_token;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::explanation::Explanation;
use super::open::{self, Schema};
use super::{Failure, Output};
use crate::clock::World;
use crate::config::Config;
use crate::secret::Secret;
use crate::secrets::Secrets;
use crate::store::Store;
use crate::tagged;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// File with the token or secret; standard input without it. Not an argument, because other users can see the command line
    file: Option<PathBuf>,
    /// Verify for this audience; any audience of the token by default
    #[arg(long)]
    audience: Option<String>,
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What an explanation is made from.
struct Case<'a> {
    config: &'a Config,
    world: &'a World,
    store: &'a Store,
}

pub(super) async fn run(config: &Config, world: &World, arguments: &Arguments) -> Result<Output, Failure> {
    let text = match arguments.file.as_deref() {
        None => read(io::stdin().lock(), "standard input")?,
        Some(path) if path == Path::new("-") => read(io::stdin().lock(), "standard input")?,
        Some(path) => from_file(path)?,
    };
    let store = open::store(config, Schema::Untouched).await?;
    let case = Case { config, world, store: &store };
    let explanation = if text.expose().starts_with(tagged::REFRESH_TOKEN) {
        refresh_token::explain(&case, &text).await?
    } else if text.expose().starts_with(tagged::CLIENT_SECRET) {
        client_secret::explain(&case, &text).await?
    } else {
        access_token::explain(&case, &text, arguments.audience.as_deref()).await?
    };
    explanation.output(arguments.json)
}

fn from_file(path: &Path) -> Result<Secret, Failure> {
    let name = path.to_string_lossy();
    let beginnings = ["eyJ", tagged::REFRESH_TOKEN, tagged::CLIENT_SECRET, tagged::ONE_TIME_PASSWORD];
    if !path.exists() && beginnings.iter().any(|beginning| name.starts_with(beginning)) {
        return Err(Failure::new(
            "this looks like a secret, and the command line is visible to other users: pass a file or standard input",
        ));
    }
    let file = std::fs::File::open(path).map_err(|error| Failure::new(format!("{name}: {error}")))?;
    read(file, &name)
}

fn read(from: impl Read, name: &str) -> Result<Secret, Failure> {
    let mut text = zeroize::Zeroizing::new(String::new());
    from.take(MOST_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("{name}: {error}")))?;
    let token = text.trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token);
    match token.split_whitespace().count() {
        1 => Ok(Secret::new(token)),
        0 => Err(Failure::new(format!(
            "{name} is empty; it must hold a token, a refresh token or a client secret"
        ))),
        _ => Err(Failure::new(format!("{name} must hold only the token, refresh token or client secret"))),
    }
}

impl Case<'_> {
    /// Those that the issuers made; explaining makes none.
    async fn secrets(&self) -> Result<Secrets, Failure> {
        let none =
            || Failure::new("no issuer has used this database yet, so nothing can have been issued from it");
        let kek = open::existing_key(self.config)?.ok_or_else(none)?;
        Secrets::existing(self.store, &kek).await.map_err(open::failed)?.ok_or_else(none)
    }
}

const MOST_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_read_with_or_without_its_scheme() {
        for text in ["abc", " abc\n", "Bearer abc\r\n"] {
            assert_eq!(read(text.as_bytes(), "it").unwrap().expose(), "abc");
        }
        for wrong in ["", " \n", "abc def"] {
            assert!(read(wrong.as_bytes(), "it").is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_secret_on_the_command_line_is_not_repeated() {
        for secret in ["eyJhbGciOiJFZERTQSJ9.e30.AA", "ksrt_secret", "kscs_secret"] {
            let Failure(says) = from_file(Path::new(secret)).unwrap_err();

            assert!(!says.contains(secret) && says.contains("standard input"), "{says}");
        }
    }
}
