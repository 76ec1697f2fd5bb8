"""Metrics under Limitador's names; both lanes count alike."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ratelimit.metrics import RateLimitCollector
from tests.ratelimit.host import LANES, Host

LIMITS = "- {namespace: m1, max_value: 10, seconds: 600, conditions: , variables: , name: ten}\n"


@pytest.fixture(params=LANES)
def host(request: pytest.FixtureRequest) -> Host:
    return Host(native=request.param == "native")


def exposition(host: Host, *, limit_name_label: bool = False) -> list[str]:
    registry = CollectorRegistry()
    registry.register(RateLimitCollector(host.service, limit_name_label=limit_name_label))
    return generate_latest(registry).decode().splitlines()


def test_names_and_help_are_limitadors(host: Host) -> None:
    lines = exposition(host)
    assert "# HELP limitador_up Limitador is running" in lines
    assert "limitador_up 1.0" in lines


def test_calls_and_hits_are_counted(host: Host) -> None:
    host.load(LIMITS)
    for hits in (6, 6, 4):
        host.should("m1", hits=hits)
    host.check("m1")
    host.report("m1", hits=7)
    lines = exposition(host)
    assert "# TYPE authorized_calls counter" in lines
    assert "# HELP authorized_calls Authorized calls" in lines
    assert 'authorized_calls{limitador_namespace="m1"} 2.0' in lines
    assert 'authorized_hits{limitador_namespace="m1"} 17.0' in lines
    assert 'limited_calls{limitador_namespace="m1"} 2.0' in lines
    assert 'report_calls{namespace="m1"} 1.0' in lines


def test_limit_name_is_a_label_when_asked(host: Host) -> None:
    host.load(LIMITS + "- {namespace: m1, max_value: 0, seconds: 1, conditions: , variables: }\n")
    host.should("m1")
    lines = exposition(host, limit_name_label=True)
    assert 'limited_calls{limit_name="",limitador_namespace="m1"} 1.0' in lines


def test_each_limit_counts_what_it_decided(host: Host) -> None:
    limit = "conditions: ['!has(descriptors[0].skip)'], variables: []"
    host.load(
        f"- {{namespace: m1, max_value: 2, seconds: 600, name: two, {limit}}}\n"
        f"- {{namespace: m1, max_value: 3, seconds: 601, name: three, shadow: true, {limit}}}\n"
        f"- {{namespace: m1, max_value: 0, seconds: 60, on_error: refuse, name: failing,"
        " conditions: ['int(descriptors[0].n) > 1'], variables: []}\n"
    )
    host.should("m1", {"k": "v"}, hits=2)
    host.should("m1", {"k": "v"}, hits=2)
    host.check("m1", {"k": "v"})
    host.check("m1", {"skip": "yes"})
    host.report("m1", {"k": "v"})
    host.should("m1", {"skip": "yes", "n": "word"})
    lines = [line for line in exposition(host) if line.startswith("ratelimit_limit_")]
    assert sorted(lines) == [
        'ratelimit_limit_calls{limit_name="failing",namespace="m1"} 1.0',
        'ratelimit_limit_calls{limit_name="three",namespace="m1"} 3.0',
        'ratelimit_limit_calls{limit_name="two",namespace="m1"} 3.0',
        'ratelimit_limit_refused{limit_name="failing",namespace="m1"} 1.0',
        'ratelimit_limit_refused{limit_name="two",namespace="m1"} 2.0',
    ]


def test_unknown_domains_have_bounded_series(host: Host) -> None:
    for number in range(1100):
        host.should(f"unknown-{number}")
    lines = [line for line in exposition(host) if line.startswith("authorized_calls{")]
    assert len(lines) == 1001
    assert 'authorized_calls{limitador_namespace="other"} 100.0' in lines


def test_refusals_of_shadows_are_counted(host: Host) -> None:
    host.load(LIMITS.replace("name:", "shadow: true, name:"))
    host.should("m1", hits=11)
    lines = exposition(host)
    assert 'ratelimit_shadow_refused{limit_name="ten",namespace="m1"} 1.0' in lines
    assert 'authorized_calls{limitador_namespace="m1"} 1.0' in lines


def test_failures_are_counted_per_limit(host: Host) -> None:
    host.load(LIMITS.replace("conditions: ", "conditions: ['int(descriptors[0].n) > 1']"))
    host.should("m1", {"n": "x"})
    lines = exposition(host)
    assert 'limit_errors{limit_name="ten",namespace="m1"} 1.0' in lines
