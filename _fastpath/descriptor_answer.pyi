"""Compiled answers over descriptors; nothing of it is reachable from Python."""
