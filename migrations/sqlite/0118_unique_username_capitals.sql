-- No two usernames look alike in capitals.
CREATE UNIQUE INDEX users_username_capitals_unique ON users (username_capitals);
