-- Programs that ask for tokens, for a user or for themselves.
CREATE TABLE service_clients (
    client_id  text        COLLATE "C" CONSTRAINT service_clients_pkey PRIMARY KEY,
    name       text        NOT NULL,
    -- RFC 6749 §2.1. Never changes: a public client holds no secret, a confidential one is nothing without.
    public     boolean     NOT NULL,
    enabled    boolean     NOT NULL DEFAULT true,
    -- Tokens that carry a smaller number are revoked.
    epoch      bigint      NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT service_clients_client_id_is_named CHECK (client_id <> ''),
    CONSTRAINT service_clients_epoch_counts_up CHECK (epoch >= 0),
    -- What `client_secrets` refers to, so that only a confidential client can have a secret.
    CONSTRAINT service_clients_kind_unique UNIQUE (client_id, public)
);

-- The grants a client may use: an allow-list, empty by default.
CREATE TABLE client_grants (
    client_id  text COLLATE "C" NOT NULL CONSTRAINT client_grants_client_id_fkey REFERENCES service_clients (client_id) ON DELETE CASCADE,
    grant_type text NOT NULL,
    CONSTRAINT client_grants_pkey PRIMARY KEY (client_id, grant_type),
    CONSTRAINT client_grants_grant_type_is_known CHECK (grant_type IN ('password', 'client_credentials', 'refresh_token'))
);

-- Keyed hashes. Two slots: during a rotation the old and the new secret live at once, never a third.
CREATE TABLE client_secrets (
    client_id  text        COLLATE "C" NOT NULL,
    slot       smallint    NOT NULL,
    public     boolean     NOT NULL DEFAULT false,
    hash       bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Set: the secret is dead from then on.
    expires_at timestamptz,
    CONSTRAINT client_secrets_pkey PRIMARY KEY (client_id, slot),
    CONSTRAINT client_secrets_client_id_fkey FOREIGN KEY (client_id, public) REFERENCES service_clients (client_id, public) ON DELETE CASCADE,
    CONSTRAINT client_secrets_at_most_two CHECK (slot IN (1, 2)),
    CONSTRAINT client_secrets_only_confidential CHECK (NOT public),
    CONSTRAINT client_secrets_hash_is_256_bits CHECK (octet_length(hash) = 32)
);

-- The scopes a client may ask for, and which of them it gets when it asks for none.
CREATE TABLE client_scopes (
    client_id  text    COLLATE "C" NOT NULL CONSTRAINT client_scopes_client_id_fkey REFERENCES service_clients (client_id) ON DELETE CASCADE,
    scope_name text    COLLATE "C" NOT NULL CONSTRAINT client_scopes_scope_name_fkey REFERENCES scopes (name) ON DELETE CASCADE,
    is_default boolean NOT NULL,
    CONSTRAINT client_scopes_pkey PRIMARY KEY (client_id, scope_name)
);

CREATE INDEX client_scopes_scope_name_idx ON client_scopes (scope_name);
