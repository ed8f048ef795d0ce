-- A key signs only after the published key set was seen to carry it for long enough: what no sum of waits can know, a look does.

-- Since when every look found the key. NULL: never yet, or the last look missed it.
ALTER TABLE signing_keys ADD COLUMN seen_since INTEGER;

-- When that was looked at last.
ALTER TABLE signing_keys ADD COLUMN seen_at INTEGER
    CONSTRAINT signing_keys_seen_since_first_sight CHECK (
        (seen_since IS NULL) = (seen_at IS NULL) AND seen_since >= published_at AND seen_at >= seen_since
    );

-- How long the key must have been seen before it signs, in milliseconds. NULL: an older program published it, or an emergency could not wait.
ALTER TABLE signing_keys ADD COLUMN watch INTEGER
    CONSTRAINT signing_keys_seen_before_active CHECK (
        watch IS NULL
        OR activates_at IS NULL
        OR (seen_since IS NOT NULL AND activates_at >= seen_since + watch)
    );
