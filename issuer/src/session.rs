//! Refresh tokens: a session, a generation, and a MAC over both. Nothing usable is stored.
//!
//! `ksrt_` + id (16 bytes), generation (4), HMAC-SHA256 (32) over id, generation and the session's salt.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::issuer::Issuer;
use crate::secret::Secret;
use crate::secrets::{Secrets, authenticate};
use crate::store::{EndSession, SessionId, StoreError};
use crate::tagged;

/// A refresh token that reads well. Only `is_genuine` tells whether we made it.
#[derive(Debug)]
pub struct Presented {
    pub session: SessionId,
    pub generation: u32,
    mac: [u8; 32],
}

impl Presented {
    /// `None`: not a refresh token's text.
    pub fn parse(text: &Secret) -> Option<Self> {
        let bytes = tagged::decode::<52>(tagged::REFRESH_TOKEN, text.expose())?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, mac) = rest.split_first_chunk::<4>()?;
        let generation = u32::from_be_bytes(*generation);
        Some(Self { session: SessionId(*session), generation, mac: mac.try_into().ok()? })
    }

    /// `salt`: the session's. `None`, for a session that does not exist, costs the same and is never genuine.
    pub fn is_genuine(&self, secrets: &Secrets, salt: Option<[u8; 16]>) -> bool {
        let expected = mac(secrets, self.session, self.generation, salt.unwrap_or_default());
        verify_slices_are_equal(&expected, &self.mac).is_ok() & salt.is_some()
    }
}

/// `None`: we never made this token (also: an access token, CVE-2026-101023).
pub async fn genuine(issuer: &Issuer, token: &Secret) -> Result<Option<Presented>, StoreError> {
    let Some(presented) = Presented::parse(token) else { return Ok(None) };
    let salt = issuer.store.session_salt(presented.session).await?;
    Ok(Some(presented).filter(|presented| presented.is_genuine(&issuer.secrets, salt)))
}

/// Ends a session before its time. `false`: the actor has no such session, or it ended before.
pub async fn end(issuer: &Issuer, end: &EndSession) -> Result<bool, StoreError> {
    let ended = issuer.store.end_session(end).await?;
    if ended {
        issuer.world.metrics.revocations.count(end.reason.as_str());
    }
    Ok(ended)
}

/// The one refresh token of this session and generation: the same text whenever it is asked for.
pub fn refresh_token(secrets: &Secrets, session: SessionId, generation: u32, salt: [u8; 16]) -> Secret {
    let mac = mac(secrets, session, generation, salt);
    let bytes = [session.0.as_slice(), &generation.to_be_bytes(), &mac].concat();
    tagged::encode(tagged::REFRESH_TOKEN, &bytes)
}

fn mac(secrets: &Secrets, session: SessionId, generation: u32, salt: [u8; 16]) -> [u8; 32] {
    authenticate(&secrets.refresh_tokens, &[&session.0, &generation.to_be_bytes(), &salt])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::tests::secrets;

    const ID: SessionId = SessionId([3; 16]);
    const SALT: [u8; 16] = [4; 16];

    #[test]
    fn a_token_we_made_is_genuine() {
        let token = refresh_token(&secrets(), ID, 7, SALT);
        let presented = Presented::parse(&token).unwrap();

        assert_eq!((presented.session, presented.generation), (ID, 7));
        assert!(presented.is_genuine(&secrets(), Some(SALT)));
        assert_eq!(token, refresh_token(&secrets(), ID, 7, SALT));
    }

    ///
    #[test]
    fn other_salts_generations_and_unknown_sessions_are_not_genuine() {
        let token = refresh_token(&secrets(), ID, 7, SALT);
        let presented = Presented::parse(&token).unwrap();
        let next = Presented { generation: 8, ..Presented::parse(&token).unwrap() };

        assert!(!presented.is_genuine(&secrets(), Some([5; 16])));
        assert!(!presented.is_genuine(&secrets(), None));
        assert!(!next.is_genuine(&secrets(), Some(SALT)));
    }

    #[test]
    fn a_forged_mac_for_the_missing_salt_is_not_genuine() {
        let token = refresh_token(&secrets(), ID, 7, [0; 16]);

        assert!(!Presented::parse(&token).unwrap().is_genuine(&secrets(), None));
    }

    #[test]
    fn access_tokens_and_client_secrets_do_not_parse() {
        for wrong in ["", "ksrt_", "eyJhbGciOiJFZERTQSJ9.e30.AA", tagged::encode("kscs_", &[1; 52]).expose()]
        {
            assert!(Presented::parse(&Secret::new(wrong)).is_none(), "{wrong}");
        }
    }
}
