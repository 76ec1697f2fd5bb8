"""Compiled header settings; nothing of it is reachable from Python."""
