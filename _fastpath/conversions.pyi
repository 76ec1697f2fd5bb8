"""CEL's type conversions over native values; no Python interface."""
