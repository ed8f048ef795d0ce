-- The keys that sign tokens: published, activated, retired, removed; times in the row, no messages between replicas.
CREATE TABLE signing_keys (
    -- RFC 7638 thumbprint. A row is never deleted, so a kid is never used twice.
    kid            TEXT    NOT NULL CONSTRAINT signing_keys_pkey PRIMARY KEY,
    alg            TEXT    NOT NULL,
    public_jwk     TEXT    NOT NULL,
    -- Under the key-encryption key. May be wiped once the key is removed or compromised.
    sealed         BLOB,
    published_at   INTEGER NOT NULL,
    -- How long every verifier was given to fetch the key, in milliseconds. Nothing only for the first key and where an emergency finds no standby.
    lead           INTEGER,
    -- NULL: a standby.
    activates_at   INTEGER,
    -- When its successor activates. NULL: there is none yet.
    retires_at     INTEGER,
    -- How long its last token, every leeway and every clock error may take, in milliseconds.
    tail           INTEGER,
    removed_at     INTEGER,
    compromised_at INTEGER,
    CONSTRAINT signing_keys_alg_is_known CHECK (alg IN ('EdDSA', 'ES256', 'RS256')),
    CONSTRAINT signing_keys_public_jwk_is_public CHECK (
        json_valid(public_jwk)
        AND json_type(public_jwk) = 'object'
        AND coalesce(
            json_type(public_jwk, '$.d'), json_type(public_jwk, '$.p'), json_type(public_jwk, '$.q'),
            json_type(public_jwk, '$.dp'), json_type(public_jwk, '$.dq'), json_type(public_jwk, '$.qi'),
            json_type(public_jwk, '$.oth'), json_type(public_jwk, '$.k')
        ) IS NULL
    ),
    CONSTRAINT signing_keys_sealed_while_usable CHECK (
        sealed IS NOT NULL OR removed_at IS NOT NULL OR compromised_at IS NOT NULL
    ),
    CONSTRAINT signing_keys_lead_and_tail_are_waits CHECK (lead >= 0 AND tail >= 0),
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
    )
) STRICT, WITHOUT ROWID;

-- At every instant at most one key signs.
CREATE TRIGGER signing_keys_one_active_insert
    BEFORE INSERT ON signing_keys
    WHEN NEW.activates_at IS NOT NULL AND NEW.compromised_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'signing_keys_one_active: another key signs at that time')
    FROM signing_keys AS other
    WHERE other.activates_at IS NOT NULL
        AND other.compromised_at IS NULL
        AND other.activates_at < coalesce(NEW.retires_at, 9223372036854775807)
        AND NEW.activates_at < coalesce(other.retires_at, 9223372036854775807);
END;

CREATE TRIGGER signing_keys_one_active_update
    BEFORE UPDATE ON signing_keys
    WHEN NEW.activates_at IS NOT NULL AND NEW.compromised_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'signing_keys_one_active: another key signs at that time')
    FROM signing_keys AS other
    WHERE other.kid <> OLD.kid
        AND other.activates_at IS NOT NULL
        AND other.compromised_at IS NULL
        AND other.activates_at < coalesce(NEW.retires_at, 9223372036854775807)
        AND NEW.activates_at < coalesce(other.retires_at, 9223372036854775807);
END;
