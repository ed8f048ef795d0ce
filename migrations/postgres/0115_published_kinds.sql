-- Only what the feed can say is a revocation. Not validated: an older row of another kind is left out of the feed and swept.
ALTER TABLE revocation_events
    ADD CONSTRAINT revocation_events_kind_is_published CHECK (kind IN ('sid', 'jti', 'sub', 'cid', 'kid')) NOT VALID,
    ADD CONSTRAINT revocation_events_value_is_named CHECK (value <> '') NOT VALID,
    ADD CONSTRAINT revocation_events_epoch_counts_up CHECK (min_epoch >= 0) NOT VALID,
    ADD CONSTRAINT revocation_events_times_are_finite CHECK (isfinite(at) AND isfinite(drop_after)) NOT VALID;
