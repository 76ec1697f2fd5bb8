"""Every error of redis-py has a fault of its own kind."""

from collections.abc import Iterator

import pytest
from redis import exceptions

from ratelimit.redis.fault import Fault, fault_of


def kinds(base: type[BaseException]) -> Iterator[type[BaseException]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def made(kind: type[BaseException]) -> BaseException:
    if issubclass(kind, exceptions.AskError):
        return kind("1 host:2")
    return kind("it went wrong")


@pytest.mark.parametrize(
    "kind", [*kinds(exceptions.RedisError), *kinds(exceptions.RedisClusterException)]
)
def test_error_of_the_library_is_known(kind: type[BaseException]) -> None:
    assert fault_of(made(kind)).fault in Fault


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exceptions.ResponseError("WRONGPASS invalid username-password pair"), Fault.AUTH),
        (exceptions.ResponseError("MISCONF errors writing to disk"), Fault.READONLY),
        (exceptions.ResponseError("BUSY Redis is busy"), Fault.TIMEOUT),
        (exceptions.ResponseError("-OOM command not allowed"), Fault.OOM),
        (exceptions.ResponseError("ERR unknown"), Fault.SCRIPT),
        (exceptions.BusyLoadingError("loading"), Fault.LOADING),
        (exceptions.ReadOnlyError("replica"), Fault.READONLY),
        (exceptions.ClusterDownError("down"), Fault.CLUSTER),
        (exceptions.TryAgainError("again"), Fault.CLUSTER),
        (exceptions.ConnectionError("closed"), Fault.CONNECTION),
        (exceptions.TimeoutError("late"), Fault.TIMEOUT),
        (TimeoutError(), Fault.TIMEOUT),
        (ConnectionRefusedError(111, "refused"), Fault.CONNECTION),
    ],
)
def test_fault_is_told_by_kind_and_text(error: Exception, expected: Fault) -> None:
    assert fault_of(error).fault is expected


def test_defect_of_ours_is_no_fault() -> None:
    with pytest.raises(TypeError):
        fault_of(KeyError("x"))


def test_silence_is_told_in_words() -> None:
    assert fault_of(TimeoutError()).detail == "no answer in time"


def test_detail_is_one_short_line() -> None:
    detail = fault_of(exceptions.ResponseError("ERR\r\n" + "x" * 500)).detail
    assert len(detail) <= 200
    assert "\n" not in detail
