//! Where the secrets of new clients go: into files of their own, or onto the terminal, never unasked into a log.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::clock::World;
use crate::commands::{Failure, open};
use crate::secret::Secret;
use crate::secrets::Secrets;
use crate::tagged;

/// The secrets that new clients take, by `client_id`.
#[derive(Debug, Default)]
pub(super) struct NewSecrets {
    directory: Option<PathBuf>,
    by_client: BTreeMap<String, Secret>,
}

impl NewSecrets {
    /// The secrets of `clients` in `directory`: those that its files hold, and new ones, each written into a file first, so
    /// that a secret which the database knows is never lost.
    pub(super) fn in_files(directory: &Path, clients: &[String], world: &World) -> Result<Self, Failure> {
        open::private_directory(directory)
            .map_err(|error| Failure::new(format!("--secrets {}: {error}", directory.display())))?;
        let mut this = Self { directory: Some(directory.to_owned()), by_client: BTreeMap::new() };
        for client_id in clients {
            let secret = read_or_create(&file(directory, client_id), world)?;
            this.by_client.insert(client_id.clone(), secret);
        }
        Ok(this)
    }

    /// Returns the stored hash of the secret that this client takes if it is new.
    pub(super) fn hash(&mut self, client_id: &str, secrets: &Secrets, world: &World) -> [u8; 32] {
        let fresh = || tagged::new_client_secret(world);
        secrets.hash_client_secret(self.by_client.entry(client_id.to_owned()).or_insert_with(fresh))
    }

    /// The secrets that clients took, for being shown; empty where they are in files.
    pub(super) fn shown(&self, taken: &[String]) -> BTreeMap<&str, &str> {
        if self.directory.is_some() {
            return BTreeMap::new();
        }
        let shown = |id| self.by_client.get_key_value(id).map(|(id, secret)| (id.as_str(), secret.expose()));
        taken.iter().filter_map(shown).collect()
    }

    /// The files of the secrets that clients took. A client that was deleted since it was looked for gets its file here.
    pub(super) fn files(&self, taken: &[String]) -> Result<BTreeMap<String, PathBuf>, Failure> {
        let Some(directory) = &self.directory else { return Ok(BTreeMap::new()) };
        let mut files = BTreeMap::new();
        for (client_id, secret) in taken.iter().filter_map(|id| self.by_client.get_key_value(id)) {
            let path = file(directory, client_id);
            if !path.exists() {
                open::write_private(&path, secret.expose()).map_err(|error| failed(&path, &error))?;
            }
            files.insert(client_id.clone(), path);
        }
        Ok(files)
    }
}

/// With an ending, so that no `client_id` names another place.
fn file(directory: &Path, client_id: &str) -> PathBuf {
    directory.join(format!("{client_id}.secret"))
}

fn read_or_create(path: &Path, world: &World) -> Result<Secret, Failure> {
    let fresh = tagged::new_client_secret(world);
    match open::write_private(path, fresh.expose()) {
        Ok(()) => return Ok(fresh),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(path, &error)),
    }
    let text = std::fs::read_to_string(path).map(Secret::new).map_err(|error| failed(path, &error))?;
    let secret = Secret::new(text.expose().trim());
    match tagged::decode::<32>(tagged::CLIENT_SECRET, secret.expose()) {
        Some(_) => Ok(secret),
        None => Err(Failure::new(format!(
            "{} must hold a client secret that Keystone made (kscs_…); remove the file, and a new one is made",
            path.display()
        ))),
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::testing::world;
    use crate::secrets::tests::secrets;

    fn made(directory: &Path) -> NewSecrets {
        NewSecrets::in_files(directory, &["worker".to_owned()], &world().0).unwrap()
    }

    #[cfg(unix)]
    #[test]
    fn a_file_holds_the_secret_and_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();

        let mut new = made(directory.path());

        let path = directory.path().join("worker.secret");
        let secret = Secret::new(std::fs::read_to_string(&path).unwrap().trim());
        assert!(secrets().is_client_secret(&secret, &[new.hash("worker", &secrets(), &world().0)]));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(new.files(&["worker".to_owned()]).unwrap()["worker"], path);
        assert!(new.shown(&["worker".to_owned()]).is_empty());
    }

    #[test]
    fn a_secret_that_is_there_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let hash = made(directory.path()).hash("worker", &secrets(), &world().0);

        assert_eq!(made(directory.path()).hash("worker", &secrets(), &world().0), hash);
    }

    #[test]
    fn a_file_with_something_else_is_named_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("worker.secret");
        std::fs::write(&path, "hunter2").unwrap();

        let Failure(says) =
            NewSecrets::in_files(directory.path(), &["worker".to_owned()], &world().0).unwrap_err();

        assert!(says.contains("worker.secret must hold") && !says.contains("hunter2"), "{says}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "hunter2");
    }
}
