"""Calls to other servers: one bounded HTTP client for every evaluator."""
