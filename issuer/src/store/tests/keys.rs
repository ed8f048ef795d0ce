//! What is promised of the lives of the signing keys.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::Bed;
use super::world::*;
use crate::store::{Actor, KeyChange, KeyHistory, KeyLine, KeyRefusal, KeyState, NewSigningKey, SealedName};

const TAIL: Duration = Duration::from_secs(3600);
const WATCH: Duration = Duration::from_secs(600);

fn candidate(kid: &str) -> NewSigningKey {
    let [standby, _] = super::setup::keys(1);
    NewSigningKey { kid: kid.to_owned(), ..standby }
}

/// An active key and a standby.
async fn begin(bed: &Bed) {
    bed.store.migrate().await.unwrap();
    bed.store.first_signing_keys(&super::setup::keys(1)).await.unwrap();
}

async fn change(
    bed: &Bed,
    decide: impl Fn(&KeyHistory) -> Vec<KeyChange> + Send + Sync + 'static,
) -> Vec<KeyChange> {
    let candidates = [candidate("new-1"), candidate("new-2")];
    let decide = move |history: &KeyHistory| Ok(decide(history));
    bed.store.change_keys(&Actor::Operator.into(), &candidates, Arc::new(decide)).await.unwrap().unwrap()
}

async fn line(bed: &Bed, kid: &str) -> KeyLine {
    let history = bed.other.key_history().await.unwrap();
    history.keys.into_iter().find(|key| key.kid == kid).unwrap()
}

fn publish() -> KeyChange {
    KeyChange::Publish { active: false, tail: TAIL, watch: WATCH }
}

fn retire(kid: &str, history: &KeyHistory, seconds: i64) -> KeyChange {
    KeyChange::Retire { kid: kid.to_owned(), at: Some(history.now + time::Duration::seconds(seconds)) }
}

fn activate(kid: &str, history: &KeyHistory, seconds: i64) -> KeyChange {
    let at = history.now + time::Duration::seconds(seconds);
    KeyChange::Activate { kid: kid.to_owned(), at, lead: Duration::from_secs(1) }
}

fn compromise(kid: &str) -> KeyChange {
    KeyChange::Compromise { kid: kid.to_owned() }
}

pub(super) async fn a_decision_sees_every_key_and_is_carried_out(bed: &Bed) {
    begin(bed).await;
    let keep = KeyChange::Keep { kid: "active-1".to_owned(), tail: TAIL };

    let changes = change(bed, move |history| {
        assert_eq!(history.keys.len(), 2);
        vec![keep.clone(), retire("active-1", history, 60), activate("standby-1", history, 60), publish()]
    })
    .await;

    let [active, standby, new] =
        [line(bed, "active-1").await, line(bed, "standby-1").await, line(bed, "new-1").await];
    let KeyChange::Activate { at, lead, .. } = &changes[2] else { panic!("{changes:?}") };
    assert_eq!((active.retires_at, active.tail), (Some(*at), Some(TAIL)));
    assert_eq!((standby.activates_at, standby.lead), (Some(*at), Some(*lead)));
    assert_eq!((new.activates_at, new.lead, new.tail), (None, None, Some(TAIL)));
    assert_eq!((new.watch, new.seen_since, new.seen_at), (Some(WATCH), None, None));
    let now = bed.store.now().await.unwrap();
    assert_eq!(
        [&active, &standby, &new].map(|key| key.state(now)),
        [KeyState::Active, KeyState::Planned, KeyState::Standby]
    );
    assert_eq!(
        audit(bed, "key.%").await,
        ["operator key.activation_set standby-1", "operator key.published new-1"]
    );
    assert!(events(bed).await.is_empty());
    let seen = bed.store.signing_keys().await.unwrap();
    assert_eq!(seen.iter().filter(|key| key.retires_at == Some(*at)).count(), 1);
}

/// However many replicas see that something is due.
pub(super) async fn of_many_decisions_at_once_each_sees_the_one_before(bed: &Bed) {
    begin(bed).await;
    let publish_third =
        |history: &KeyHistory| Ok(if history.keys.len() < 3 { vec![publish()] } else { Vec::new() });

    let mut attempts = JoinSet::new();
    for turn in 0..8 {
        let replica = bed.replica(turn);
        attempts.spawn(async move {
            let candidates = [candidate(&format!("new-{turn}"))];
            replica
                .change_keys(&Actor::Schedule.into(), &candidates, Arc::new(publish_third))
                .await
                .unwrap()
                .unwrap()
                .len()
        });
    }

    assert_eq!(attempts.join_all().await.into_iter().sum::<usize>(), 1);
    assert_eq!(bed.count("signing_keys").await, 3);
    assert_eq!(audit(bed, "key.%").await.len(), 1);
}

pub(super) async fn an_emergency_is_one_step_for_everyone(bed: &Bed) {
    begin(bed).await;
    // The new signer was published a moment ago: no wait may be claimed for it.
    let at_once = |history: &KeyHistory| KeyChange::Activate {
        kid: "standby-1".to_owned(),
        at: history.now,
        lead: Duration::ZERO,
    };

    change(bed, move |history| vec![compromise("active-1"), at_once(history), publish()]).await;

    let history = bed.other.key_history().await.unwrap();
    let states: Vec<KeyState> = history.keys.iter().map(|key| key.state(history.now)).collect();
    assert_eq!(states, [KeyState::Compromised, KeyState::Active, KeyState::Standby]);
    let seen = bed.store.signing_keys().await.unwrap();
    assert_eq!(seen.iter().map(|key| key.kid.as_str()).collect::<Vec<_>>(), ["standby-1", "new-1"]);
    assert_eq!(events(bed).await, ["kid active-1"]);
    assert_eq!(
        audit(bed, "key.%").await,
        [
            "operator key.compromised active-1",
            "operator key.activation_set standby-1",
            "operator key.published new-1"
        ]
    );
    assert_eq!(bed.count("signing_keys WHERE sealed IS NULL").await, 1);
}

pub(super) async fn a_refused_or_impossible_decision_changes_nothing(bed: &Bed) {
    begin(bed).await;
    let refused = bed
        .store
        .change_keys(&Actor::Operator.into(), &[], Arc::new(|_: &KeyHistory| Err(KeyRefusal::NoStandby)))
        .await;
    assert_eq!(refused.unwrap(), Err(KeyRefusal::NoStandby));

    // Two keys would sign at once.
    let overlap =
        |history: &KeyHistory| Ok(vec![compromise("standby-1"), publish(), activate("new-1", history, 60)]);
    assert!(
        bed.store
            .change_keys(&Actor::Operator.into(), &[candidate("new-1")], Arc::new(overlap))
            .await
            .is_err()
    );
    let too_many = |_: &KeyHistory| Ok(vec![publish(), publish()]);
    assert!(
        bed.store
            .change_keys(&Actor::Operator.into(), &[candidate("new-1")], Arc::new(too_many))
            .await
            .is_err()
    );

    assert_eq!(bed.count("signing_keys WHERE compromised_at IS NULL").await, 2);
    assert!(audit(bed, "key.%").await.is_empty() && events(bed).await.is_empty());
}

pub(super) async fn a_removed_key_is_known_no_more_and_cannot_be_opened(bed: &Bed) {
    bed.store.migrate().await.unwrap();
    let (then, bytes) = (bed.at(-7200), bed.bytes());
    bed.run(&format!(
        "INSERT INTO signing_keys (kid, alg, public_jwk, sealed, published_at, lead, activates_at, retires_at, tail)
         VALUES ('old', 'EdDSA', '{{}}', {bytes}, {then}, {}, {then}, {}, {})",
        bed.span(0),
        bed.at(-3700),
        bed.span(3600),
    ))
    .await
    .unwrap();
    assert_eq!(bed.store.signing_keys().await.unwrap().len(), 1);

    change(bed, |_| vec![KeyChange::Remove { kid: "old".to_owned() }]).await;

    assert!(bed.store.signing_keys().await.unwrap().is_empty());
    assert_eq!(bed.count("signing_keys WHERE sealed IS NULL AND removed_at IS NOT NULL").await, 1);
    assert_eq!(audit(bed, "key.%").await, ["operator key.removed old"]);
}

pub(super) async fn a_standby_that_never_signed_may_go(bed: &Bed) {
    begin(bed).await;

    change(bed, |_| vec![KeyChange::Remove { kid: "standby-1".to_owned() }, publish()]).await;

    let kids = bed.store.signing_keys().await.unwrap().into_iter().map(|key| key.kid);
    assert_eq!(kids.collect::<Vec<_>>(), ["active-1", "new-1"]);
}

pub(super) async fn a_key_may_sign_until_what_is_planned_does(bed: &Bed) {
    begin(bed).await;
    change(bed, |history| {
        vec![retire("active-1", history, 60), activate("standby-1", history, 60), publish()]
    })
    .await;
    let planned = line(bed, "standby-1").await.activates_at;

    change(bed, move |history| {
        let now = KeyChange::Activate { kid: "new-1".to_owned(), at: history.now, lead: Duration::ZERO };
        let until = KeyChange::Retire { kid: "new-1".to_owned(), at: planned };
        let off = KeyChange::CallOff { kid: "standby-1".to_owned() };
        let again = KeyChange::Activate {
            kid: "standby-1".to_owned(),
            at: planned.unwrap(),
            lead: Duration::from_secs(1),
        };
        vec![compromise("active-1"), off, watch("new-1", None), now, until, again]
    })
    .await;

    let [follows, waits] = [line(bed, "new-1").await, line(bed, "standby-1").await];
    assert_eq!((follows.retires_at, waits.activates_at), (planned, planned));
    assert_eq!(follows.state(bed.store.now().await.unwrap()), KeyState::Active);
}

pub(super) async fn what_has_begun_in_a_keys_life_is_not_undone(bed: &Bed) {
    begin(bed).await;
    change(bed, |history| {
        let keep = KeyChange::Keep { kid: "active-1".to_owned(), tail: TAIL };
        vec![keep, retire("active-1", history, 60), activate("standby-1", history, 60)]
    })
    .await;
    let (later, shorter) = (bed.at(90), bed.span(3599));
    let set = |what: String| format!("UPDATE signing_keys SET {what} WHERE kid = 'active-1'");

    bed.refuses(&set(format!("activates_at = {later}, retires_at = NULL")), "signing_keys_waits").await;
    bed.refuses(&set("activates_at = NULL, lead = NULL, retires_at = NULL".to_owned()), "signing_keys_waits")
        .await;
    bed.refuses(&set(format!("tail = {shorter}")), "signing_keys_waits").await;
    bed.refuses(&set("tail = NULL".to_owned()), "signing_keys_waits").await;

    // What is only planned may still change.
    bed.run(&set(format!("retires_at = {}", bed.at(30)))).await.unwrap();
}

fn watch(kid: &str, watch: Option<Duration>) -> KeyChange {
    KeyChange::Watch { kid: kid.to_owned(), watch }
}

fn sighted(kid: &str, history: &KeyHistory) -> KeyChange {
    KeyChange::Sighted { kid: kid.to_owned(), since: history.now }
}

/// I8: whatever program, crash or restored backup writes the row.
pub(super) async fn a_key_that_was_not_seen_for_long_enough_signs_nothing(bed: &Bed) {
    begin(bed).await;
    change(bed, |_| vec![watch("standby-1", Some(WATCH))]).await;
    let plan = async |at: i64| {
        let decide = move |history: &KeyHistory| {
            Ok(vec![retire("active-1", history, at), activate("standby-1", history, at)])
        };
        bed.store
            .change_keys(&Actor::Operator.into(), &[], Arc::new(decide))
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };

    assert!(plan(3600).await.unwrap_err().contains("signing_keys_seen_before_active"));
    change(bed, |history| vec![sighted("standby-1", history)]).await;
    let seen = line(bed, "standby-1").await;
    assert!(seen.seen_since.is_some() && seen.seen_since == seen.seen_at);
    assert!(plan(540).await.unwrap_err().contains("signing_keys_seen_before_active"));
    plan(660).await.unwrap();

    let missed = KeyChange::Missed { kid: "standby-1".to_owned() };
    let unseen = {
        let missed = missed.clone();
        move |_: &KeyHistory| Ok(vec![missed.clone()])
    };
    assert!(
        bed.store.change_keys(&Actor::Schedule.into(), &[], Arc::new(unseen)).await.is_err(),
        "it is planned to sign"
    );
    let off = KeyChange::CallOff { kid: "standby-1".to_owned() };
    let goes_on = KeyChange::Retire { kid: "active-1".to_owned(), at: None };
    change(bed, move |_| vec![off.clone(), goes_on.clone(), missed.clone()]).await;

    let standby = line(bed, "standby-1").await;
    assert_eq!((standby.activates_at, standby.lead, standby.seen_since), (None, None, None));
    assert_eq!(standby.state(bed.store.now().await.unwrap()), KeyState::Standby);
    assert_eq!(
        audit(bed, "key.%").await,
        ["operator key.activation_set standby-1", "operator key.activation_called_off standby-1"]
    );
}

pub(super) async fn an_emergency_waits_for_no_look(bed: &Bed) {
    begin(bed).await;
    change(bed, |_| vec![watch("standby-1", Some(WATCH))]).await;
    let at_once = |history: &KeyHistory| KeyChange::Activate {
        kid: "standby-1".to_owned(),
        at: history.now,
        lead: Duration::ZERO,
    };

    change(bed, move |history| vec![compromise("active-1"), watch("standby-1", None), at_once(history)])
        .await;

    assert_eq!(line(bed, "standby-1").await.state(bed.store.now().await.unwrap()), KeyState::Active);
}

pub(super) async fn everything_sealed_is_sealed_again_or_nothing(bed: &Bed) {
    begin(bed).await;
    bed.store.server_secret("refresh", &[5; 40]).await.unwrap();
    let kept = |name: &SealedName, sealed: &[u8]| match name {
        SealedName::ServerSecret(_) => None,
        SealedName::SigningKey(_) => Some([sealed, b"+".as_slice()].concat()),
    };

    let failed = bed.store.reseal(&Actor::Operator, Arc::new(kept)).await.unwrap();
    assert_eq!(failed, Err(SealedName::ServerSecret("refresh".to_owned())));
    assert!(bed.store.signing_keys().await.unwrap().iter().all(|key| key.sealed == [1; 40]));
    assert!(audit(bed, "secrets.%").await.is_empty());

    let all = |_: &SealedName, sealed: &[u8]| Some([sealed, b"+".as_slice()].concat());
    assert_eq!(bed.store.reseal(&Actor::Operator, Arc::new(all)).await.unwrap(), Ok(3));
    assert!(bed.other.signing_keys().await.unwrap().iter().all(|key| key.sealed.ends_with(b"+")));
    assert!(bed.other.server_secret("refresh", &[6; 40]).await.unwrap().ends_with(b"+"));
    assert_eq!(audit(bed, "secrets.%").await, ["operator secrets.resealed key_encryption_key"]);
}
