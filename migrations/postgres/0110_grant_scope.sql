-- Lets an administrator whose token cannot hold all that they hold give it nevertheless. Asked for by name, so no default scope.
INSERT INTO scopes (name, description, resource)
VALUES ('keystone:grant', 'Give what one holds beyond what the token has', 'keystone');

INSERT INTO role_scopes (role_name, scope_name)
VALUES ('administrator', 'keystone:grant');

INSERT INTO client_scopes (client_id, scope_name, is_default)
SELECT client_id, 'keystone:grant', false
FROM service_clients
WHERE client_id = 'keystone-console';
