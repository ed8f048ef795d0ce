-- Programs that ask for tokens, for a user or for themselves.
CREATE TABLE service_clients (
    client_id  TEXT    NOT NULL CONSTRAINT service_clients_pkey PRIMARY KEY,
    name       TEXT    NOT NULL,
    -- RFC 6749 §2.1. Never changes: a public client holds no secret, a confidential one is nothing without.
    public     INTEGER NOT NULL,
    enabled    INTEGER NOT NULL DEFAULT 1,
    -- Tokens that carry a smaller number are revoked.
    epoch      INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    updated_at INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    CONSTRAINT service_clients_client_id_is_named CHECK (client_id <> ''),
    CONSTRAINT service_clients_public_is_boolean CHECK (public IN (0, 1)),
    CONSTRAINT service_clients_enabled_is_boolean CHECK (enabled IN (0, 1)),
    CONSTRAINT service_clients_epoch_counts_up CHECK (epoch >= 0),
    -- What `client_secrets` refers to, so that only a confidential client can have a secret.
    CONSTRAINT service_clients_kind_unique UNIQUE (client_id, public)
) STRICT, WITHOUT ROWID;

-- The grants a client may use: an allow-list, empty by default.
CREATE TABLE client_grants (
    client_id  TEXT NOT NULL CONSTRAINT client_grants_client_id_fkey REFERENCES service_clients (client_id) ON DELETE CASCADE,
    grant_type TEXT NOT NULL,
    CONSTRAINT client_grants_pkey PRIMARY KEY (client_id, grant_type),
    CONSTRAINT client_grants_grant_type_is_known CHECK (grant_type IN ('password', 'client_credentials', 'refresh_token'))
) STRICT, WITHOUT ROWID;

-- Keyed hashes. Two slots: during a rotation the old and the new secret live at once, never a third.
CREATE TABLE client_secrets (
    client_id  TEXT    NOT NULL,
    slot       INTEGER NOT NULL,
    public     INTEGER NOT NULL DEFAULT 0,
    hash       BLOB    NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    -- Set: the secret is dead from then on.
    expires_at INTEGER,
    CONSTRAINT client_secrets_pkey PRIMARY KEY (client_id, slot),
    CONSTRAINT client_secrets_client_id_fkey FOREIGN KEY (client_id, public) REFERENCES service_clients (client_id, public) ON DELETE CASCADE,
    CONSTRAINT client_secrets_at_most_two CHECK (slot IN (1, 2)),
    CONSTRAINT client_secrets_only_confidential CHECK (public = 0),
    CONSTRAINT client_secrets_hash_is_256_bits CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;

-- The scopes a client may ask for, and which of them it gets when it asks for none.
CREATE TABLE client_scopes (
    client_id  TEXT    NOT NULL CONSTRAINT client_scopes_client_id_fkey REFERENCES service_clients (client_id) ON DELETE CASCADE,
    scope_name TEXT    NOT NULL CONSTRAINT client_scopes_scope_name_fkey REFERENCES scopes (name) ON DELETE CASCADE,
    is_default INTEGER NOT NULL,
    CONSTRAINT client_scopes_pkey PRIMARY KEY (client_id, scope_name),
    CONSTRAINT client_scopes_is_default_is_boolean CHECK (is_default IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE INDEX client_scopes_scope_name_idx ON client_scopes (scope_name);
