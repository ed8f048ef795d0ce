-- A name that is used again is another right. Each scope has a number that grows with every scope that is made or gets another
-- resource, and a session holds none that is newer than its login. Numbers, not times: no clock can set them back.
CREATE SEQUENCE scope_revisions;

ALTER TABLE scopes ADD COLUMN revision bigint NOT NULL DEFAULT 0;

-- The greatest revision at the login.
ALTER TABLE refresh_tokens ADD COLUMN scope_revision bigint NOT NULL DEFAULT 0;
