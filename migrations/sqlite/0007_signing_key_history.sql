-- What was once said about a key stays said: its material never changes, and a key that is gone never comes back.
CREATE TRIGGER signing_keys_history_delete
    BEFORE DELETE ON signing_keys
BEGIN
    SELECT RAISE(ABORT, 'signing_keys_history: a signing key is history and cannot be deleted');
END;

CREATE TRIGGER signing_keys_history_update
    BEFORE UPDATE ON signing_keys
    WHEN (NEW.kid, NEW.alg, NEW.public_jwk, NEW.published_at) IS NOT (OLD.kid, OLD.alg, OLD.public_jwk, OLD.published_at)
        OR (OLD.removed_at <= unixepoch('subsec') * 1000 AND NEW.removed_at IS NOT OLD.removed_at)
        OR (OLD.compromised_at IS NOT NULL AND NEW.compromised_at IS NOT OLD.compromised_at)
BEGIN
    SELECT RAISE(ABORT, 'signing_keys_history: what was published, removed or compromised stays so');
END;
