-- The origins (RFC 6454) whose pages may read what a client is answered. Compared byte by byte; none by default.
CREATE TABLE client_origins (
    client_id text COLLATE "C" NOT NULL CONSTRAINT client_origins_client_id_fkey REFERENCES service_clients (client_id) ON DELETE CASCADE,
    origin    text COLLATE "C" NOT NULL,
    CONSTRAINT client_origins_pkey PRIMARY KEY (client_id, origin),
    CONSTRAINT client_origins_origin_is_exact CHECK (origin ~ '^https?://[^/*]+$')
);
