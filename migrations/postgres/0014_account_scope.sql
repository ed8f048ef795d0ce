-- What every user may do without a role: look after their own account.
INSERT INTO scopes (name, description, resource)
VALUES ('keystone:account', 'Change one''s own account', 'keystone');

CREATE VIEW held_scopes AS
SELECT ur.user_id, rs.scope_name
FROM user_roles AS ur
JOIN role_scopes AS rs ON rs.role_name = ur.role_name
UNION
SELECT id AS user_id, 'keystone:account' AS scope_name
FROM users;
