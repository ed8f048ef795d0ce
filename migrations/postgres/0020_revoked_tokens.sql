-- Whether one token was revoked is asked at each introspection and each request to Keystone itself.
CREATE INDEX revocation_events_revoked_token_idx ON revocation_events (value) WHERE kind = 'jti';
