-- Only what the feed can say is a revocation. An older row of another kind is left out of the feed and swept.
CREATE TRIGGER revocation_events_published
BEFORE INSERT ON revocation_events
BEGIN
    SELECT RAISE(ABORT, 'revocation_events_kind_is_published')
    WHERE NEW.kind NOT IN ('sid', 'jti', 'sub', 'cid', 'kid');
    SELECT RAISE(ABORT, 'revocation_events_value_is_named')
    WHERE NEW.value = '';
    SELECT RAISE(ABORT, 'revocation_events_epoch_counts_up')
    WHERE NEW.min_epoch < 0;
END;
