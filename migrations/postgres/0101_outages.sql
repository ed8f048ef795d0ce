-- When no issuer could answer: a client whose answer was lost has as much longer to ask again.
CREATE TABLE outages (
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL CONSTRAINT outages_pkey PRIMARY KEY,
    CONSTRAINT outages_end_later CHECK (ended_at > started_at)
);

-- When an issuer last said that it can answer. Without another report before `due_at`, an outage has begun.
CREATE TABLE liveness (
    once        boolean     NOT NULL DEFAULT true CONSTRAINT liveness_pkey PRIMARY KEY,
    reported_at timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    CONSTRAINT liveness_is_one_row CHECK (once)
);
