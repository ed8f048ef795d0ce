-- What a name or an address looks like (UTS 39): nobody else's may look the same, in lower case or in capitals. Older rows get theirs
-- from the program; where two of them look alike, one stays without.
ALTER TABLE users ADD COLUMN username_skeleton TEXT;
ALTER TABLE users ADD COLUMN username_capitals TEXT;
ALTER TABLE users ADD COLUMN email_skeleton TEXT;
