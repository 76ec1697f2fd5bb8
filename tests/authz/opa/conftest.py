import asyncio
from collections.abc import Iterator

import pytest

from authz.opa.embedded import EmbeddedEngine


@pytest.fixture(scope="session")
def engine() -> Iterator[EmbeddedEngine]:
    """Its children serve all tests: they take a while to begin."""
    engine = EmbeddedEngine(limit_s=5.0)
    yield engine
    asyncio.run(engine.close())
