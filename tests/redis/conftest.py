"""One plain server for the whole session, emptied for each test; a store on it."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
import redis

from ratelimit.redis.settings import RedisSettings
from tests.redis.servers import RedisServer
from tests.redis.stores import Opened, opened


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    with shared_server.client() as client:
        client.flushall()
    return shared_server


@pytest.fixture
def client(server: RedisServer) -> Iterator["redis.Redis[bytes]"]:
    with server.client() as client:
        yield client


@pytest_asyncio.fixture
async def store(server: RedisServer) -> AsyncIterator[Opened]:
    """On the shared server, connected."""
    async with opened(RedisSettings(server.unix_url)) as store:
        yield store
