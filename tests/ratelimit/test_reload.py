"""Taking over new limits: what is kept, what goes, and what queued requests still see."""

import asyncio
import json

import pytest

from ratelimit.errors import LimitsFileError
from ratelimit.limitador_file import parse
from ratelimit.status import status
from tests.ratelimit.host import DRAFT_03, LANES, OK, OVER_LIMIT, Host, codes, headers


@pytest.fixture(params=LANES)
def host(request: pytest.FixtureRequest) -> Host:
    return Host(native=request.param == "native", headers=DRAFT_03)


def text(max_value: int = 2, *, name: str = "", namespace: str = "ns", condition: str = "") -> str:
    entry = {"namespace": namespace, "max_value": max_value, "seconds": 60, "variables": []}
    entry["conditions"] = [condition] if condition else []
    if name:
        entry["name"] = name
    return f"- {json.dumps(entry)}\n"


def test_same_limit_keeps_its_counter(host: Host) -> None:
    host.load(text())
    assert codes([host.should("ns"), host.should("ns")]) == [OK, OK]
    host.load(text() + text(5, namespace="other"))
    assert host.should("ns").overall_code == OVER_LIMIT


def test_changed_maximum_and_name_work_at_once(host: Host) -> None:
    host.load(text(1))
    assert host.should("ns").overall_code == OK
    host.load(text(3, name="new"))
    answer = host.should("ns")
    assert headers(answer)["X-RateLimit-Limit"] == '3, 3;w=60;name="new"'
    assert headers(answer)["X-RateLimit-Remaining"] == "1"


def test_dropped_limit_loses_its_counters(host: Host) -> None:
    host.load(text(1) + text(1, condition="true"))
    assert host.should("ns").overall_code == OK
    host.load(text(1, condition="true"))
    assert len(host.active.current.limits("ns")) == 1
    assert len(host.counters) == 1
    host.load(text(1))
    assert host.should("ns").overall_code == OK


def test_empty_file_lifts_all_limits(host: Host) -> None:
    host.load(text(0))
    assert host.should("ns").overall_code == OVER_LIMIT
    host.load("")
    assert host.should("ns").overall_code == OK
    assert host.active.current.limits("ns") == ()


def test_refused_file_leaves_everything(host: Host) -> None:
    host.load(text(2))
    assert host.should("ns").overall_code == OK
    before = host.active.version
    for count in (1, 2):
        with pytest.raises(LimitsFileError) as caught:
            parse(text(9) + "- {namespace: ns}\n", "limits.yaml")
        host.active.refuse(caught.value)
        told = status(host.service)
        assert (told["config_version"], told["config_err_since"]) == (before, count)
        assert str(told["problems"]).count("limits.yaml:2: seconds: is missing") == 1
    assert codes([host.should("ns"), host.should("ns")]) == [OK, OVER_LIMIT]
    host.load(text(3))
    told = status(host.service)
    assert (told["config_version"], told["config_err_since"]) == (before + 1, 0)
    assert told["problems"] == []


def test_first_load_has_version_zero() -> None:
    assert Host(native=True).active.version == 0


def test_unchanged_namespace_keeps_its_native_unit() -> None:
    host = Host(native=True)
    host.load(text(1) + text(1, namespace="other"))
    before = host.active.current.namespaces
    host.load(text(2) + text(1, namespace="other"))
    after = host.active.current.namespaces
    assert after["other"] is before["other"]
    assert after["ns"] is not before["ns"]


def test_deferred_request_sees_the_plan_that_deferred_it() -> None:
    host = Host(native=True)
    host.load(text(1))
    first = host.plans.generation
    kept = host.active.current
    host.plans.publish(kept.unit, None)  # a change of something else
    between = host.plans.generation
    host.load(text(2))
    assert host.active.at(first) is kept
    assert host.active.at(between) is kept
    assert host.active.at(host.plans.generation) is host.active.current
    assert host.active.at(0) is host.active.current
    host.advance(61)
    host.load(text(3))
    assert host.active.at(first) is not kept


def test_concurrent_reloads_take_effect_in_turn() -> None:
    host = Host(native=True)

    async def many() -> None:
        async with asyncio.TaskGroup() as group:
            for value in range(1, 20):
                group.create_task(host.active.apply(parse(text(value), "limits.yaml")))

    asyncio.run(many())
    assert host.active.current.limits("ns")[0].limit.max_value == 19
    assert host.active.version == 19
