"""What tests of this folder share."""

from collections.abc import AsyncIterator

import pytest

from tests.authz.http_backend import Backend, http_backend
from tests.authz.lanes import Lanes


@pytest.fixture
def lanes() -> Lanes:
    """Both lanes with the keys of alice, who is gold, and of bob."""
    lanes = Lanes()
    lanes.secret("alice", tier="gold")
    lanes.secret("bob")
    return lanes


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    """An HTTP server that answers what it is told to."""
    async with http_backend() as backend:
        yield backend
