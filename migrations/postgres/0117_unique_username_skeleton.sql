-- no-transaction
-- No two usernames look alike in lower case.
CREATE UNIQUE INDEX CONCURRENTLY users_username_skeleton_unique ON users (username_skeleton);
