-- Who changed what. It outlives what it speaks of, so it names things and refers to none.
CREATE TABLE audit_log (
    id     bigint      GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_log_pkey PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    -- `user:<uuid>`, `client:<client_id>` or `operator`.
    actor  text        NOT NULL,
    -- `user.created`, `session.reused`, …
    action text        NOT NULL,
    target text        NOT NULL,
    CONSTRAINT audit_log_says_all CHECK (actor <> '' AND action <> '' AND target <> '')
);

CREATE INDEX audit_log_at_idx ON audit_log (at);
