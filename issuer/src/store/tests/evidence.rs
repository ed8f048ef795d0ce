//! What is promised of the questions of the person on call.

use std::time::Duration;

use super::Bed;
use super::world::*;
use crate::store::{Actor, EndReason, EndSession, RequestContext, RotationRefusal, SealedName, SessionId};

pub(super) async fn a_database_says_what_it_is_and_who_was_there(bed: &Bed) {
    bed.store.migrate().await.unwrap();

    let version = bed.store.version().await.unwrap();
    assert!(version.starts_with("SQLite 3.") || version.starts_with("PostgreSQL 1"), "{version}");
    assert!(bed.store.unknown_migrations().await.unwrap().is_empty());

    bed.run("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 14").await.unwrap();
    assert_eq!(bed.store.unknown_migrations().await.unwrap(), [9999]);
    assert_eq!(bed.store.pending_migrations().await.unwrap().len(), 1);
}

pub(super) async fn everything_sealed_is_shown_sealed(bed: &Bed) {
    bed.store.migrate().await.unwrap();
    assert!(bed.store.sealed().await.unwrap().is_empty());

    bed.store.first_signing_keys(&super::setup::keys(1)).await.unwrap();
    bed.store.server_secret("refresh tokens", &[3; 40]).await.unwrap();

    let sealed = bed.other.sealed().await.unwrap();
    assert_eq!(sealed.len(), 3);
    assert!(sealed.contains(&(SealedName::SigningKey("active-1".to_owned()), vec![1; 40])));
    assert!(sealed.contains(&(SealedName::ServerSecret("refresh tokens".to_owned()), vec![3; 40])));
}

pub(super) async fn administrators_are_counted_while_they_are_enabled(bed: &Bed) {
    world(bed).await;
    assert_eq!(bed.store.administrators().await.unwrap(), 0);

    bed.run("UPDATE user_roles SET role_name = 'administrator'").await.unwrap();
    assert_eq!(bed.store.administrators().await.unwrap(), 1);
    bed.run("UPDATE users SET enabled = false").await.unwrap();

    assert_eq!(bed.store.administrators().await.unwrap(), 0);
}

pub(super) async fn a_session_is_shown_as_it_is_even_when_it_has_ended(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    rotated(bed, &refresh(1, 0)).await;

    let live = bed.store.session_record(SessionId([1; 16])).await.unwrap().unwrap();
    assert_eq!((live.user_id, live.client_id.as_str(), live.generation), (ALICE, "app", 1));
    assert_eq!((&live.scope, live.end()), (&set(&["orders:read"]), None));
    assert!(live.expires_at > live.last_used_at && live.last_used_at >= live.auth_time);
    let reason = EndReason::LoggedOut;
    let end = EndSession {
        id: SessionId([1; 16]),
        actor: Actor::User(ALICE),
        reason,
        context: RequestContext::default(),
    };
    bed.store.end_session(&end).await.unwrap();

    let ended = bed.other.session_record(SessionId([1; 16])).await.unwrap().unwrap();
    assert_eq!(ended.end().unwrap().1, "logged_out");
    assert!(bed.store.session_record(SessionId([2; 16])).await.unwrap().is_none());
}

pub(super) async fn a_rotation_is_foretold_and_not_made(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    for generation in 0..3 {
        rotated(bed, &refresh(1, generation)).await;
    }
    let foretold = async |presented| bed.store.rotation_refusal(&refresh(1, presented)).await.unwrap();

    assert_eq!([foretold(3).await, foretold(2).await], [None, None]);
    assert_eq!(foretold(1).await, Some(RotationRefusal::Reused));
    assert_eq!(foretold(4).await, Some(RotationRefusal::Unknown));
    assert_eq!(bed.store.rotation_refusal(&refresh(9, 0)).await.unwrap(), Some(RotationRefusal::Unknown));
    assert!(events(bed).await.is_empty());
    bed.pass(GRACE + Duration::from_secs(1)).await;
    assert_eq!(foretold(2).await, Some(RotationRefusal::Reused));
    bed.pass(INACTIVITY).await;
    assert_eq!(foretold(3).await, Some(RotationRefusal::Expired));

    assert!(events(bed).await.is_empty());
    assert_eq!(bed.store.session_record(SessionId([1; 16])).await.unwrap().unwrap().generation, 3);
}

pub(super) async fn epochs_and_revoked_tokens_are_shown(bed: &Bed) {
    world(bed).await;
    assert_eq!(bed.store.user_epoch(ALICE).await.unwrap(), Some(0));
    assert_eq!(bed.store.user_epoch(uuid::Uuid::from_u128(404)).await.unwrap(), None);
    assert!(!bed.store.is_token_revoked("jti").await.unwrap());

    bed.store.revoke_token(&Actor::Operator.into(), "jti").await.unwrap();
    bed.run("UPDATE users SET epoch = 5").await.unwrap();

    assert!(bed.other.is_token_revoked("jti").await.unwrap());
    assert_eq!(bed.other.user_epoch(ALICE).await.unwrap(), Some(5));
}
