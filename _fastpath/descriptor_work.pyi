"""Compiled weighing of descriptors; nothing of it is reachable from Python."""
