from collections.abc import AsyncIterator

import pytest

from transport.native_server import Running, serving


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with serving() as server:
        yield server
