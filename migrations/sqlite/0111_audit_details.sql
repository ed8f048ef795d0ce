-- What a change made of its target, who and what things were called then, and which request asked for it. Older rows have none of it.
ALTER TABLE audit_log ADD COLUMN actor_name TEXT;
ALTER TABLE audit_log ADD COLUMN target_name TEXT;
-- The client whose token was shown.
ALTER TABLE audit_log ADD COLUMN client_id TEXT;
-- As in `x-request-id`.
ALTER TABLE audit_log ADD COLUMN request_id TEXT;
-- The /24 or /48 that the request came from.
ALTER TABLE audit_log ADD COLUMN network TEXT;
-- A JSON list of members that differ. Never a secret, nor a fact about a password.
ALTER TABLE audit_log ADD COLUMN changes TEXT CONSTRAINT audit_log_changes_is_a_list CHECK (changes IS NULL OR json_type(changes) = 'array');
