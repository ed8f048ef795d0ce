-- no-transaction
-- What was done by somebody, newest first.
CREATE INDEX CONCURRENTLY audit_log_actor_idx ON audit_log (actor, id);
