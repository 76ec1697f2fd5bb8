"""URLs of every topology, and what is no URL of ours."""

from pathlib import Path

import pytest

from ratelimit.redis.settings import Address, RedisSettings, RedisUrl, TopologyKind, parse_url

STANDALONE, SENTINEL, CLUSTER = TopologyKind


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host", RedisUrl(STANDALONE, (Address("host", 6379),))),
        (
            "rediss://me:p%40ss@host:7000/3#insecure",
            RedisUrl(
                STANDALONE,
                (Address("host", 7000),),
                tls=True,
                verify=False,
                database=3,
                username="me",
                password="p@ss",
            ),
        ),
        ("redis://:secret@[::1]:1", RedisUrl(STANDALONE, (Address("::1", 1),), password="secret")),
        (
            "unix:///run/redis.sock?db=2",
            RedisUrl(STANDALONE, (Address("/run/redis.sock", 0),), database=2),
        ),
        (
            "redis+sentinel://a,b:5/main/1",
            RedisUrl(SENTINEL, (Address("a", 26379), Address("b", 5)), database=1, master="main"),
        ),
        (
            "rediss+cluster://me@a,b:7001",
            RedisUrl(CLUSTER, (Address("a", 6379), Address("b", 7001)), tls=True, username="me"),
        ),
    ],
)
def test_url_is_read(url: str, expected: RedisUrl) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "expected a Redis URL"),
        ("http://host", "expected a Redis URL"),
        ("redis+other://host", "expected a Redis URL"),
        ("redis://", "expected host or host:port"),
        ("redis://host:port", "expected host or host:port"),
        ("redis://host:0", "expected host or host:port"),
        ("redis://a,b", "redis\\+sentinel:// or redis\\+cluster://"),
        ("redis://host/one", "number of a database"),
        ("redis+sentinel://host", "name of the master"),
        ("redis+cluster://host/1", "no database"),
        ("unix://host/path", "unix:///path"),
        ("redis://me:secret@host:bad", "host:port"),
    ],
)
def test_other_text_is_refused_without_being_quoted(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        RedisSettings(url)
    assert "secret" not in str(caught.value)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="timeout above 0"):
        RedisSettings("redis://host", timeout_seconds=0)
    with pytest.raises(ValueError, match="certificate and its key"):
        RedisSettings("rediss://host", certificate_file=Path("cert.pem"))


def test_address_is_written_as_in_a_url() -> None:
    assert [str(Address(*a)) for a in (("::1", 5), ("a", 6), ("/s", 0))] == ["[::1]:5", "a:6", "/s"]
