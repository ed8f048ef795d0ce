-- What was done by somebody, newest first.
CREATE INDEX audit_log_actor_idx ON audit_log (actor, id);
