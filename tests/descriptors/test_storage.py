"""How the original's REDIS_* variables become a URL and settings."""

import pytest

from _fastpath.limit_spec import Fail
from tollhouse.errors import UsageError
from tollhouse.ratelimit_environment import parse
from tollhouse.ratelimit_storage import redis_url, storage_settings
from tollhouse.settings import Storage


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "unix:///var/run/nutcracker/ratelimit.sock"),
        ({"REDIS_SOCKET_TYPE": "tcp", "REDIS_URL": "h:1"}, "redis://h:1"),
        ({"REDIS_URL": "/s", "REDIS_AUTH": "p"}, "unix://:p@/s"),
        (
            {
                "REDIS_SOCKET_TYPE": "tcp",
                "REDIS_URL": "h:1",
                "REDIS_AUTH": "u:p@:x",
                "REDIS_TLS": "true",
            },
            "rediss://u:p%40%3Ax@h:1",
        ),
        (
            {"REDIS_TYPE": "SENTINEL", "REDIS_URL": "main,a:1,b:2", "REDIS_AUTH": "p"},
            "redis+sentinel://:p@a:1,b:2/main",
        ),
        ({"REDIS_TYPE": "cluster", "REDIS_URL": "a:1,b:2"}, "redis+cluster://a:1,b:2"),
        ({"REDIS_URL": "redis://u:p@h:1/2", "REDIS_AUTH": "other"}, "redis://u:p@h:1/2"),
        ({"REDIS_URL": "redis://h:1", "REDIS_AUTH": "p"}, "redis://:p@h:1"),
    ],
)
def test_urls(variables: dict[str, str], url: str) -> None:
    assert redis_url(parse([], variables).redis) == url


def test_a_sentinel_without_a_master_is_refused() -> None:
    with pytest.raises(UsageError, match="expected MASTER,HOST:PORT"):
        redis_url(parse([], {"REDIS_TYPE": "SENTINEL", "REDIS_URL": "a:1"}).redis)


def test_settings_of_redis() -> None:
    found = storage_settings(
        parse([], {"REDIS_TIMEOUT": "2s", "REDIS_SENTINEL_AUTH": "u:p", "REDIS_TLS_CACERT": "/c"})
    )
    assert found.storage is Storage.REDIS
    assert found.redis_timeout_seconds == found.redis_connect_timeout_seconds == 2.0
    assert (found.redis_sentinel_username, found.redis_sentinel_password) == ("u", "p")
    assert str(found.redis_ca_file) == "/c"
    assert found.fail is Fail.ERROR


def test_settings_of_memory() -> None:
    assert storage_settings(parse([], {"BACKEND_TYPE": "memory"})).storage is Storage.MEMORY
