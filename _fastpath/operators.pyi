"""CEL's operators over native values; no Python interface."""
