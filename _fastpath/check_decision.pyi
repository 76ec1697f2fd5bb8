"""Compiled values and conditions of a Check decision; nothing of it is reachable from Python."""
