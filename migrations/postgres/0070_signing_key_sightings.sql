-- A key signs only after the published key set was seen to carry it for long enough: what no sum of waits can know, a look does.
ALTER TABLE signing_keys
    -- Since when every look found the key. NULL: never yet, or the last look missed it.
    ADD COLUMN seen_since timestamptz,
    -- When that was looked at last.
    ADD COLUMN seen_at timestamptz,
    -- How long the key must have been seen before it signs. NULL: an older program published it, or an emergency could not wait.
    ADD COLUMN watch interval,
    ADD CONSTRAINT signing_keys_seen_since_first_sight CHECK (
        (seen_since IS NULL) = (seen_at IS NULL) AND seen_since >= published_at AND seen_at >= seen_since
    ),
    ADD CONSTRAINT signing_keys_seen_before_active CHECK (
        watch IS NULL
        OR activates_at IS NULL
        OR (seen_since IS NOT NULL AND activates_at >= seen_since + watch)
    );
