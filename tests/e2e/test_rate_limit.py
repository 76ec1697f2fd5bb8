"""Envoy's rate limit filter against `tollhouse serve`: descriptors, headers, hits."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bootstrap import (
    FILTERS,
    bootstrap,
    cluster,
    constant,
    descriptor,
    header,
    ratelimit,
    route,
)
from tests.e2e.processes import Envoy, Tollhouse, request, upstream

LIMITS = """
- namespace: shop
  name: per user
  max_value: 2
  seconds: 60
  conditions: ["descriptors[0].kind == 'user'"]
  variables: ["descriptors[0].user"]
- namespace: shop
  name: per tenant
  max_value: 1
  seconds: 3600
  conditions: ["descriptors.exists(d, has(d.tenant))"]
  variables: ["descriptors.filter(d, has(d.tenant))[0].tenant"]
- namespace: shop
  name: budget
  max_value: 10
  seconds: 60
  conditions: ["descriptors[0].kind == 'cost'"]
  variables: ["descriptors[0].user"]
- {namespace: windows, name: short, max_value: 11, window: 250ms, algorithm: sliding_window,
   conditions: ["descriptors[0].window == 'short'"], variables: []}
- {namespace: windows, name: odd, max_value: 12, window: 90s,
   conditions: ["descriptors[1].window == 'odd'"], variables: []}
- {namespace: windows, name: bucket, max_value: 13, window: 1h, burst: 20, algorithm: token_bucket,
   conditions: ["descriptors[2].window == 'bucket'"], variables: []}
- {namespace: windows, name: week, max_value: 14, window: 7d, algorithm: aligned_window,
   conditions: ["descriptors[3].window == 'week'"], variables: []}
- {namespace: windows, name: month, max_value: 15, period: month, algorithm: calendar_window,
   conditions: ["descriptors[4].window == 'month'"], variables: []}
- {namespace: windows, name: nobody's business, max_value: 1, seconds: 60, headers: false,
   conditions: ["descriptors[5].window == 'hidden'"], variables: ["descriptors[5].window"]}
- namespace: other
  max_value: 0
  seconds: 60
  conditions: []
  variables: []
"""


def per_route(**settings: Any) -> dict[str, Any]:
    return {"ratelimit": {"@type": f"{FILTERS}.ratelimit.v3.RateLimitPerRoute", **settings}}


WINDOWS = ("short", "odd", "bucket", "week", "month", "hidden")
USER = descriptor(constant("kind", "user"), header("x-user", "user"))
ROUTES = [
    route("/both", rate_limits=[USER, descriptor(header("x-tenant", "tenant"))]),
    route(
        "/windows",
        per_filter=per_route(domain="windows"),
        rate_limits=[descriptor(constant("window", name)) for name in WINDOWS],
    ),
    route("/nobody", per_filter=per_route(domain="unheard-of"), rate_limits=[USER]),
    route("/closed", per_filter=per_route(domain="other"), rate_limits=[USER]),
    route(
        "/cost",
        per_filter=per_route(
            rate_limits=[
                {
                    **descriptor(constant("kind", "cost"), header("x-user", "user")),
                    "hits_addend": {"format": "%REQ(x-cost)%"},
                }
            ]
        ),
    ),
    route("/", rate_limits=[USER]),
]


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    folder: Path = tmp_path_factory.mktemp("rls")
    (folder / "limits.yaml").write_text(LIMITS)
    with upstream() as echo, Tollhouse(folder) as tollhouse:

        def configure(front: int, admin: int) -> dict[str, Any]:
            return bootstrap(
                front,
                admin,
                filters=[ratelimit("shop")],
                routes=ROUTES,
                clusters=[
                    cluster("upstream", [echo], grpc=False),
                    cluster("rls", [tollhouse.addresses.rls], grpc=True),
                ],
            )

        with Envoy(folder, configure) as running:
            yield running


@pytest.fixture
def user() -> dict[str, str]:
    """A user nobody has counted yet."""
    return {"x-user": uuid.uuid4().hex}


def statuses(envoy: Envoy, path: str, headers: dict[str, str], count: int) -> list[int]:
    return [envoy.get(path, headers=headers).status for _ in range(count)]


def test_hits_past_limit_are_answered_429(envoy: Envoy, user: dict[str, str]) -> None:
    assert statuses(envoy, "/", user, 4) == [200, 200, 429, 429]


def test_other_user_has_own_counter(envoy: Envoy, user: dict[str, str]) -> None:
    assert statuses(envoy, "/", user, 3)[-1] == 429
    assert envoy.get("/", headers={"x-user": uuid.uuid4().hex}).status == 200


def test_statuses_fill_ratelimit_headers(envoy: Envoy, user: dict[str, str]) -> None:
    first = envoy.get("/", headers=user)
    assert first.header("x-ratelimit-limit") == '2, 2;w=60;name="per user"'
    assert first.header("x-ratelimit-remaining") == "1"
    assert 0 < int(first.header("x-ratelimit-reset") or 0) <= 60


def test_envoy_tells_every_window(envoy: Envoy) -> None:
    passed, refused = (envoy.get("/windows") for _ in range(2))
    # The first entry is that of the status with the least remaining: of the shortest window.
    assert passed.header("x-ratelimit-limit") == (
        '11, 11;w=1;name="short", 12;w=90;name="odd", 13;w=3600;name="bucket", '
        '14;w=604800;name="week", 15;w=2592000;name="month"'
    )
    assert passed.header("x-ratelimit-remaining") == "10"
    # A limit that clients are not told of refuses, but stays unsaid.
    assert (passed.status, refused.status) == (200, 429)
    assert "business" not in str(refused.headers)


def test_refusal_carries_envoys_marks(envoy: Envoy, user: dict[str, str]) -> None:
    statuses(envoy, "/", user, 2)
    refused = envoy.get("/", headers=user)
    assert refused.header("x-envoy-ratelimited") == "true"
    assert refused.header("x-ratelimit-remaining") == "0"


def test_one_descriptor_over_refuses_all_and_charges_none(
    envoy: Envoy, user: dict[str, str]
) -> None:
    both = {**user, "x-tenant": uuid.uuid4().hex}
    assert statuses(envoy, "/both", both, 3) == [200, 429, 429]
    # One of the user's two hits is left: the refused requests took nothing.
    assert statuses(envoy, "/", user, 2) == [200, 429]


def test_unknown_domain_passes(envoy: Envoy, user: dict[str, str]) -> None:
    assert statuses(envoy, "/nobody", user, 4) == [200] * 4


def test_limit_of_zero_refuses_first(envoy: Envoy, user: dict[str, str]) -> None:
    assert envoy.get("/closed", headers=user).status == 429


def test_hits_addend_is_charged(envoy: Envoy, user: dict[str, str]) -> None:
    assert envoy.get("/cost", headers={**user, "x-cost": "7"}).status == 200
    assert envoy.get("/cost", headers={**user, "x-cost": "4"}).status == 429
    assert envoy.get("/cost", headers={**user, "x-cost": "3"}).status == 200


def test_hits_addend_of_zero_looks_without_charging(envoy: Envoy, user: dict[str, str]) -> None:
    free = {**user, "x-cost": "0"}
    assert [envoy.get("/cost", headers=free).header("x-ratelimit-remaining")] * 3 == ["10"] * 3


def test_health_checks_pass(envoy: Envoy) -> None:
    stats = envoy.stats("^cluster.rls.health_check")
    assert stats["cluster.rls.health_check.success"] > 0
    assert stats["cluster.rls.health_check.failure"] == 0


def test_descriptor_without_value_is_no_call(envoy: Envoy) -> None:
    def calls() -> int:
        return sum(envoy.stats("^cluster.upstream.ratelimit.(ok|over_limit|error)$").values())

    before = calls()
    assert request(envoy.front, "/").status == 200
    assert calls() == before
