-- What a change made of its target, who and what things were called then, and which request asked for it. Older rows have none of it.
ALTER TABLE audit_log
    ADD COLUMN actor_name text,
    ADD COLUMN target_name text,
    -- The client whose token was shown.
    ADD COLUMN client_id text COLLATE "C",
    -- As in `x-request-id`.
    ADD COLUMN request_id text,
    -- The /24 or /48 that the request came from.
    ADD COLUMN network text,
    -- A list of members that differ. Never a secret, nor a fact about a password.
    ADD COLUMN changes json;
