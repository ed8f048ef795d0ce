-- What has begun is not undone: the time of an activation or retirement stays once it has passed, a key's tail never shrinks, and a wiped private key stays wiped.
CREATE TRIGGER signing_keys_waits
    BEFORE UPDATE ON signing_keys
    WHEN (OLD.activates_at <= unixepoch('subsec') * 1000 AND NEW.activates_at IS NOT OLD.activates_at)
        OR (OLD.retires_at <= unixepoch('subsec') * 1000 AND NEW.retires_at IS NOT OLD.retires_at)
        OR (OLD.tail IS NOT NULL AND (NEW.tail IS NULL OR NEW.tail < OLD.tail))
        OR (OLD.sealed IS NULL AND NEW.sealed IS NOT NULL)
BEGIN
    SELECT RAISE(ABORT, 'signing_keys_waits: what has begun is not undone, and no wait is cut short');
END;
