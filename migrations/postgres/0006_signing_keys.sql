-- The keys that sign tokens: published, activated, retired, removed; times in the row, no messages between replicas.
CREATE TABLE signing_keys (
    -- RFC 7638 thumbprint. A row is never deleted, so a kid is never used twice.
    kid            text        COLLATE "C" CONSTRAINT signing_keys_pkey PRIMARY KEY,
    alg            text        NOT NULL,
    public_jwk     json        NOT NULL,
    -- Under the key-encryption key. May be wiped once the key is removed or compromised.
    sealed         bytea,
    published_at   timestamptz NOT NULL,
    -- How long every verifier was given to fetch the key. Nothing only for the first key and where an emergency finds no standby.
    lead           interval,
    -- NULL: a standby.
    activates_at   timestamptz,
    -- When its successor activates. NULL: there is none yet.
    retires_at     timestamptz,
    -- How long its last token, every leeway and every clock error may take.
    tail           interval,
    removed_at     timestamptz,
    compromised_at timestamptz,
    CONSTRAINT signing_keys_alg_is_known CHECK (alg IN ('EdDSA', 'ES256', 'RS256')),
    CONSTRAINT signing_keys_public_jwk_is_public CHECK (
        json_typeof(public_jwk) = 'object'
        AND NOT public_jwk::jsonb ?| ARRAY['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']
    ),
    CONSTRAINT signing_keys_sealed_while_usable CHECK (
        sealed IS NOT NULL OR removed_at IS NOT NULL OR compromised_at IS NOT NULL
    ),
    CONSTRAINT signing_keys_lead_and_tail_are_waits CHECK (lead >= interval '0' AND tail >= interval '0'),
    CONSTRAINT signing_keys_published_before_active CHECK (
        (lead IS NULL) = (activates_at IS NULL) AND activates_at >= published_at + lead
    ),
    CONSTRAINT signing_keys_active_before_retired CHECK (
        retires_at IS NULL OR (activates_at IS NOT NULL AND retires_at >= activates_at)
    ),
    -- A key that is not compromised outlives its last token.
    CONSTRAINT signing_keys_retired_before_removed CHECK (
        removed_at IS NULL
        OR compromised_at IS NOT NULL
        OR activates_at IS NULL
        OR (retires_at IS NOT NULL AND tail IS NOT NULL AND removed_at >= retires_at + tail)
    ),
    -- At every instant at most one key signs.
    CONSTRAINT signing_keys_one_active EXCLUDE USING gist (tstzrange(activates_at, retires_at) WITH &&)
        WHERE (activates_at IS NOT NULL AND compromised_at IS NULL)
);
