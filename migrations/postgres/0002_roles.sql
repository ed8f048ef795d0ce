-- Bundles of scopes, given to users.
CREATE TABLE roles (
    name        text        COLLATE "C" CONSTRAINT roles_pkey PRIMARY KEY,
    description text        NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT roles_name_is_named CHECK (name <> '')
);

CREATE TABLE role_scopes (
    role_name  text COLLATE "C" NOT NULL CONSTRAINT role_scopes_role_name_fkey REFERENCES roles (name) ON DELETE CASCADE,
    scope_name text COLLATE "C" NOT NULL CONSTRAINT role_scopes_scope_name_fkey REFERENCES scopes (name) ON DELETE CASCADE,
    CONSTRAINT role_scopes_pkey PRIMARY KEY (role_name, scope_name)
);

CREATE INDEX role_scopes_scope_name_idx ON role_scopes (scope_name);
