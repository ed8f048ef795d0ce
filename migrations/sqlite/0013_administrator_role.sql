-- The one built-in role: all of Keystone.
INSERT INTO roles (name, description)
VALUES ('administrator', 'May do everything in Keystone');

INSERT INTO role_scopes (role_name, scope_name)
SELECT 'administrator', name
FROM scopes
WHERE resource = 'keystone';
