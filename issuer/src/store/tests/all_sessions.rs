//! What is promised of sessions to those who look after all.

use super::Bed;
use super::world::*;
use crate::identity::Refused;
use crate::identity::{sessions, users};
use crate::store::SessionSearch;
use crate::store::{EndReason, NewSession, RotationRefusal, SessionId};

/// Bob logs in at another client than alice.
async fn bob(bed: &Bed, number: u8) -> NewSession {
    let bob = user(0xb0b);
    users::create(&bed.store, &operator("keystone:users:write"), &bob).await.settled().unwrap();
    let login = NewSession { user_id: bob.id, client_id: "other".to_owned(), ..login(number) };
    bed.store.open_session(&login).await.unwrap().unwrap();
    login
}

fn everyone() -> SessionSearch {
    SessionSearch { user_id: None, client_id: None, inactivity: INACTIVITY, after: None, limit: 100 }
}

/// The sessions found, by their number and their user's name.
async fn found(bed: &Bed, search: &SessionSearch) -> Vec<(u8, String)> {
    let sessions = bed.other.sessions(search).await.unwrap();
    sessions.into_iter().map(|found| (found.session.id.0[0], found.username)).collect()
}

pub(super) async fn sessions_of_all_are_found_by_user_and_client(bed: &Bed) {
    world(bed).await;
    open(bed, 2).await;
    open(bed, 1).await;
    let bob = bob(bed, 3).await;

    let [one, two, three] =
        [(1, "Alice"), (2, "Alice"), (3, "user2827")].map(|(id, name)| (id, name.to_owned()));
    let expected = [
        (everyone(), vec![one.clone(), two.clone(), three.clone()]),
        (SessionSearch { user_id: Some(ALICE), ..everyone() }, vec![one.clone(), two.clone()]),
        (SessionSearch { client_id: Some(bob.client_id), ..everyone() }, vec![three.clone()]),
        (
            SessionSearch { user_id: Some(bob.user_id), client_id: Some("app".to_owned()), ..everyone() },
            vec![],
        ),
        (SessionSearch { limit: 2, ..everyone() }, vec![one, two]),
        (SessionSearch { after: Some(SessionId([2; 16])), limit: 2, ..everyone() }, vec![three]),
    ];
    for (search, expected) in expected {
        assert_eq!(found(bed, &search).await, expected, "{search:?}");
    }
}

pub(super) async fn only_live_sessions_are_found(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    bed.pass(INACTIVITY).await;
    open(bed, 2).await;
    open(bed, 3).await;

    sessions::end(&bed.store, &operator("keystone:sessions:write"), SessionId([3; 16]))
        .await
        .settled()
        .unwrap();

    assert_eq!(found(bed, &everyone()).await, [(2, "Alice".to_owned())]);
}

pub(super) async fn an_administrator_ends_one_session_once(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    open(bed, 2).await;
    let by = operator("keystone:sessions:write");
    let id = SessionId([1; 16]);

    sessions::end(&bed.store, &by, id).await.settled().unwrap();

    let again = sessions::end(&bed.other, &by, id).await.settled();
    assert!(matches!(again, Err(Refused::Missing)), "{again:?}");
    let reason = EndReason::EndedByAdministrator.as_str();
    assert_eq!(events(bed).await, [format!("sid {id}")]);
    assert_eq!(audit(bed, "session.%").await, [format!("operator session.{reason} {id}")]);
    assert_eq!(refused(bed, &refresh(1, 0)).await, RotationRefusal::Ended);
    rotated(bed, &refresh(2, 0)).await;
}

pub(super) async fn all_sessions_of_a_user_end_with_one_event(bed: &Bed) {
    world(bed).await;
    open(bed, 1).await;
    open(bed, 2).await;
    bob(bed, 3).await;
    let by = operator("keystone:sessions:write");

    sessions::end_all(&bed.store, &by, ALICE).await.settled().unwrap();

    assert_eq!(events(bed).await, [format!("sub {ALICE} 1")]);
    assert_eq!(audit(bed, "user.sessions_ended").await, [format!("operator user.sessions_ended {ALICE}")]);
    assert_eq!(found(bed, &everyone()).await, [(3, "user2827".to_owned())]);
    let nobody = sessions::end_all(&bed.store, &by, uuid::Uuid::from_u128(1)).await.settled();
    assert!(matches!(nobody, Err(Refused::Missing)), "{nobody:?}");
}
