//! What only a server can promise, or fail to.

use crate::identity::{ChangeError, Expected, manifest, roles, users};
use std::net::TcpListener;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, SqlSafeStr as _};
use tokio::task::JoinSet;

use super::world::*;
use super::{Bed, cluster};
use crate::store::postgres;
use crate::store::{Actor, Store, StoreError};

async fn is_unavailable_soon(url: &str) {
    let store = Store::postgres(url, 4).unwrap();

    let answer = tokio::time::timeout(Duration::from_secs(3), store.client("app")).await;

    assert!(matches!(answer, Ok(Err(StoreError::Unavailable(_)))), "{answer:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_soon() {
    is_unavailable_soon("postgres://keystone@127.0.0.1:9/keystone").await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_unavailable_soon() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();

    is_unavailable_soon(&format!("postgres://keystone@{}/keystone", silent.local_addr().unwrap())).await;
}

#[tokio::test]
async fn a_store_never_prints_its_password() {
    let store = Store::postgres("postgres://keystone:hunter2@127.0.0.1:9/keystone", 4).unwrap();

    assert!(!format!("{store:?}").contains("hunter2"));
    assert!(!store.now().await.unwrap_err().to_string().contains("hunter2"));
}

#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test]
async fn a_server_that_dropped_its_connections_is_asked_again() {
    let url = cluster::fresh_database().await;
    let store = Store::postgres(&url, 4).unwrap();
    store.migrate().await.unwrap();
    let mut administrator = PgConnection::connect(&url).await.unwrap();

    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .execute(&mut administrator)
        .await
        .unwrap();

    let answers = async {
        while let Err(error) = store.client("app").await {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        }
    };
    tokio::time::timeout(Duration::from_secs(10), answers).await.expect("the pool does not recover");
}

#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test]
async fn a_database_that_is_not_in_utf8_is_named() {
    let url = cluster::fresh_database().await;
    let mut administrator = PgConnection::connect(&url).await.unwrap();
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("in_{}_{}", encoding.to_lowercase(), std::process::id());
        let create = format!("CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut administrator).await.unwrap();
        let (path, query) = url.split_once('?').unwrap();
        let (server, _) = path.rsplit_once('/').unwrap();
        let store = Store::postgres(&format!("{server}/{name}?{query}"), 1).unwrap();

        for error in [store.migrate().await.unwrap_err(), store.pending_migrations().await.unwrap_err()] {
            let says = format!("the database has the encoding {encoding}, and must have UTF8");
            assert!(error.to_string().starts_with(&says), "{error}");
        }
    }
}

/// B-15: a connection that outlives a fail-over leads to a server that only reads.
#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test]
async fn a_connection_to_a_server_that_writes_no_more_is_given_up() {
    let url = cluster::fresh_database().await;
    Store::postgres(&url, 4).unwrap().migrate().await.unwrap();
    let mut administrator = PgConnection::connect(&url).await.unwrap();
    let name = url.split('?').next().and_then(|rest| rest.rsplit('/').next()).unwrap();
    let mut set = async |what: &str| {
        let sql = AssertSqlSafe(format!("ALTER DATABASE {name} {what}"));
        sqlx::raw_sql(sql).execute(&mut administrator).await.unwrap();
    };
    set("SET default_transaction_read_only = on").await;
    let store = Store::postgres(&url, 1).unwrap();
    assert!(store.client("app").await.unwrap().is_none(), "it reads");
    // What connects from now on writes; what is connected does not.
    set("RESET default_transaction_read_only").await;

    let refused = store.server_secret("a", b"sealed").await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert_eq!(store.server_secret("a", b"sealed").await.unwrap(), b"sealed");
}

#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test]
async fn a_silent_transaction_costs_a_caller_two_seconds() {
    let url = cluster::fresh_database().await;
    let store = Store::postgres(&url, 4).unwrap();
    store.migrate().await.unwrap();
    manifest::apply(&store, &Actor::Operator, &declaration()).await.unwrap().unwrap();
    users::create(&store, &operator("keystone:users:write"), &alice()).await.settled().unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut transaction = other.begin().await.unwrap();
    sqlx::query("SELECT FROM users FOR UPDATE").execute(&mut *transaction).await.unwrap();

    let answer = tokio::time::timeout(Duration::from_secs(3), store.open_session(&login(1))).await;

    assert!(matches!(answer, Ok(Err(StoreError::Unavailable(_)))), "{answer:?}");
    transaction.rollback().await.unwrap();
    assert!(store.open_session(&login(2)).await.unwrap().is_some());
}

/// The migrations of a later program, whose last one is this.
fn later(sql: &'static str) -> Migrator {
    let mut all: Vec<Migration> = postgres::schema::MIGRATIONS.iter().cloned().collect();
    let without_transaction = sql.starts_with("-- no-transaction");
    all.push(Migration::new(
        9999,
        "later".into(),
        MigrationType::Simple,
        sql.into_sql_str(),
        without_transaction,
    ));
    Migrator::with_migrations(all)
}

#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test]
async fn a_migration_waits_for_no_lock_while_others_wait_for_it() {
    let url = cluster::fresh_database().await;
    let store = Store::postgres(&url, 4).unwrap();
    store.migrate().await.unwrap();
    let pool = PgPool::connect(&url).await.unwrap();
    let later = later("ALTER TABLE users ADD COLUMN nickname text");
    let mut backup = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM users").execute(&mut *backup).await.unwrap();

    let (migrated, answered) =
        tokio::join!(postgres::schema::migrate(&pool, &later), store.credential("alice"));

    assert!(matches!(migrated, Err(StoreError::Locked(9999))), "{migrated:?}");
    answered.unwrap();
    backup.rollback().await.unwrap();
    postgres::schema::migrate(&pool, &later).await.unwrap();
}

#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_is_built_beside_its_writers() {
    let url = cluster::fresh_database().await;
    let pool = PgPool::connect(&url).await.unwrap();
    postgres::schema::migrate(&pool, &postgres::schema::MIGRATIONS).await.unwrap();
    let mut writer = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO roles (name, description) VALUES ('slow', '')")
        .execute(&mut *writer)
        .await
        .unwrap();

    let later =
        later("-- no-transaction\nCREATE INDEX CONCURRENTLY roles_description_idx ON roles (description)");
    let mut migrating = std::pin::pin!(postgres::schema::migrate(&pool, &later));
    let waits = tokio::time::timeout(Duration::from_millis(1500), &mut migrating).await;
    assert!(waits.is_err(), "{waits:?}");
    sqlx::query("INSERT INTO roles (name, description) VALUES ('quick', '')").execute(&pool).await.unwrap();
    writer.commit().await.unwrap();

    migrating.await.unwrap();
}

#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_program_migrates_at_a_time() {
    let url = cluster::fresh_database().await;
    let (one, two) = (Store::postgres(&url, 4).unwrap(), Store::postgres(&url, 4).unwrap());
    let mut other = PgConnection::connect(&url).await.unwrap();
    sqlx::query("SELECT pg_advisory_lock(7738429002)").execute(&mut other).await.unwrap();

    let waited = one.migrate().await;
    assert!(matches!(waited, Err(StoreError::Migrating)), "{waited:?}");
    other.close().await.unwrap();

    let (first, second) = tokio::join!(one.migrate(), two.migrate());
    first.unwrap();
    second.unwrap();
}

#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test]
async fn a_program_works_on_a_later_schema_and_does_not_touch_it() {
    let url = cluster::fresh_database().await;
    let pool = PgPool::connect(&url).await.unwrap();
    let later = later("ALTER TABLE refresh_tokens ADD COLUMN device text; CREATE TABLE devices (name text)");
    postgres::schema::migrate(&pool, &later).await.unwrap();
    let store = Store::postgres(&url, 4).unwrap();

    assert!(store.pending_migrations().await.unwrap().is_empty());
    manifest::apply(&store, &Actor::Operator, &declaration()).await.unwrap().unwrap();
    users::create(&store, &operator("keystone:users:write"), &alice()).await.settled().unwrap();
    assert!(store.open_session(&login(1)).await.unwrap().is_some());

    let refused = store.migrate().await.unwrap_err();
    assert!(refused.to_string().contains("9999"), "{refused}");
}

/// Else a reader could see 11 before 10, and skip 10 for ever.
#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test]
async fn events_become_visible_in_their_order() {
    const EVENT: &str = "INSERT INTO revocation_events (kind, value, drop_after) VALUES ('sid', 'x', now() + interval '1 hour') RETURNING seq";
    let url = cluster::fresh_database().await;
    Store::postgres(&url, 4).unwrap().migrate().await.unwrap();
    let mut one = PgConnection::connect(&url).await.unwrap();
    let mut two = PgConnection::connect(&url).await.unwrap();

    let mut earlier = one.begin().await.unwrap();
    let first: i64 = sqlx::query_scalar(EVENT).fetch_one(&mut *earlier).await.unwrap();
    sqlx::query("SET lock_timeout = '100ms'").execute(&mut two).await.unwrap();
    let waits = sqlx::query_scalar::<_, i64>(EVENT).fetch_one(&mut two).await.unwrap_err();
    assert!(waits.to_string().contains("lock timeout"), "{waits}");
    earlier.commit().await.unwrap();

    let second: i64 = sqlx::query_scalar(EVENT).fetch_one(&mut two).await.unwrap();
    assert!(second > first);
}

/// Someone holds the lock of changes, as a suspended `keystone apply` does.
#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_the_lock_of_changes_leaves_logins_alone() {
    let bed = Bed::postgres().await;
    world(&bed).await;
    let url = bed.url();
    let store = Store::postgres(&url, 8).unwrap();
    let mut holder = PgConnection::connect(&url).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE scopes, roles IN SHARE ROW EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();

    let mut waiting = JoinSet::new();
    for number in 0..32 {
        let store = store.clone();
        waiting.spawn(async move {
            let role = role(&format!("role-{number}"), &["orders:read"]);
            roles::create(&store, &operator("keystone:roles:write"), &role).await
        });
    }
    let deadline = Duration::from_secs(1);
    while !waiting.is_empty() {
        let login = tokio::time::timeout(deadline, store.credential("alice")).await;
        login.expect("a login waited for a connection").unwrap().expect("there is alice");
        let (by, change) = (own_account(), address("new@example.com"));
        let own = tokio::time::timeout(deadline, users::change(&store, &by, &Expected::Any, &change)).await;
        assert!(!matches!(own, Ok(Err(ChangeError::Refused(_)))), "{own:?}");
        while let Some(change) = waiting.try_join_next() {
            let change = change.unwrap();
            assert!(matches!(change, Err(ChangeError::Store(StoreError::Unavailable(_)))), "{change:?}");
        }
    }
    users::change(&store, &own_account(), &Expected::Any, &address("newer@example.com"))
        .await
        .settled()
        .unwrap();
    lock.rollback().await.unwrap();
    let role = role("late", &["orders:read"]);
    roles::create(&store, &operator("keystone:roles:write"), &role).await.settled().unwrap();
}

#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_became_read_only_takes_no_change() {
    let bed = Bed::postgres().await;
    world(&bed).await;
    let url = bed.url();
    let store = Store::postgres(&url, 2).unwrap();
    store.probe_write().await.unwrap();

    bed.run(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", name(&url))).await.unwrap();
    let store_since = Store::postgres(&url, 2).unwrap();
    let refused = store_since.probe_write().await.unwrap_err();
    assert_eq!(
        refused.advice().unwrap(),
        "connect to the primary: this server is a standby, or set to read only"
    );

    let mut owner = PgConnection::connect(&url).await.unwrap();
    sqlx::query("SET default_transaction_read_only = off").execute(&mut owner).await.unwrap();
    let reset = AssertSqlSafe(format!("ALTER DATABASE {} RESET ALL", name(&url)));
    sqlx::query(reset).execute(&mut owner).await.unwrap();
    store_since.probe_write().await.unwrap();
}

fn name(url: &str) -> &str {
    let (_, name) = url.rsplit_once('/').unwrap();
    name.split('?').next().unwrap()
}
