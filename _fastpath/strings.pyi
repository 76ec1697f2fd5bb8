"""CEL's string extensions over native values; no Python interface."""
