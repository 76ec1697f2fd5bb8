"""Compiled throttle of a Check; nothing of it is reachable from Python."""
