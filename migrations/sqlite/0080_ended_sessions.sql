-- Sessions that ended are swept by when they did.
CREATE INDEX refresh_tokens_ended_at_idx ON refresh_tokens (ended_at) WHERE ended_at IS NOT NULL;
