//! What is promised of the schema itself.

use std::collections::BTreeMap;

use super::Bed;
use super::world::*;
use crate::store::{Actor, postgres, sqlite};

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |migrator: &sqlx::migrate::Migrator| {
        migrator
            .iter()
            .map(|migration| (migration.version, migration.description.to_string()))
            .collect::<Vec<_>>()
    };

    assert_eq!(names(&postgres::schema::MIGRATIONS), names(&sqlite::schema::MIGRATIONS));
}

/// A name is what an error message says, and what a later migration changes.
#[test]
fn every_constraint_has_a_name() {
    for migration in postgres::schema::MIGRATIONS.iter().chain(sqlite::schema::MIGRATIONS.iter()) {
        for line in migration.sql.as_str().lines().filter(|line| !line.trim_start().starts_with("--")) {
            let is_rule = ["CHECK (", "PRIMARY KEY", "UNIQUE", "REFERENCES", "EXCLUDE"]
                .iter()
                .any(|rule| line.contains(rule));
            let has_name = line.contains("CONSTRAINT ") || line.starts_with("CREATE UNIQUE INDEX ");
            assert!(!is_rule || has_name, "{}: {line}", migration.description);
        }
    }
}

pub(super) async fn migrating_twice_changes_nothing(bed: &Bed) {
    let pending = bed.store.pending_migrations().await.unwrap();
    assert_eq!(pending.len(), sqlite::schema::MIGRATIONS.iter().count());
    assert_eq!(pending[0], "0001 scopes");
    assert!(bed.run("SELECT * FROM scopes").await.is_err(), "asking changed the database");

    bed.store.migrate().await.unwrap();
    assert!(bed.store.pending_migrations().await.unwrap().is_empty());
    bed.other.migrate().await.unwrap();

    assert_eq!(bed.count("scopes").await, 15);
}

pub(super) async fn the_schema_is_the_documented_one(bed: &Bed) {
    bed.store.migrate().await.unwrap();

    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for column in bed.columns().await {
        let (table, column) = column.split_once('.').unwrap();
        tables.entry(table.to_owned()).or_default().push(column.to_owned());
    }
    let tables: Vec<String> =
        tables.into_iter().map(|(table, columns)| format!("{table}: {}", columns.join(" "))).collect();

    assert_eq!(tables, SCHEMA);
}

/// Sorted, columns too.
const SCHEMA: [&str; 19] = [
    "audit_log: action actor actor_name at changes client_id id network request_id target target_name",
    "bootstrap_done: administrator at once",
    "client_grants: client_id grant_type",
    "client_origins: client_id origin",
    "client_scopes: client_id is_default scope_name",
    "client_secrets: client_id created_at expires_at hash public slot",
    "liveness: due_at once reported_at",
    "outages: ended_at started_at",
    "refresh_tokens: auth_time client_id end_reason ended_at expires_at generation id last_used_at rotated_at salt scope scope_revision user_id",
    "revocation_events: at drop_after kind min_epoch seq value",
    "role_scopes: role_name scope_name",
    "roles: created_at description name",
    "scopes: created_at description name resource revision",
    "server_secrets: created_at name sealed",
    "service_clients: client_id created_at enabled epoch forwards_user_address name public updated_at",
    "signing_keys: activates_at alg compromised_at kid lead public_jwk published_at removed_at retires_at sealed seen_at seen_since tail watch",
    "user_roles: granted_at role_name user_id",
    "users: created_at email email_key email_skeleton enabled epoch id last_login one_time_until password_hash password_must_change updated_at username username_capitals username_key username_skeleton",
    "write_probe: at once",
];

/// A column called after another table's key refers to it.
pub(super) async fn every_reference_has_its_constraint(bed: &Bed) {
    bed.store.migrate().await.unwrap();
    let references = bed.references().await;

    let loose: Vec<String> = bed
        .columns()
        .await
        .into_iter()
        .filter(|column| column.ends_with("_id") || column.ends_with("_name"))
        .filter(|column| !references.contains(column))
        .collect();

    // The audit log outlives what it speaks of. The last is the client's own name, the key that the others refer to.
    let loose: Vec<_> = loose.into_iter().filter(|column| !column.starts_with("audit_log.")).collect();
    assert_eq!(loose, ["service_clients.client_id"]);
}

pub(super) async fn what_no_row_may_say_is_refused(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    for key in bed.store.first_signing_keys(&super::setup::keys(1)).await.unwrap() {
        assert!(!key.sealed.is_empty());
    }
    let (now, hash) = (bed.at(0), bed.bytes());

    for (sql, rule) in [
        (
            format!("INSERT INTO client_secrets (client_id, slot, hash) VALUES ('service', 3, {hash})"),
            "client_secrets_at_most_two",
        ),
        (
            format!("INSERT INTO client_secrets (client_id, slot, hash) VALUES ('app', 1, {hash})"),
            FOREIGN_KEY,
        ),
        (
            "INSERT INTO client_grants (client_id, grant_type) VALUES ('app', 'implicit')".to_owned(),
            "client_grants_grant_type_is_known",
        ),
        (
            "INSERT INTO client_origins (client_id, origin) VALUES ('app', 'https://*.example.com')"
                .to_owned(),
            "client_origins_origin_is_exact",
        ),
        (
            "INSERT INTO client_origins (client_id, origin) VALUES ('app', 'https://example.com/')"
                .to_owned(),
            "client_origins_origin_is_exact",
        ),
        (
            "INSERT INTO client_origins (client_id, origin) VALUES ('app', 'null')".to_owned(),
            "client_origins_origin_is_exact",
        ),
        (
            "INSERT INTO scopes (name, resource) VALUES ('two words', 'x')".to_owned(),
            "scopes_name_is_one_word",
        ),
        ("UPDATE users SET email_key = NULL".to_owned(), "users_email_has_key"),
        ("UPDATE users SET epoch = -1".to_owned(), "users_epoch_counts_up"),
        (
            format!("UPDATE users SET password_hash = NULL, one_time_until = {now}"),
            "users_one_time_has_password",
        ),
        ("UPDATE refresh_tokens SET generation = 1".to_owned(), "refresh_tokens_rotated_or_first"),
        (format!("UPDATE refresh_tokens SET ended_at = {now}"), "refresh_tokens_end_has_reason"),
        ("UPDATE refresh_tokens SET client_id = 'nobody'".to_owned(), FOREIGN_KEY),
        (
            format!(
                "INSERT INTO revocation_events (kind, value, drop_after) VALUES ('sub', 'x', {})",
                bed.at(60)
            ),
            "revocation_events_epoch_where_due",
        ),
        (
            format!(
                "INSERT INTO revocation_events (kind, value, drop_after) VALUES ('sid', 'x', {})",
                bed.at(-60)
            ),
            "revocation_events_drop_later",
        ),
        (
            format!(
                "INSERT INTO revocation_events (kind, value, min_epoch, drop_after) VALUES ('iss', 'x', 1, {})",
                bed.at(60)
            ),
            "revocation_events_kind_is_published",
        ),
        (
            format!(
                "INSERT INTO revocation_events (kind, value, drop_after) VALUES ('sid', '', {})",
                bed.at(60)
            ),
            "revocation_events_value_is_named",
        ),
        (
            format!(
                "INSERT INTO revocation_events (kind, value, min_epoch, drop_after) VALUES ('sub', 'x', -1, {})",
                bed.at(60)
            ),
            "revocation_events_epoch_counts_up",
        ),
    ] {
        bed.refuses(&sql, rule).await;
    }
    keys_keep_their_rules(bed).await;
}

/// The rules of the keys' lives hold whatever code, crash or restored backup wrote the row.
async fn keys_keep_their_rules(bed: &Bed) {
    let (now, soon, later) = (bed.at(0), bed.at(60), bed.at(61));
    let (none, wait) = (bed.span(0), bed.span(3600));
    let set = |kid: &str, what: String| format!("UPDATE signing_keys SET {what} WHERE kid = '{kid}'");
    let activate = |at: &str, lead: &str| set("standby-1", format!("activates_at = {at}, lead = {lead}"));
    let retire = |more: &str| set("active-1", format!("retires_at = {soon}{more}"));

    bed.refuses(&activate(&now, &none), "signing_keys_one_active").await;
    bed.refuses(&set("active-1", format!("removed_at = {soon}")), "signing_keys_retired_before_removed")
        .await;
    bed.refuses(
        &retire(&format!(", tail = {wait}, removed_at = {later}")),
        "signing_keys_retired_before_removed",
    )
    .await;
    bed.refuses("UPDATE signing_keys SET sealed = NULL", "signing_keys_sealed_while_usable").await;
    bed.refuses(
        r#"INSERT INTO signing_keys (kid, alg, public_jwk, sealed, published_at)
           SELECT 'copy', alg, '{"kty":"OKP","d":"x"}', sealed, published_at FROM signing_keys"#,
        "signing_keys_public_jwk_is_public",
    )
    .await;
    bed.refuses("UPDATE signing_keys SET alg = 'ES256'", "signing_keys_history").await;
    bed.refuses("DELETE FROM signing_keys", "signing_keys_history").await;

    // The ordinary way: one retires, its successor starts then, every verifier had the time to fetch it.
    bed.run(&retire("")).await.unwrap();
    bed.refuses(&activate(&later, &wait), "signing_keys_published_before_active").await;
    bed.run(&activate(&later, &none)).await.unwrap();
    bed.run(&set("standby-1", format!("compromised_at = {now}"))).await.unwrap();
    bed.refuses("UPDATE signing_keys SET compromised_at = NULL", "signing_keys_history").await;
    assert_eq!(bed.store.signing_keys().await.unwrap().len(), 1);
}

pub(super) async fn built_in_scopes_belong_to_the_administrator(bed: &Bed) {
    bed.store.migrate().await.unwrap();

    let mut all = bed.store.held_scopes(&Actor::Operator).await.unwrap();
    assert!(all.remove("keystone:account"), "every user holds it without a role");
    let administrator = bed.store.role("administrator").await.unwrap().unwrap().scopes;

    assert_eq!(administrator, all);
    assert!(all.contains("keystone:users:write") && all.iter().all(|scope| scope.starts_with("keystone:")));
}

/// What both databases' messages have in common.
const FOREIGN_KEY: &str = "constraint";
