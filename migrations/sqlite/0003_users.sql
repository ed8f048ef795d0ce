-- People. The keys are canonical forms: two names that look alike have one key and cannot both exist.
CREATE TABLE users (
    id             BLOB    NOT NULL CONSTRAINT users_pkey PRIMARY KEY,
    username       TEXT    NOT NULL,
    username_key   TEXT    NOT NULL CONSTRAINT users_username_key_unique UNIQUE,
    email          TEXT,
    email_key      TEXT    CONSTRAINT users_email_key_unique UNIQUE,
    password_hash  TEXT,
    -- Set: the password is good for one login before this time.
    one_time_until INTEGER,
    enabled        INTEGER NOT NULL DEFAULT 1,
    -- Tokens that carry a smaller number are revoked.
    epoch          INTEGER NOT NULL DEFAULT 0,
    created_at     INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    updated_at     INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    last_login     INTEGER,
    CONSTRAINT users_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT users_username_is_named CHECK (username <> '' AND username_key <> ''),
    CONSTRAINT users_email_has_key CHECK ((email IS NULL) = (email_key IS NULL)),
    CONSTRAINT users_one_time_has_password CHECK (one_time_until IS NULL OR password_hash IS NOT NULL),
    CONSTRAINT users_enabled_is_boolean CHECK (enabled IN (0, 1)),
    CONSTRAINT users_epoch_counts_up CHECK (epoch >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE user_roles (
    user_id    BLOB    NOT NULL CONSTRAINT user_roles_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    role_name  TEXT    NOT NULL CONSTRAINT user_roles_role_name_fkey REFERENCES roles (name) ON DELETE CASCADE,
    granted_at INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role_name)
) STRICT, WITHOUT ROWID;

CREATE INDEX user_roles_role_name_idx ON user_roles (role_name);
