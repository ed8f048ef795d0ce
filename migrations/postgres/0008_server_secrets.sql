-- Keys that the replicas share and nobody else knows, under the key-encryption key.
CREATE TABLE server_secrets (
    name       text        COLLATE "C" CONSTRAINT server_secrets_pkey PRIMARY KEY,
    sealed     bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT server_secrets_name_is_named CHECK (name <> '')
);
