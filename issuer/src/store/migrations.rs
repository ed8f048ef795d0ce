//! Which migrations a database still lacks; the databases differ only in how they are asked.

use std::collections::{HashMap, HashSet};

use sqlx::migrate::{AppliedMigration, MigrateError, Migrator};

use super::Result;

/// Where sqlx writes down what it has applied.
pub(super) const TABLE: &str = "_sqlx_migrations";

/// Descriptions of what `migrator` has and `applied` has not.
///
/// Migrations that only the database knows are none of our business: while a fleet is upgraded, older programs run
/// on the newer schema.
pub(super) fn pending(migrator: &Migrator, applied: &[AppliedMigration]) -> Result<Vec<String>> {
    let applied: HashMap<i64, &AppliedMigration> =
        applied.iter().map(|known| (known.version, known)).collect();

    let mut pending = Vec::new();
    for migration in migrator.iter() {
        match applied.get(&migration.version) {
            None => pending.push(format!("{:04} {}", migration.version, migration.description)),
            Some(known) if known.checksum != migration.checksum => {
                return Err(MigrateError::VersionMismatch(migration.version).into());
            }
            Some(_) => {}
        }
    }
    Ok(pending)
}

/// The numbers of those that `applied` has and `migrator` has not.
pub(super) fn unknown(migrator: &Migrator, applied: &[AppliedMigration]) -> Vec<i64> {
    let known: HashSet<i64> = migrator.iter().map(|migration| migration.version).collect();
    applied.iter().map(|migration| migration.version).filter(|version| !known.contains(version)).collect()
}
