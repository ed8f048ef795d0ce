-- One row per session. The refresh token is a MAC over the id and the generation: nothing here can be presented.
CREATE TABLE refresh_tokens (
    id           BLOB    NOT NULL CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    salt         BLOB    NOT NULL,
    -- The generation of the one refresh token that may still be used.
    generation   INTEGER NOT NULL DEFAULT 0,
    user_id      BLOB    NOT NULL CONSTRAINT refresh_tokens_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    client_id    TEXT    NOT NULL CONSTRAINT refresh_tokens_client_id_fkey REFERENCES service_clients (client_id) ON DELETE CASCADE,
    -- The scopes the session may ever hold, a JSON array. Names, not references: a token cannot grow when a name is used again.
    scope        TEXT    NOT NULL,
    auth_time    INTEGER NOT NULL,
    rotated_at   INTEGER,
    last_used_at INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    end_reason   TEXT,
    CONSTRAINT refresh_tokens_id_is_128_bits CHECK (length(id) = 16),
    CONSTRAINT refresh_tokens_salt_is_128_bits CHECK (length(salt) = 16),
    CONSTRAINT refresh_tokens_generation_fits CHECK (generation BETWEEN 0 AND 4294967295),
    CONSTRAINT refresh_tokens_scope_is_a_list CHECK (json_valid(scope) AND json_type(scope) = 'array'),
    CONSTRAINT refresh_tokens_rotated_or_first CHECK ((generation = 0) = (rotated_at IS NULL)),
    CONSTRAINT refresh_tokens_expires_later CHECK (expires_at > auth_time),
    CONSTRAINT refresh_tokens_end_has_reason CHECK ((ended_at IS NULL) = (end_reason IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_user_id_idx ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_client_id_idx ON refresh_tokens (client_id);
CREATE INDEX refresh_tokens_expires_at_idx ON refresh_tokens (expires_at);
