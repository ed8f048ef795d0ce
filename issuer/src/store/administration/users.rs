//! Changes to users. To touch an account takes all that the account holds: a reset would otherwise hand it over.

use uuid::Uuid;

use super::desk::Desk;
use super::differences;
use super::rules::{self, ADMINISTRATOR, Basis, Stop};
use super::{Authority, Expected, Profile, Refused, Reset, RoleSet, UserChange};
use crate::store::ledger::{Entry, Event};
use crate::store::{Actor, NewUser, UserConflict};

pub(super) async fn create(desk: &mut impl Desk, by: &Authority, user: &NewUser) -> Result<Profile, Stop> {
    let held = rules::held(desk, by).await?;
    let scopes = rules::closure(desk, &user.roles).await?;
    rules::gives(by, &held, &scopes, &scopes)?;
    match desk.insert_user(user).await? {
        Some(conflict) => Err(Refused::from(conflict).into()),
        None => {
            let made = desk.user(user.id).await?.ok_or(Refused::Missing)?;
            let entry = by.entry("user.created", user.id).named(&made.username);
            desk.record(&[entry.with(differences::of_users(None, Some(&made)))]).await?;
            Ok(made)
        }
    }
}

pub(super) async fn change(
    desk: &mut impl Desk,
    by: &Authority,
    change: &UserChange,
) -> Result<Profile, Stop> {
    let only_disables = change.enabled == Some(false) && change.username.is_none() && change.email.is_none();
    let effect = if only_disables { Effect::Takes } else { Effect::HandsOver };
    let before = touched(desk, by, (change.id, &change.expected), effect).await?;
    let disabled = before.enabled && change.enabled == Some(false);
    if disabled {
        not_the_last(desk, &before).await?;
    }
    if let Some(conflict) = desk.user_conflict(change).await? {
        return Err(Refused::from(conflict).into());
    }

    if let Some(conflict) = desk.put_user(change).await? {
        return Err(Refused::from(conflict).into());
    }
    let after = desk.user(change.id).await?.ok_or(Refused::Missing)?;
    let renamed = Profile { enabled: before.enabled, ..after.clone() };
    let verb = if after.enabled { "user.enabled" } else { "user.disabled" };
    let entries = [
        ("user.updated", differences::of_users(Some(&before), Some(&renamed))),
        (verb, differences::of_users(Some(&renamed), Some(&after))),
    ];
    let entry = |(verb, changes)| by.entry(verb, after.id).named(&after.username).with(changes);
    let entries: Vec<Entry> =
        entries.into_iter().filter(|(_, changes)| !changes.is_empty()).map(entry).collect();
    desk.record(&entries).await?;
    if disabled {
        revoke(desk, after.id, "disabled").await?;
    }
    Ok(after)
}

pub(super) async fn set_roles(desk: &mut impl Desk, by: &Authority, set: &RoleSet) -> Result<Profile, Stop> {
    let held = rules::held(desk, by).await?;
    let before = desk.user(set.id).await?.ok_or(Refused::Missing)?;
    set.expected.holds(&before.version())?;
    let taken = rules::closure(desk, before.roles.difference(&set.roles)).await?;
    let given = rules::closure(desk, set.roles.difference(&before.roles)).await?;
    rules::takes(by, &held, &taken)?;
    let basis = rules::gives(by, &held, &given, &rules::closure(desk, &set.roles).await?)?;
    // Even where the same change takes `keystone:grant` away from them.
    if basis == Basis::Grant && by.actor == Actor::User(set.id) {
        return Err(Refused::ThroughGrant.into());
    }
    if !set.roles.contains(ADMINISTRATOR) {
        not_the_last(desk, &before).await?;
    }

    for role in set.roles.difference(&before.roles) {
        desk.add_role(set.id, role).await?;
    }
    for role in before.roles.difference(&set.roles) {
        desk.drop_role(set.id, role).await?;
    }
    let after = desk.user(set.id).await?.ok_or(Refused::Missing)?;
    let changes = differences::of_users(Some(&before), Some(&after));
    if !changes.is_empty() {
        let entry = by.entry("user.roles_changed", set.id).named(&before.username);
        desk.record(&[entry.with(changes)]).await?;
    }
    if !before.roles.is_subset(&set.roles) {
        let epoch = desk.move_user(set.id).await?;
        desk.publish(&[Event::user(set.id, epoch)]).await?;
    }
    Ok(after)
}

pub(super) async fn reset(desk: &mut impl Desk, by: &Authority, reset: &Reset) -> Result<(), Stop> {
    let before = touched(desk, by, (reset.id, &reset.expected), Effect::HandsOver).await?;
    desk.put_one_time_password(reset).await?;
    desk.record(&[by.entry("user.reset", before.id).named(&before.username)]).await?;
    revoke(desk, before.id, "password_reset").await
}

pub(super) async fn delete(
    desk: &mut impl Desk,
    by: &Authority,
    user: (Uuid, &Expected),
) -> Result<(), Stop> {
    let before = touched(desk, by, user, Effect::Takes).await?;
    not_the_last(desk, &before).await?;
    let entry = by.entry("user.deleted", before.id).named(&before.username);
    // First, while whoever deletes themselves has a name.
    desk.record(&[entry.with(differences::of_users(Some(&before), None))]).await?;
    // The row that holds the epoch goes; what it revoked stays published.
    let epoch = desk.move_user(before.id).await?;
    desk.delete_user(before.id).await?;
    desk.publish(&[Event::user(before.id, epoch)]).await?;
    Ok(())
}

/// What a change does with all that an account holds.
#[derive(Clone, Copy)]
enum Effect {
    Takes,
    /// Whoever makes the change may use the account afterwards, or have somebody use it.
    HandsOver,
}

/// Whether a user changes names of their own account: that takes no right from anyone and gives none.
pub(super) fn is_own(by: &Authority, change: &UserChange) -> bool {
    by.scope == OWN_ACCOUNT && by.actor == Actor::User(change.id) && change.enabled.is_none()
}

/// The user as they are, if the caller may touch them. One's own account takes only the scope for that.
async fn touched(
    desk: &mut impl Desk,
    by: &Authority,
    (id, expected): (Uuid, &Expected),
    effect: Effect,
) -> Result<Profile, Stop> {
    let held = rules::held(desk, by).await?;
    let before = desk.user(id).await?.ok_or(Refused::Missing)?;
    expected.holds(&before.version())?;
    if by.scope != OWN_ACCOUNT || by.actor != Actor::User(id) {
        let scopes = rules::closure(desk, &before.roles).await?;
        match effect {
            Effect::Takes => rules::takes(by, &held, &scopes)?,
            Effect::HandsOver => rules::gives(by, &held, &scopes, &scopes)?,
        };
    }
    Ok(before)
}

async fn not_the_last(desk: &mut impl Desk, user: &Profile) -> Result<(), Stop> {
    let counts = user.enabled && user.roles.contains(ADMINISTRATOR);
    if counts && desk.other_administrators(user.id).await? == 0 {
        return Err(Refused::LastAdministrator.into());
    }
    Ok(())
}

pub(super) async fn revoke(desk: &mut impl Desk, id: Uuid, reason: &str) -> Result<(), Stop> {
    desk.end_sessions(id, reason).await?;
    let epoch = desk.move_user(id).await?;
    desk.publish(&[Event::user(id, epoch)]).await?;
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
