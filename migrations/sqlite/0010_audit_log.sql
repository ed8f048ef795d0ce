-- Who changed what. It outlives what it speaks of, so it names things and refers to none.
CREATE TABLE audit_log (
    id     INTEGER CONSTRAINT audit_log_pkey PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    -- `user:<uuid>`, `client:<client_id>` or `operator`.
    actor  TEXT    NOT NULL,
    -- `user.created`, `session.reused`, …
    action TEXT    NOT NULL,
    target TEXT    NOT NULL,
    CONSTRAINT audit_log_says_all CHECK (actor <> '' AND action <> '' AND target <> '')
) STRICT;

CREATE INDEX audit_log_at_idx ON audit_log (at);
