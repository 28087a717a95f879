from tests.mocks.psc.sandboxes import made_pki, realm_keys, world  # noqa: F401
