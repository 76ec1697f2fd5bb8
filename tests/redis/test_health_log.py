"""What the log tells of single decisions that fail on a Redis that is well."""

import pytest

from ratelimit.redis.health import STRANGE_KEYS_SECONDS, Health, State


def test_strange_keys_are_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 1000.0
    health = Health(lambda: now, lambda: None)
    health.connected("redis:6379")
    caplog.clear()
    for _ in range(3):
        health.met_strange_keys("redis:6379")
    now += STRANGE_KEYS_SECONDS
    health.met_strange_keys("redis:6379")
    assert len(caplog.messages) == 2
    assert "redis:6379" in caplog.messages[0]
    assert health.state is State.UP
