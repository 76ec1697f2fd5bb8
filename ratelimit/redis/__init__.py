"""Counters on Redis, shared by every process that names the same one; docs/redis.md."""
