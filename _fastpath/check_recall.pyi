"""Compiled recall of results; nothing of it is reachable from Python."""
