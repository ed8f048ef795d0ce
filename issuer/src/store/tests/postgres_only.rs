//! What only a server can promise, or fail to.

use std::net::TcpListener;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::cluster;
use super::world::*;
use crate::store::administration::Administration as _;
use crate::store::postgres::Postgres;
use crate::store::{Actor, Store, StoreError};

async fn is_unavailable_soon(url: &str) {
    let store = Postgres::connect(url, 4).unwrap();

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
    let store = Postgres::connect("postgres://keystone:hunter2@127.0.0.1:9/keystone", 4).unwrap();

    assert!(!format!("{store:?}").contains("hunter2"));
    assert!(!store.ping().await.unwrap_err().to_string().contains("hunter2"));
}

#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test]
async fn a_server_that_dropped_its_connections_is_asked_again() {
    let url = cluster::fresh_database().await;
    let store = Postgres::connect(&url, 4).unwrap();
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
async fn a_silent_transaction_costs_a_caller_two_seconds() {
    let url = cluster::fresh_database().await;
    let store = Postgres::connect(&url, 4).unwrap();
    store.migrate().await.unwrap();
    store.apply(&Actor::Operator, &declaration()).await.unwrap().unwrap();
    store.create_user(&operator("keystone:users:write"), &alice()).await.unwrap().unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();
    let mut transaction = other.begin().await.unwrap();
    sqlx::query("SELECT FROM users FOR UPDATE").execute(&mut *transaction).await.unwrap();

    let answer = tokio::time::timeout(Duration::from_secs(3), store.open_session(&login(1))).await;

    assert!(matches!(answer, Ok(Err(StoreError::Unavailable(_)))), "{answer:?}");
    transaction.rollback().await.unwrap();
    assert!(store.open_session(&login(2)).await.unwrap().is_some());
}

/// Else a reader could see 11 before 10, and skip 10 for ever.
#[ignore = "needs KEYTEST_POSTGRES, a directory with initdb and postgres"]
#[tokio::test]
async fn events_become_visible_in_their_order() {
    const EVENT: &str = "INSERT INTO revocation_events (kind, value, drop_after) VALUES ('sid', 'x', now() + interval '1 hour') RETURNING seq";
    let url = cluster::fresh_database().await;
    Postgres::connect(&url, 4).unwrap().migrate().await.unwrap();
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
