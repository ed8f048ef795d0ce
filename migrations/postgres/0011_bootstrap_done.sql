-- The first administrator is made once ever: this row, not the absence of users, says so (a deleted administrator opens nothing).
CREATE TABLE bootstrap_done (
    once          boolean     DEFAULT true CONSTRAINT bootstrap_done_pkey PRIMARY KEY,
    administrator text        NOT NULL,
    at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT bootstrap_done_single_row CHECK (once)
);
