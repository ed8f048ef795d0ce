-- no-transaction
-- No two usernames look alike in capitals.
CREATE UNIQUE INDEX CONCURRENTLY users_username_capitals_unique ON users (username_capitals);
