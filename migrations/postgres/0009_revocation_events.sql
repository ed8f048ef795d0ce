-- What verifiers must refuse before it expires, in one order. Written in the transaction that makes it true.
CREATE TABLE revocation_events (
    seq        bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT revocation_events_pkey PRIMARY KEY,
    kind       text        NOT NULL,
    value      text        COLLATE "C" NOT NULL,
    -- Tokens with a smaller epoch are revoked.
    min_epoch  bigint,
    at         timestamptz NOT NULL DEFAULT now(),
    -- No token that the event could match lives longer.
    drop_after timestamptz NOT NULL,
    CONSTRAINT revocation_events_kind_is_known CHECK (kind IN ('sid', 'jti', 'sub', 'cid', 'kid', 'iss')),
    CONSTRAINT revocation_events_epoch_where_due CHECK ((min_epoch IS NOT NULL) = (kind IN ('sub', 'cid', 'iss'))),
    CONSTRAINT revocation_events_drop_later CHECK (drop_after > at)
);

CREATE INDEX revocation_events_drop_after_idx ON revocation_events (drop_after);

-- A sequence is not ordered by commit: a reader could see 11 before 10 is committed, and skip 10 for ever.
-- The lock is taken before the number and given back after the commit is visible, so numbers become visible in order.
-- It makes writers of events wait for each other: write the event last.
CREATE FUNCTION order_revocation_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7738429001); -- any number, as long as nobody else uses it
    RETURN NULL;
END
$$;

CREATE TRIGGER revocation_events_order
    BEFORE INSERT ON revocation_events
    FOR EACH STATEMENT EXECUTE FUNCTION order_revocation_events();
