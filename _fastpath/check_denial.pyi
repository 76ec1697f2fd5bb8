"""Compiled denials of a Check; nothing of it is reachable from Python."""
