"""Metrics under Authorino's names, counted alike in both lanes."""

from typing import Any

from envoy.service.auth.v3 import external_auth_pb2
from prometheus_client import CollectorRegistry, generate_latest

from _fastpath.cells import Series
from _fastpath.rpc import Status, UnaryMethod
from authz.call_metrics import CallCollector
from authz.check_metrics import CheckMetrics
from authz.config import Authentication
from authz.configuration import Configuration
from authz.durations import Durations
from authz.metric_labels import KEY, MOST_SETS, MetricLabels
from authz.metrics import AuthorizationCollector
from authz.remembered_metrics import RememberedCollector
from tests.authz.fake_evaluators import Trial, gives, hangs
from tests.authz.lanes import NOW, THREADS, Clocks, Lanes, check_request


def exposed(lanes: Lanes) -> list[str]:
    registry = CollectorRegistry()
    registry.register(AuthorizationCollector(lanes.series, lanes.service.metrics.durations))
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
    assert (answer.http_status, answer.native) == (403, True)
    counted = {
        (key[0].removeprefix("auth_server_evaluator_"), *key[3:]): total
        for key, total in lanes.series.totals().items()
        if key[0].startswith("auth_server_evaluator_") and total
    }
    # Each lane counted once.
    assert counted == {
        ("total", "IDENTITY_NOOP", "open"): 2,
        ("total", "AUTHORIZATION_JSON", "left-out"): 2,
        ("ignored", "AUTHORIZATION_JSON", "left-out"): 2,
        ("total", "AUTHORIZATION_JSON", "refuses"): 2,
        ("denied", "AUTHORIZATION_JSON", "refuses"): 2,
    }


def values(lanes: Lanes, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Samples that are not 0, by their labels."""
    collector = AuthorizationCollector(lanes.series, lanes.service.metrics.durations)
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for metric in collector.collect()
        for sample in metric.samples
        if sample.name == name and sample.value
    }


SECONDS = "auth_server_authconfig_duration_seconds"
PLACE = ("authconfig", "toys"), ("namespace", "shop")


def test_both_lanes_count_in_the_histogram(lanes: Lanes) -> None:
    lanes.config()
    assert lanes.get().native
    assert values(lanes, f"{SECONDS}_count") == {PLACE: 2}
    buckets = values(lanes, f"{SECONDS}_bucket")
    bounds = [dict(labels)["le"] for labels in buckets]
    assert (bounds[:3], len(bounds)) == (["0.001", "0.051000000000000004", "0.101"], 21)
    # What is decided natively counts in the least bucket; the last one has all.
    assert buckets[(*PLACE[:1], ("le", "0.001"), *PLACE[1:])] >= 1
    assert buckets[(*PLACE[:1], ("le", "+Inf"), *PLACE[1:])] == 2
    assert values(lanes, f"{SECONDS}_sum")[PLACE] > 0


def test_buckets_add_up() -> None:
    durations = Durations()
    for milliseconds in (0.5, 1, 2, 60, 5000):
        durations.observe("f", ("a",), (), int(milliseconds * 1e6))
    ((labels, extra, histogram),) = durations.of("f")
    assert (labels, extra, histogram.sum_ns) == (("a",), (), 5_063_500_000)
    assert histogram.counts == [2, 1, 1, *[0] * 17, 1]


def test_every_evaluator_counts_where_that_is_asked_for(lanes: Lanes) -> None:
    lanes.configuration = Configuration(lanes.services, lanes.series, evaluator_metrics=True)
    lanes.config(
        authentication={"open": {"anonymous": {}}},
        response={"success": {"headers": {"x-a": {"plain": {"value": "a"}}}}},
    )
    assert lanes.get().native
    counted = {dict(labels)["evaluator_name"] for labels in values(lanes, f"{EVALUATOR}_count")}
    assert counted == {"open", "x-a"}


EVALUATOR = "auth_server_evaluator_duration_seconds"


async def test_cancelled_evaluators_are_counted() -> None:
    trial = Trial()
    trial.add(Authentication, "slow", hangs, metrics=True)
    trial.add(Authentication, "quick", gives({"n": 1}), metrics=True)
    await trial.ask()
    series = Series(1)
    metrics = CheckMetrics(series, 1)
    metrics.decided(trial.config(), Status.OK, {"metadata": {}}, trial.steps, 1000)
    counted = {key[0]: key[4] for key in series.totals() if "cancelled" in key[0]}
    assert counted == {"auth_server_evaluator_cancelled": "slow"}
    timed = {labels[3] for labels, _, _ in metrics.durations.of(EVALUATOR)}
    assert timed == {"slow", "quick"}


def labeled(**labels: Any) -> external_auth_pb2.CheckRequest:
    request = check_request()
    wanted = request.attributes.metadata_context.filter_metadata["io.kuadrant.metrics.labels"]
    wanted.update(labels)
    return request


def test_case_66_requests_ask_for_labels(lanes: Lanes) -> None:
    lanes.config()
    lanes.ask_full(
        labeled(
            plan="gold",
            number=123,
            yes=True,
            who={"cel_expr": "auth.identity.anonymous"},
            host={"cel_expr": "request.host"},
            absent={"cel_expr": "auth.identity.sub"},
            broken={"cel_expr": "1 +"},
            null=None,
            listed=[1],
            status="forged",
            __name__="forged",
        )
    )
    asked = {"plan": "gold", "number": "123", "yes": "true", "who": "true", "host": "toys.com"}
    (found,) = values(lanes, "auth_server_authconfig_total")
    assert dict(found) == {**dict(PLACE), **asked}
    (found,) = values(lanes, "auth_server_authconfig_response_status")
    assert dict(found) == {**dict(PLACE), **asked, "status": "OK"}
    (found,) = values(lanes, f"{SECONDS}_count")
    assert dict(found) == {**dict(PLACE), **asked}


def test_request_with_labels_goes_to_the_full_lane(lanes: Lanes) -> None:
    lanes.config()
    assert lanes.decider.check(labeled(a="b").SerializeToString(), 1_000, NOW)[0] != "answer"
    other = labeled(a="b")
    fields = other.attributes.metadata_context.filter_metadata
    fields["io.kuadrant.metrics.label"].CopyFrom(fields.pop("io.kuadrant.metrics.labels"))
    assert lanes.decider.check(other.SerializeToString(), 1_000, NOW)[0] == "answer"


def test_labels_are_bounded() -> None:
    labels = MetricLabels()

    def asked(**wanted: object) -> tuple[tuple[str, str], ...]:
        return labels.of({"metadata": {"filter_metadata": {KEY: wanted}}})

    assert asked(a="x" * 500) == (("a", "x" * 256),)
    assert len(asked(**{f"n{number:03}": 1 for number in range(50)})) == 16
    for number in range(MOST_SETS):
        asked(user=str(number))
    assert asked(user="one more", plan="gold") == (("plan", "other"), ("user", "other"))
    assert asked(user="5") == (("user", "5"),)
    assert asked() == ()
    assert labels.of({"metadata": {"filter_metadata": {KEY: "text"}}}) == ()


def called(lanes: Lanes) -> dict[str, float]:
    """Samples without their labels, buckets left out."""
    collector = CallCollector(lanes.series, lanes.service.metrics.durations)
    return {
        sample.name: sample.value
        for metric in collector.collect()
        for sample in metric.samples
        if not sample.name.endswith("_bucket")
    }


async def test_calls_are_counted_under_the_names_of_go(lanes: Lanes) -> None:
    lanes.config()
    request = check_request().SerializeToString()
    (method,) = lanes.service.methods()
    assert isinstance(method, UnaryMethod)
    await method.handler(request, Clocks(generation=lanes.generation))
    lanes.decider.check(request, 1_000, NOW)
    # What came over HTTP is no call of gRPC.
    await lanes.service.check(request, Clocks(generation=lanes.generation))
    lanes.series.add(THREADS, lanes.series.id(("http_server_handled_total", "OK")), 1)
    lanes.service.metrics.took("http_server_handling_seconds", 2_000_000)
    found = called(lanes)
    for name in ("started", "handled", "msg_received", "msg_sent"):
        assert found[f"grpc_server_{name}_total"] == 2, name
    assert found["grpc_server_handling_seconds_count"] == 2
    assert found["http_server_handling_seconds_count"] == 1
    assert found["http_server_handling_seconds_sum"] == 0.002


def test_idle_auth_configs_have_no_series(lanes: Lanes) -> None:
    lanes.config(name="busy")
    lanes.config(name="idle", hosts=["idle.com"])
    lanes.get()
    assert any("busy" in line for line in exposed(lanes))
    assert not any("idle" in line for line in exposed(lanes))


def test_remembered_results_are_told(lanes: Lanes) -> None:
    cache = {"key": {"selector": "request.path"}}
    value = {"plain": {"value": "a"}, "cache": cache}
    lanes.config(response={"success": {"headers": {"x-a": value}}})
    lanes.get()
    registry = CollectorRegistry()
    registry.register(RememberedCollector(lanes.services.remembered))
    assert registry.get_sample_value("tollhouse_remembered_results") == 1
    assert 0 < (registry.get_sample_value("tollhouse_remembered_bytes") or 0) < 1000
