-- What a token can allow, and the resource (audience) that understands it.
-- Times are whole milliseconds since 1970 in every table.
CREATE TABLE scopes (
    name        TEXT    NOT NULL CONSTRAINT scopes_pkey PRIMARY KEY,
    description TEXT    NOT NULL DEFAULT '',
    resource    TEXT    NOT NULL,
    created_at  INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    -- RFC 6749 §3.3: scopes travel as one string, separated by spaces.
    CONSTRAINT scopes_name_is_one_word CHECK (
        name <> '' AND name NOT GLOB '*[^!-~]*' AND instr(name, '"') = 0 AND instr(name, '\') = 0
    ),
    CONSTRAINT scopes_resource_is_named CHECK (resource <> '')
) STRICT, WITHOUT ROWID;
