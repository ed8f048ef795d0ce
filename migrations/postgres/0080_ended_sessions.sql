-- Sessions that ended are swept by when they did. A rotation touches neither column, so it stays a heap-only update.
CREATE INDEX refresh_tokens_ended_at_idx ON refresh_tokens (ended_at) WHERE ended_at IS NOT NULL;
