-- Bundles of scopes, given to users.
CREATE TABLE roles (
    name        TEXT    NOT NULL CONSTRAINT roles_pkey PRIMARY KEY,
    description TEXT    NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    CONSTRAINT roles_name_is_named CHECK (name <> '')
) STRICT, WITHOUT ROWID;

CREATE TABLE role_scopes (
    role_name  TEXT NOT NULL CONSTRAINT role_scopes_role_name_fkey REFERENCES roles (name) ON DELETE CASCADE,
    scope_name TEXT NOT NULL CONSTRAINT role_scopes_scope_name_fkey REFERENCES scopes (name) ON DELETE CASCADE,
    CONSTRAINT role_scopes_pkey PRIMARY KEY (role_name, scope_name)
) STRICT, WITHOUT ROWID;

CREATE INDEX role_scopes_scope_name_idx ON role_scopes (scope_name);
