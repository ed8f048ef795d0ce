-- What was once said about a key stays said: its material never changes, and a key that is gone never comes back.
CREATE FUNCTION keep_signing_key_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'signing_keys_history: signing key % is history and cannot be deleted', OLD.kid
            USING ERRCODE = 'check_violation', CONSTRAINT = 'signing_keys_history';
    END IF;
    IF (NEW.kid, NEW.alg, NEW.public_jwk::text, NEW.published_at) IS DISTINCT FROM (OLD.kid, OLD.alg, OLD.public_jwk::text, OLD.published_at)
        OR (OLD.removed_at <= now() AND NEW.removed_at IS DISTINCT FROM OLD.removed_at)
        OR (OLD.compromised_at IS NOT NULL AND NEW.compromised_at IS DISTINCT FROM OLD.compromised_at)
    THEN
        RAISE EXCEPTION 'signing_keys_history: signing key %: what was published, removed or compromised stays so', OLD.kid
            USING ERRCODE = 'check_violation', CONSTRAINT = 'signing_keys_history';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER signing_keys_history
    BEFORE UPDATE OR DELETE ON signing_keys
    FOR EACH ROW EXECUTE FUNCTION keep_signing_key_history();
