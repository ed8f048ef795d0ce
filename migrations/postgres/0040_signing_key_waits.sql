-- What has begun is not undone: the time of an activation or retirement stays once it has passed, a key's tail never shrinks, and a wiped private key stays wiped.
CREATE FUNCTION keep_signing_key_waits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.activates_at <= now() AND NEW.activates_at IS DISTINCT FROM OLD.activates_at)
        OR (OLD.retires_at <= now() AND NEW.retires_at IS DISTINCT FROM OLD.retires_at)
        OR (OLD.tail IS NOT NULL AND (NEW.tail IS NULL OR NEW.tail < OLD.tail))
        OR (OLD.sealed IS NULL AND NEW.sealed IS NOT NULL)
    THEN
        RAISE EXCEPTION 'signing_keys_waits: signing key %: what has begun is not undone, and no wait is cut short', OLD.kid
            USING ERRCODE = 'check_violation', CONSTRAINT = 'signing_keys_waits';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER signing_keys_waits
    BEFORE UPDATE ON signing_keys
    FOR EACH ROW EXECUTE FUNCTION keep_signing_key_waits();
