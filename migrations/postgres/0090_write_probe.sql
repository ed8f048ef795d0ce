-- A row that means nothing: an issuer is ready when it can change it.
CREATE TABLE write_probe (
    once boolean     DEFAULT true CONSTRAINT write_probe_pkey PRIMARY KEY,
    at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT write_probe_single_row CHECK (once)
);

INSERT INTO write_probe DEFAULT VALUES;
