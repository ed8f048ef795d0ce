//! A client secret: whose it is, and until when. Only hashes are stored, so every client is asked.

use super::explanation::Outcome;
use super::{Case, Explanation, Failure};
use crate::commands::open;
use crate::commands::times::date;
use crate::secret::Secret;
use crate::secrets::Secrets;
use crate::store::Client;
use crate::store::{Page, SecretSlot};
use crate::tagged;

pub(super) async fn explain(case: &Case<'_>, text: &Secret) -> Result<Explanation, Failure> {
    let mut explanation = Explanation::of("client secret");
    if tagged::decode::<32>(tagged::CLIENT_SECRET, text.expose()).is_none() {
        explanation.add("form", Outcome::Failed, "the checksum is wrong: it is truncated or mistyped");
        return Ok(explanation.refused("malformed"));
    }
    explanation.add("form", Outcome::Passed, "the checksum is right");
    let secrets = case.secrets().await?;
    let Some((client, slot)) = owner(case, (&secrets, text)).await? else {
        explanation.add(
            "client",
            Outcome::Failed,
            "no client has this secret: it was deleted, has expired, or is from another database",
        );
        return Ok(explanation.refused("unknown"));
    };
    let state = if client.enabled { "enabled" } else { "disabled" };
    explanation.judge("client", client.enabled, format!("{:?}, {state}", client.client_id));
    let until = slot.expires_at.map_or("until it is deleted".to_owned(), |at| format!("until {}", date(at)));
    explanation.add(
        "slot",
        Outcome::Passed,
        format!("{}, created {}, valid {until}", slot.slot, date(slot.created_at)),
    );
    Ok(explanation.decided((!client.enabled).then_some("disabled")))
}

async fn owner(
    case: &Case<'_>,
    (secrets, text): (&Secrets, &Secret),
) -> Result<Option<(Client, SecretSlot)>, Failure> {
    let mut page = Page { after: String::new(), limit: 100 };
    loop {
        let clients = case.store.clients(&page).await.map_err(open::failed)?;
        let Some(last) = clients.last() else { return Ok(None) };
        page.after.clone_from(&last.client_id);
        for profile in clients.iter().filter(|profile| !profile.public) {
            let client = case.store.client(&profile.client_id).await.map_err(open::failed)?;
            let slots = case.store.client_secrets(&profile.client_id).await.map_err(open::failed)?;
            let Some(client) = client else { continue };
            // Both are in the order of the slots.
            let found =
                client.secrets.iter().zip(slots).find(|(hash, _)| secrets.is_client_secret(text, &[**hash]));
            if let Some((_, slot)) = found {
                return Ok(Some((client, slot)));
            }
        }
    }
}
