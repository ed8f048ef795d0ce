-- What verifiers must refuse before it expires, in one order. Written in the transaction that makes it true.
-- There is one writer at a time and AUTOINCREMENT never goes back, so `seq` is in the order of commits.
CREATE TABLE revocation_events (
    seq        INTEGER CONSTRAINT revocation_events_pkey PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    -- Tokens with a smaller epoch are revoked.
    min_epoch  INTEGER,
    at         INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    -- No token that the event could match lives longer.
    drop_after INTEGER NOT NULL,
    CONSTRAINT revocation_events_kind_is_known CHECK (kind IN ('sid', 'jti', 'sub', 'cid', 'kid', 'iss')),
    CONSTRAINT revocation_events_epoch_where_due CHECK ((min_epoch IS NOT NULL) = (kind IN ('sub', 'cid', 'iss'))),
    CONSTRAINT revocation_events_drop_later CHECK (drop_after > at)
) STRICT;

CREATE INDEX revocation_events_drop_after_idx ON revocation_events (drop_after);
