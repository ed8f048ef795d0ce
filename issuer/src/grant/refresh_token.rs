//! The refresh token grant (RFC 6749 §6) with rotation: one successor, the same one for whoever retries in time.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Authorised, GrantError, Granted, ScopeFault, issue};
use crate::issuer::Issuer;
use crate::rbac;
use crate::secret::Secret;
use crate::session::{self, Presented};
use crate::store::{AskedScope, Client, RequestContext, Rotate, Rotation, RotationRefusal};

pub(super) async fn grant(request: Authorised<'_>, token: Secret) -> Result<Granted, GrantError> {
    let Authorised { issuer, client, asked, source, context } = request;
    let Some(presented) = session::genuine(issuer, &token).await? else {
        issuer.attempts.failed(&issuer.secrets, &source).await?;
        return Err(GrantError::RefreshToken);
    };
    rotate(issuer, (client, context), presented, asked).await
}

async fn rotate(
    issuer: &Issuer,
    (client, context): (Arc<Client>, RequestContext),
    presented: Presented,
    asked: Result<Option<BTreeSet<String>>, ScopeFault>,
) -> Result<Granted, GrantError> {
    let settings = &issuer.config.sessions;
    let rotate = Rotate {
        id: presented.session,
        presented: presented.generation,
        client_id: client.client_id.clone(),
        grace: settings.grace,
        inactivity: settings.inactivity,
        scope: match &asked {
            Ok(None) => AskedScope::All,
            Ok(Some(asked)) => AskedScope::Only(asked.clone()),
            Err(_) => AskedScope::Ungrantable,
        },
        context,
    };
    let rotation = issuer.store.rotate(&rotate).await?;
    issuer.world.metrics.refreshes.count(rotation.as_str());
    let session = match rotation {
        Rotation::Rotated(session) | Rotation::Repeated(session) => session,
        Rotation::Refused(RotationRefusal::BeyondScope) => {
            return Err(asked.err().unwrap_or(ScopeFault::BeyondSession).into());
        }
        Rotation::Refused(RotationRefusal::NothingHeld) => return Err(nothing_held(asked)),
        Rotation::Refused(why) => {
            tracing::info!(session = %presented.session, generation = presented.generation, ?why, "refresh refused");
            return Err(GrantError::RefreshToken);
        }
    };
    // Of several scopes, those that the user holds no more are left out (RFC 6749 §5.1: `scope` tells).
    let scopes = match asked? {
        None => session.scopes.clone(),
        Some(asked) => rbac::narrowed(session.scopes.clone(), &asked),
    };
    issue(issuer, true, &session, &scopes)
}

/// Why nothing is issued. A client that named scopes may ask for others with the same token; of a session that holds nothing,
/// no token can come.
fn nothing_held(asked: Result<Option<BTreeSet<String>>, ScopeFault>) -> GrantError {
    match asked {
        Ok(Some(asked)) => ScopeFault::NothingHeld(asked.into_iter().collect()).into(),
        _ => GrantError::RefreshToken,
    }
}
