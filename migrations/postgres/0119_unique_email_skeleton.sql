-- no-transaction
-- No two addresses look alike.
CREATE UNIQUE INDEX CONCURRENTLY users_email_skeleton_unique ON users (email_skeleton);
