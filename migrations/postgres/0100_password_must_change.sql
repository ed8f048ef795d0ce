-- A password that somebody else chose for the user: until the user sets another one, a login brings nothing but that.
ALTER TABLE users ADD COLUMN password_must_change boolean NOT NULL DEFAULT false;
