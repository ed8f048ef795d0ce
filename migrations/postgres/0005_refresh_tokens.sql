-- One row per session. The refresh token is a MAC over the id and the generation: nothing here can be presented.
CREATE TABLE refresh_tokens (
    id           uuid        CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    salt         bytea       NOT NULL,
    -- The generation of the one refresh token that may still be used.
    generation   bigint      NOT NULL DEFAULT 0,
    user_id      uuid        NOT NULL CONSTRAINT refresh_tokens_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    client_id    text        COLLATE "C" NOT NULL CONSTRAINT refresh_tokens_client_id_fkey REFERENCES service_clients (client_id) ON DELETE CASCADE,
    -- The scopes the session may ever hold. Names, not references: a token cannot grow when a name is used again.
    scope        text[]      COLLATE "C" NOT NULL,
    auth_time    timestamptz NOT NULL,
    rotated_at   timestamptz,
    last_used_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    end_reason   text,
    CONSTRAINT refresh_tokens_salt_is_128_bits CHECK (octet_length(salt) = 16),
    CONSTRAINT refresh_tokens_generation_fits CHECK (generation BETWEEN 0 AND 4294967295),
    CONSTRAINT refresh_tokens_rotated_or_first CHECK ((generation = 0) = (rotated_at IS NULL)),
    CONSTRAINT refresh_tokens_expires_later CHECK (expires_at > auth_time),
    CONSTRAINT refresh_tokens_end_has_reason CHECK ((ended_at IS NULL) = (end_reason IS NULL))
)
-- A rotation changes no indexed column, so with room on its page it is one heap-only update: no index is written, nothing grows.
WITH (fillfactor = 60);

CREATE INDEX refresh_tokens_user_id_idx ON refresh_tokens (user_id);
CREATE INDEX refresh_tokens_client_id_idx ON refresh_tokens (client_id);
CREATE INDEX refresh_tokens_expires_at_idx ON refresh_tokens (expires_at);
