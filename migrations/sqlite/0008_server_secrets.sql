-- Keys that the replicas share and nobody else knows, under the key-encryption key.
CREATE TABLE server_secrets (
    name       TEXT    NOT NULL CONSTRAINT server_secrets_pkey PRIMARY KEY,
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    CONSTRAINT server_secrets_name_is_named CHECK (name <> '')
) STRICT, WITHOUT ROWID;
