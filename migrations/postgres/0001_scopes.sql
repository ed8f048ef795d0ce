-- What a token can allow, and the resource (audience) that understands it.
-- Names sort and compare by bytes everywhere, so that no change of a locale can make an index lie.
CREATE TABLE scopes (
    name        text        COLLATE "C" CONSTRAINT scopes_pkey PRIMARY KEY,
    description text        NOT NULL DEFAULT '',
    resource    text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- RFC 6749 §3.3: scopes travel as one string, separated by spaces.
    CONSTRAINT scopes_name_is_one_word CHECK (name ~ '^[\x21\x23-\x5B\x5D-\x7E]+$'),
    CONSTRAINT scopes_resource_is_named CHECK (resource <> '')
);
