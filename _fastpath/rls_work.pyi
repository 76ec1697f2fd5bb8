"""Compiled weighing of rate limit requests; nothing of it is reachable from Python."""
