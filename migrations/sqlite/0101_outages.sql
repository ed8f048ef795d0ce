-- When no issuer could answer: a client whose answer was lost has as much longer to ask again.
CREATE TABLE outages (
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL CONSTRAINT outages_pkey PRIMARY KEY,
    CONSTRAINT outages_end_later CHECK (ended_at > started_at)
) STRICT, WITHOUT ROWID;

-- When an issuer last said that it can answer. Without another report before `due_at`, an outage has begun.
CREATE TABLE liveness (
    once        INTEGER NOT NULL DEFAULT 1 CONSTRAINT liveness_pkey PRIMARY KEY,
    reported_at INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    CONSTRAINT liveness_is_one_row CHECK (once = 1)
) STRICT, WITHOUT ROWID;
