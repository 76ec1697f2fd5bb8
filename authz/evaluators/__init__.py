"""What an entry of an AuthConfig may ask for: one file per kind, listed in authz/kinds.py."""
