-- A row that means nothing: an issuer is ready when it can change it.
CREATE TABLE write_probe (
    once INTEGER NOT NULL DEFAULT 1 CONSTRAINT write_probe_pkey PRIMARY KEY,
    at   INTEGER NOT NULL DEFAULT (CAST(round(unixepoch('subsec') * 1000) AS INTEGER)),
    CONSTRAINT write_probe_single_row CHECK (once = 1)
) STRICT, WITHOUT ROWID;

INSERT INTO write_probe DEFAULT VALUES;
