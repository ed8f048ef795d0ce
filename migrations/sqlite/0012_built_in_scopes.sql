-- What it takes to administer Keystone itself.
INSERT INTO scopes (name, description, resource)
VALUES
    ('keystone:users:read',     'See users',                        'keystone'),
    ('keystone:users:write',    'Create, change and disable users', 'keystone'),
    ('keystone:roles:read',     'See roles',                        'keystone'),
    ('keystone:roles:write',    'Create and change roles',          'keystone'),
    ('keystone:scopes:read',    'See scopes',                       'keystone'),
    ('keystone:scopes:write',   'Create and change scopes',         'keystone'),
    ('keystone:clients:read',   'See clients',                      'keystone'),
    ('keystone:clients:write',  'Create and change clients',        'keystone'),
    ('keystone:keys:read',      'See signing keys',                 'keystone'),
    ('keystone:keys:write',     'Rotate signing keys',              'keystone'),
    ('keystone:sessions:read',  'See sessions',                     'keystone'),
    ('keystone:sessions:write', 'End sessions',                     'keystone'),
    ('keystone:audit:read',     'See the audit log',                'keystone');
