-- no-transaction
-- What was done to something, newest first.
CREATE INDEX CONCURRENTLY audit_log_target_idx ON audit_log (target, id);
