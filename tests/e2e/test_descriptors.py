"""Envoy before `tollhouse ratelimit`: statuses, headers of both, limits that come with requests."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import examples
from tests.e2e.processes import Envoy, Ratelimit, request, upstream

pytestmark = pytest.mark.slow
GOLD = {"x-plan": "gold"}


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    folder: Path = tmp_path_factory.mktemp("descriptors")
    headers = {"LIMIT_RESPONSE_HEADERS_ENABLED": "true", "LIMIT_RESET_HEADER": "X-Until"}
    with upstream() as echo, Ratelimit(examples.FOLDER / "descriptors", **headers) as tollhouse:

        def configure(front: int, admin: int) -> dict[str, Any]:
            return examples.together(
                {"plans": front}, admin, upstream=echo, tollhouse=tollhouse.rls
            )

        with Envoy(folder, configure) as running:
            yield running


@pytest.fixture
def user() -> dict[str, str]:
    """Somebody nobody has counted yet."""
    return {"x-user": uuid.uuid4().hex}


def test_configured_limit_counts(envoy: Envoy, user: dict[str, str]) -> None:
    answers = [envoy.get("/", headers=user) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [a.header("x-ratelimit-limit") for a in answers] == ['2, 2;w=86400;name="plan"'] * 3
    assert [a.header("x-ratelimit-remaining") for a in answers] == ["1", "0", "0"]


def test_limit_of_the_request_takes_its_place(envoy: Envoy, user: dict[str, str]) -> None:
    answers = [envoy.get("/", headers={**user, **GOLD}) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 429]
    assert (answers[0].header("x-ratelimit-limit") or "").startswith("4, 4;w=86400")


def test_every_descriptor_has_its_status(envoy: Envoy, user: dict[str, str]) -> None:
    answer = request(envoy.front, "/", headers=user, body={})
    limits = '2, 2;w=86400;name="plan", 100;w=3600;name="writes"'
    assert answer.header("x-ratelimit-limit") == limits
    assert answer.header("x-ratelimit-remaining") == "1"


def test_servers_own_headers_arrive(envoy: Envoy, user: dict[str, str]) -> None:
    answer = envoy.get("/", headers=user)
    assert (answer.header("ratelimit-limit"), answer.header("ratelimit-remaining")) == ("2", "1")
    assert 0 < int(answer.header("x-until") or 0) <= 86400
