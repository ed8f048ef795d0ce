-- People. The keys are canonical forms: two names that look alike have one key and cannot both exist.
CREATE TABLE users (
    id             uuid        CONSTRAINT users_pkey PRIMARY KEY,
    username       text        NOT NULL,
    username_key   text        COLLATE "C" NOT NULL CONSTRAINT users_username_key_unique UNIQUE,
    email          text,
    email_key      text        COLLATE "C" CONSTRAINT users_email_key_unique UNIQUE,
    password_hash  text,
    -- Set: the password is good for one login before this time.
    one_time_until timestamptz,
    enabled        boolean     NOT NULL DEFAULT true,
    -- Tokens that carry a smaller number are revoked.
    epoch          bigint      NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    last_login     timestamptz,
    CONSTRAINT users_username_is_named CHECK (username <> '' AND username_key <> ''),
    CONSTRAINT users_email_has_key CHECK ((email IS NULL) = (email_key IS NULL)),
    CONSTRAINT users_one_time_has_password CHECK (one_time_until IS NULL OR password_hash IS NOT NULL),
    CONSTRAINT users_epoch_counts_up CHECK (epoch >= 0)
);

CREATE TABLE user_roles (
    user_id    uuid        NOT NULL CONSTRAINT user_roles_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    role_name  text        COLLATE "C" NOT NULL CONSTRAINT user_roles_role_name_fkey REFERENCES roles (name) ON DELETE CASCADE,
    granted_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_roles_pkey PRIMARY KEY (user_id, role_name)
);

CREATE INDEX user_roles_role_name_idx ON user_roles (role_name);
