//! Fixtures: a policy, key sets and tokens of one issuer.

use std::time::Duration;

/// A policy of one issuer with these `keys` and these `identity_headers`.
pub(crate) fn policy(keys: &str, identity_headers: &str) -> String {
    format!(
        r#"{{ "version": 1,
  "issuers": [ {{ "issuer": "http://as.test", "audiences": ["orders"], "keys": {keys} }} ],
  "routes": [ {{ "methods": ["GET"], "path": "/", "public": true }},
              {{ "methods": ["GET"], "path": "/orders", "require": {{ "all": ["orders:read"] }} }},
              {{ "methods": ["POST"], "path": "/orders", "require": {{ "all": ["orders:write"] }} }} ],
  "identity_headers": {identity_headers} }}"#
    )
}

/// Where the fetched keys of a test are.
pub(crate) const REMOTE: &str = r#"{ "url": "http://as.test/jwks.json", "cluster": "keystone" }"#;

/// When the tokens below were issued, for 900 seconds.
pub(crate) const NOW: Duration = Duration::from_secs(1_800_000_000);

/// The set of the first key.
pub(crate) const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"eGVygzLgOmO2RCtC75jusdS-_R6cUDK4PXD2Tl9VGlA","kid":"RTr_Og-QZMZvUb4H-wYdOARbkdo0f5KAKIIkzJ8xpdU","alg":"EdDSA","use":"sig"}]}"#;

/// The set of both keys.
pub(crate) const JWKS_OF_BOTH: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"eGVygzLgOmO2RCtC75jusdS-_R6cUDK4PXD2Tl9VGlA","kid":"RTr_Og-QZMZvUb4H-wYdOARbkdo0f5KAKIIkzJ8xpdU","alg":"EdDSA","use":"sig"},{"kty":"OKP","crv":"Ed25519","x":"X_m_tz-PLK-6Ym3Vm9oOtIA70mLt8UD_buxjlzaRMhw","kid":"fmTdqvbNzWesXwJxeo_YValX2Mz1Uit50rGAwa7RoYA","alg":"EdDSA","use":"sig"}]}"#;

/// Signed by the first key: alice, client `orders-app`, scope `orders:read`, session `s-1`, role `customer`.
pub(crate) const TOKEN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6IlJUcl9PZy1RWk1adlViNEgtd1lkT0FSYmtkbzBmNUtBS0lJa3pKOHhwZFUiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJodHRwOi8vYXMudGVzdCIsImF1ZCI6Im9yZGVycyIsInN1YiI6ImFsaWNlLTEiLCJjbGllbnRfaWQiOiJvcmRlcnMtYXBwIiwiaWF0IjoxODAwMDAwMDAwLCJuYmYiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMDkwMCwianRpIjoiajEiLCJzaWQiOiJzLTEiLCJzY29wZSI6Im9yZGVyczpyZWFkIiwicm9sZXMiOlsiY3VzdG9tZXIiXSwidHlwZSI6ImFjY2VzcyJ9.HJWc1B-Ju68aEbK92ETCiuLZhzXIK025LlIGcCHWpY8B1ioGHFQ9opYoWSOvoFGRjUFIxNHKUJ_VZryzs6RHAg";

/// The same, signed by the second key.
pub(crate) const TOKEN_OF_SECOND_KEY: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImZtVGRxdmJOeldlc1h3Snhlb19ZVmFsWDJNejFVaXQ1MHJHQXdhN1JvWUEiLCJ0eXAiOiJhdCtqd3QifQ.eyJpc3MiOiJodHRwOi8vYXMudGVzdCIsImF1ZCI6Im9yZGVycyIsInN1YiI6ImFsaWNlLTEiLCJjbGllbnRfaWQiOiJvcmRlcnMtYXBwIiwiaWF0IjoxODAwMDAwMDAwLCJuYmYiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMDkwMCwianRpIjoiajEiLCJzaWQiOiJzLTEiLCJzY29wZSI6Im9yZGVyczpyZWFkIiwicm9sZXMiOlsiY3VzdG9tZXIiXSwidHlwZSI6ImFjY2VzcyJ9.oiwK_Qd_rbUmGZazvaepCr2qPNbRfNkNW3s3cuq5nPlkOiXDZ_Ka3IdZmIdzUY7uED-HLJc0AyaCRr9zogNADQ";
