"""Statistics: their names, and what each hit counts as; every test runs in both lanes."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ratelimit.descriptors.limit import near_limit
from ratelimit.descriptors.metrics import DescriptorCollector, dump
from ratelimit.descriptors.statistics import labels, sanitized
from tests.descriptors.host import LANES, Host, descriptor

TREE = """\
domain: d
descriptors:
- {key: a, rate_limit: &ten {unit: hour, requests_per_unit: 10}}
- {key: f, value: x/*, share_threshold: true, value_to_metric: true, rate_limit: *ten}
- {key: w, value: x*, value_to_metric: true, rate_limit: *ten}
- {key: p, value: x*, rate_limit: *ten}
- {key: det, detailed_metric: true, rate_limit: *ten}
- key: v
  value_to_metric: true
  descriptors: [{key: sub, rate_limit: *ten}]
"""


@pytest.fixture(params=LANES)
def host(request: pytest.FixtureRequest) -> Host:
    made = Host(request.param == "native")
    made.load(TREE)
    return made


def counted(host: Host, name: str) -> dict[str, int]:
    start = f"ratelimit.service.rate_limit.{name}."
    lines = (line.split(": ") for line in dump(host.service).splitlines())
    return {key.removeprefix(start): int(count) for key, count in lines if key.startswith(start)}


def test_hits_count_by_where_they_fall(host: Host) -> None:
    one = descriptor({"a": "x"})
    host.should("d", one, hits=7)
    assert counted(host, "d.a") == {"total_hits": 7, "within_limit": 7}
    host.should("d", one, hits=2)
    assert counted(host, "d.a") == {"total_hits": 9, "within_limit": 9, "near_limit": 1}
    host.should("d", one, hits=4)
    assert counted(host, "d.a") == {
        "total_hits": 13,
        "within_limit": 9,
        "near_limit": 2,
        "over_limit": 3,
    }
    host.should("d", one, hits=5)
    assert counted(host, "d.a")["over_limit"] == 8


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ({"a": "x"}, "d.a"),
        ({"f": "x/1"}, "d.f_x/*"),
        ({"w": "x1"}, "d.w_x1"),
        ({"p": "x1"}, "d.p_x*"),
        ({"det": "x"}, "d.det_x"),
        ({"v": "x", "sub": "y"}, "d.v_x.sub"),
        ({"v": "", "sub": "y"}, "d.v.sub"),
    ],
)
def test_names(host: Host, entries: dict[str, str], name: str) -> None:
    host.should("d", descriptor(entries))
    assert counted(host, name) == {"total_hits": 1, "within_limit": 1}


def test_limits_of_requests_have_names_of_their_values(host: Host) -> None:
    host.should("d", descriptor({"o": "x", "p": ""}, limit=(3, "HOUR")))
    assert counted(host, "d.o_x.p")["total_hits"] == 1


def test_names_from_requests_are_bounded(host: Host) -> None:
    host.should("d", *(descriptor({"det": str(i)}) for i in range(60)))
    assert counted(host, "d.det_49")["total_hits"] == 1
    assert counted(host, "other")["total_hits"] == 10
    host.should("x" * 2000, descriptor({"det": "x"}))
    assert counted(host, "other")["domain_not_found"] == 1


def test_prometheus_sums_what_its_labels_cannot_tell_apart(host: Host) -> None:
    for value in ("1.2.3.4", "5.6"):
        host.should("d", descriptor({"det": value}))
    registry = CollectorRegistry()
    registry.register(DescriptorCollector(host.service))
    text = generate_latest(registry).decode()
    name = "ratelimit_service_rate_limit_total_hits"
    assert f'{name}{{domain="d",key1="det_1_2_3_4"}} 1.0' in text
    assert f'{name}{{domain="d",key1="det_5",key2="6"}} 1.0' in text


def test_names_are_cut_after_two_keys() -> None:
    assert labels("d.a.b.c") == {"domain": "d", "key1": "a", "key2": "b"}
    assert sanitized("d.a:b|c_10.0.0.1") == "d.a_b_c_10_0_0_1"


def test_the_near_threshold_is_that_of_single_precision() -> None:
    assert near_limit(10, 0.8) == 8
    assert near_limit(2, 0.8) == 1
    assert near_limit(2**32 - 1, 0.8) == 3435973888
