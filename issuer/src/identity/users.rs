//! Changes to users. To touch an account takes all that the account holds: a reset would otherwise hand it over.

use uuid::Uuid;

use super::differences;
use super::rules::{self, ADMINISTRATOR, Basis, ChangeError};
use super::{Authority, Expected, Refused, RoleSet};
use crate::store::{
    Actor, EndReason, Entry, Event, NewUser, Profile, Reset, Store, Transaction, UserChange, UserConflict,
};

pub async fn create(store: &Store, by: &Authority, user: &NewUser) -> Result<Profile, ChangeError> {
    let (by, user) = (by.clone(), user.clone());
    super::change(store, move |transaction| Box::pin(async move { insert(transaction, &by, &user).await }))
        .await
}

/// Renames, enables or disables a user. A user who is disabled loses all sessions and tokens.
pub async fn change(
    store: &Store,
    by: &Authority,
    expected: &Expected,
    change: &UserChange,
) -> Result<Profile, ChangeError> {
    let (by, expected, change) = (by.clone(), expected.clone(), change.clone());
    let is_own = is_own(&by, &change);
    let work = async move |mut transaction: Transaction| {
        // A change to one's own names touches no rights, and waits for no change of them.
        match is_own {
            true => transaction.lock_user(change.id).await?,
            false => transaction.lock_rights().await?,
        }
        let user = update(&mut transaction, &by, &expected, &change).await?;
        transaction.commit().await?;
        Ok(user)
    };
    store.administration().write(work).await
}

/// Replaces the roles of a user. What is lost is revoked.
pub async fn set_roles(store: &Store, by: &Authority, set: &RoleSet) -> Result<Profile, ChangeError> {
    let (by, set) = (by.clone(), set.clone());
    super::change(store, move |transaction| {
        Box::pin(async move { replace_roles(transaction, &by, &set).await })
    })
    .await
}

/// Replaces the password by one that is good for one login, and ends every session.
pub async fn reset(
    store: &Store,
    by: &Authority,
    expected: &Expected,
    reset: &Reset,
) -> Result<(), ChangeError> {
    let (by, expected, reset) = (by.clone(), expected.clone(), reset.clone());
    super::change(store, move |transaction| {
        Box::pin(async move { replace_password(transaction, &by, &expected, &reset).await })
    })
    .await
}

pub async fn delete(store: &Store, by: &Authority, id: Uuid, expected: &Expected) -> Result<(), ChangeError> {
    let (by, expected) = (by.clone(), expected.clone());
    super::change(store, move |transaction| {
        Box::pin(async move { remove(transaction, &by, id, &expected).await })
    })
    .await
}

async fn insert(
    transaction: &mut Transaction,
    by: &Authority,
    user: &NewUser,
) -> Result<Profile, ChangeError> {
    let held = rules::held(transaction, by).await?;
    let scopes = rules::closure(transaction, &user.roles).await?;
    rules::gives(by, &held, &scopes, &scopes)?;
    match transaction.insert_user(user).await? {
        Some(conflict) => Err(Refused::from(conflict).into()),
        None => {
            let made = transaction.user(user.id).await?.ok_or(Refused::Missing)?;
            let entry = by.entry("user.created", user.id).named(&made.username);
            transaction.record(&[entry.with(differences::of_users(None, Some(&made)))]).await?;
            Ok(made)
        }
    }
}

async fn update(
    transaction: &mut Transaction,
    by: &Authority,
    expected: &Expected,
    change: &UserChange,
) -> Result<Profile, ChangeError> {
    let only_disables = change.enabled == Some(false) && change.username.is_none() && change.email.is_none();
    let effect = if only_disables { Effect::Takes } else { Effect::HandsOver };
    let before = touched(transaction, by, change.id, expected, effect).await?;
    let disabled = before.enabled && change.enabled == Some(false);
    if disabled {
        not_the_last(transaction, &before).await?;
    }
    if let Some(conflict) = transaction.user_conflict(change).await? {
        return Err(Refused::from(conflict).into());
    }

    if let Some(conflict) = transaction.update_user(change).await? {
        return Err(Refused::from(conflict).into());
    }
    let after = transaction.user(change.id).await?.ok_or(Refused::Missing)?;
    let renamed = Profile { enabled: before.enabled, ..after.clone() };
    let verb = if after.enabled { "user.enabled" } else { "user.disabled" };
    let entries = [
        ("user.updated", differences::of_users(Some(&before), Some(&renamed))),
        (verb, differences::of_users(Some(&renamed), Some(&after))),
    ];
    let entry = |(verb, changes)| by.entry(verb, after.id).named(&after.username).with(changes);
    let entries: Vec<Entry> =
        entries.into_iter().filter(|(_, changes)| !changes.is_empty()).map(entry).collect();
    transaction.record(&entries).await?;
    if disabled {
        revoke(transaction, after.id, EndReason::Disabled).await?;
    }
    Ok(after)
}

async fn replace_roles(
    transaction: &mut Transaction,
    by: &Authority,
    set: &RoleSet,
) -> Result<Profile, ChangeError> {
    let held = rules::held(transaction, by).await?;
    let before = transaction.user(set.id).await?.ok_or(Refused::Missing)?;
    set.expected.holds(&before.version())?;
    let taken = rules::closure(transaction, before.roles.difference(&set.roles)).await?;
    let given = rules::closure(transaction, set.roles.difference(&before.roles)).await?;
    rules::takes(by, &held, &taken)?;
    let basis = rules::gives(by, &held, &given, &rules::closure(transaction, &set.roles).await?)?;
    // Even where the same change takes `keystone:grant` away from them.
    if basis == Basis::Grant && by.actor == Actor::User(set.id) {
        return Err(Refused::ThroughGrant.into());
    }
    if !set.roles.contains(ADMINISTRATOR) {
        not_the_last(transaction, &before).await?;
    }

    for role in set.roles.difference(&before.roles) {
        transaction.add_role(set.id, role).await?;
    }
    for role in before.roles.difference(&set.roles) {
        transaction.remove_role(set.id, role).await?;
    }
    let after = transaction.user(set.id).await?.ok_or(Refused::Missing)?;
    let changes = differences::of_users(Some(&before), Some(&after));
    if !changes.is_empty() {
        let entry = by.entry("user.roles_changed", set.id).named(&before.username);
        transaction.record(&[entry.with(changes)]).await?;
    }
    if !before.roles.is_subset(&set.roles) {
        let epoch = transaction.increment_user_epoch(set.id).await?;
        transaction.publish(&[Event::user(set.id, epoch)]).await?;
    }
    Ok(after)
}

async fn replace_password(
    transaction: &mut Transaction,
    by: &Authority,
    expected: &Expected,
    reset: &Reset,
) -> Result<(), ChangeError> {
    let before = touched(transaction, by, reset.id, expected, Effect::HandsOver).await?;
    transaction.set_one_time_password(reset).await?;
    transaction.record(&[by.entry("user.reset", before.id).named(&before.username)]).await?;
    revoke(transaction, before.id, EndReason::PasswordReset).await
}

async fn remove(
    transaction: &mut Transaction,
    by: &Authority,
    id: Uuid,
    expected: &Expected,
) -> Result<(), ChangeError> {
    let before = touched(transaction, by, id, expected, Effect::Takes).await?;
    not_the_last(transaction, &before).await?;
    let entry = by.entry("user.deleted", before.id).named(&before.username);
    // First, while whoever deletes themselves has a name.
    transaction.record(&[entry.with(differences::of_users(Some(&before), None))]).await?;
    // The row that holds the epoch goes; what it revoked stays published.
    let epoch = transaction.increment_user_epoch(before.id).await?;
    transaction.delete_user(before.id).await?;
    transaction.publish(&[Event::user(before.id, epoch)]).await?;
    Ok(())
}

/// The effect of a change on the rights of an account.
#[derive(Clone, Copy)]
enum Effect {
    Takes,
    /// The caller can use the account afterwards.
    HandsOver,
}

/// Whether a user changes names of their own account: that takes no right from anyone and gives none.
fn is_own(by: &Authority, change: &UserChange) -> bool {
    by.scope == OWN_ACCOUNT && by.actor == Actor::User(change.id) && change.enabled.is_none()
}

/// The user as they are, if the caller may touch them. One's own account takes only the scope for that.
async fn touched(
    transaction: &mut Transaction,
    by: &Authority,
    id: Uuid,
    expected: &Expected,
    effect: Effect,
) -> Result<Profile, ChangeError> {
    let held = rules::held(transaction, by).await?;
    let before = transaction.user(id).await?.ok_or(Refused::Missing)?;
    expected.holds(&before.version())?;
    if by.scope != OWN_ACCOUNT || by.actor != Actor::User(id) {
        let scopes = rules::closure(transaction, &before.roles).await?;
        match effect {
            Effect::Takes => rules::takes(by, &held, &scopes)?,
            Effect::HandsOver => rules::gives(by, &held, &scopes, &scopes)?,
        };
    }
    Ok(before)
}

async fn not_the_last(transaction: &mut Transaction, user: &Profile) -> Result<(), ChangeError> {
    let counts = user.enabled && user.roles.contains(ADMINISTRATOR);
    if counts && transaction.other_administrators(user.id).await? == 0 {
        return Err(Refused::LastAdministrator.into());
    }
    Ok(())
}

pub(super) async fn revoke(
    transaction: &mut Transaction,
    id: Uuid,
    reason: EndReason,
) -> Result<(), ChangeError> {
    transaction.end_sessions(id, reason).await?;
    let epoch = transaction.increment_user_epoch(id).await?;
    transaction.publish(&[Event::user(id, epoch)]).await?;
    Ok(())
}

impl From<UserConflict> for Refused {
    fn from(conflict: UserConflict) -> Self {
        match conflict {
            UserConflict::Username => Self::UsernameTaken,
            UserConflict::Email => Self::EmailTaken,
        }
    }
}

const OWN_ACCOUNT: &str = "keystone:account";
