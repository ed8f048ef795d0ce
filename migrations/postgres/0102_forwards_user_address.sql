-- A confidential client whose requests say at which address its user is (`X-Forwarded-For`); limits count there.
ALTER TABLE service_clients ADD COLUMN forwards_user_address boolean NOT NULL DEFAULT false;
