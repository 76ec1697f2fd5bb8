"""Metrics under Authorino's names, counted alike in both lanes."""

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from authz.metrics import AuthorizationCollector
from tests.authz.lanes import Lanes


def exposed(lanes: Lanes) -> list[str]:
    registry = CollectorRegistry()
    registry.register(AuthorizationCollector(lanes.series))
    return generate_latest(registry).decode().splitlines()


def test_names_are_those_of_authorino(lanes: Lanes) -> None:
    lanes.config()
    lanes.get()
    lines = exposed(lanes)
    assert "# TYPE auth_server_response_status counter" in lines
    # Each lane counted its answer.
    assert 'auth_server_response_status{status="OK"} 2.0' in lines
    place = 'namespace="shop",authconfig="toys"'
    labels = 'authconfig="toys",namespace="shop"'
    assert any(f"auth_server_authconfig_total{{{order}}} 2.0" in lines for order in (place, labels))


def test_evaluators_with_metrics_are_counted(lanes: Lanes) -> None:
    def matching(predicate: str, **more: Any) -> dict[str, Any]:
        return {"patternMatching": {"patterns": [{"predicate": predicate}]}, "metrics": True} | more

    lanes.config(
        authentication={"open": {"anonymous": {}, "metrics": True}},
        authorization={
            "left-out": matching("false", when=[{"predicate": "false"}]),
            "quiet": matching("true", metrics=False),
            "never": matching("false", priority=2),
            "refuses": matching("request.method != 'GET'", priority=1),
        },
    )
    answer = lanes.get()
    assert (answer.http_status, answer.native) == (403, False)
    counted = {
        (key[0].removeprefix("auth_server_evaluator_"), *key[3:]): total
        for key, total in lanes.series.totals().items()
        if key[0].startswith("auth_server_evaluator_")
    }
    assert counted == {
        ("total", "IDENTITY_NOOP", "open"): 1,
        ("total", "AUTHORIZATION_JSON", "left-out"): 1,
        ("ignored", "AUTHORIZATION_JSON", "left-out"): 1,
        ("total", "AUTHORIZATION_JSON", "refuses"): 1,
        ("denied", "AUTHORIZATION_JSON", "refuses"): 1,
    }
