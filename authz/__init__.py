"""Authorization: AuthConfig, its evaluation, and the ext_authz service."""
