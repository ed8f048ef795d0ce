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
        Rotation::Refused(why) => {
            tracing::info!(session = %presented.session, generation = presented.generation, ?why, "refresh refused");
            return Err(GrantError::RefreshToken);
        }
    };
    if session.scopes.is_empty() {
        // The user's roles were taken away: nothing will ever come of this session.
        return Err(GrantError::RefreshToken);
    }
    let scopes = match asked? {
        None => session.scopes.clone(),
        Some(asked) => rbac::narrowed(session.scopes.clone(), &asked),
    };
    if scopes.is_empty() {
        return Err(ScopeFault::NothingLeft.into());
    }
    issue(issuer, true, &session, &scopes)
}
