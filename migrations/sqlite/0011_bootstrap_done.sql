-- The first administrator is made once ever: this row, not the absence of users, says so (a deleted administrator opens nothing).
CREATE TABLE bootstrap_done (
    once          INTEGER NOT NULL DEFAULT 1 CONSTRAINT bootstrap_done_pkey PRIMARY KEY,
    administrator TEXT    NOT NULL,
    at            INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    CONSTRAINT bootstrap_done_single_row CHECK (once = 1)
) STRICT, WITHOUT ROWID;
