import asyncio
from collections.abc import Iterator

import pytest

from authz.opa.embedded import EmbeddedEngine
from authz.outgoing.errors import ConnectionFailed
from authz.outgoing.message import OutgoingRequest, OutgoingResponse


async def nobody(request: OutgoingRequest) -> OutgoingResponse:
    raise ConnectionFailed


@pytest.fixture(scope="session")
def engine() -> Iterator[EmbeddedEngine]:
    """Its children serve all tests: they take a while to begin."""
    engine = EmbeddedEngine(nobody, limit_s=5.0)
    yield engine
    asyncio.run(engine.close())
