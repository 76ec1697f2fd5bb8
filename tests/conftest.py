"""Settings of all tests."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tollhouse.log import OURS

# A test may wait for a busy machine; nothing here is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Commands that a test runs in this process send all logging to stderr at a level of theirs;
    pytest wants its own handlers back, and the next test its level."""
    root = logging.getLogger()
    handlers = root.handlers[:]
    levels = {logger: logger.level for logger in (root, *map(logging.getLogger, OURS))}
    yield
    root.handlers[:] = handlers
    for logger, level in levels.items():
        logger.setLevel(level)
