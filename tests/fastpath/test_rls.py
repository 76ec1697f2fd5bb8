"""Native rate limit decisions: codes, statuses, headers, hits, errors, metrics."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration

from _fastpath.cells import Series
from _fastpath.counters import CounterTable
from _fastpath.handler import NativeHandler, Unit
from _fastpath.header_spec import NO_HEADERS, HeaderFamily, HeaderSpec
from _fastpath.limit_index import limit_index, limit_set
from _fastpath.limit_spec import LimitSpec, OnError
from _fastpath.plan import Plans
from _fastpath.rls import MALFORMED, UNAVAILABLE_DETAIL, RateLimitDecider
from expressions.cel import Context, compile_expression
from protos.generated.ratelimit_1_40_pb2 import RateLimitRequest, RateLimitResponse
from tests.fastpath.quotas import at, fixed

SECOND = 10**9
DRAFT_03 = HeaderSpec(HeaderFamily.DRAFT_VERSION_03)
OK, OVER, UNKNOWN = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT, RateLimitResponse.UNKNOWN


def limit(
    number: int,
    max_value: int = 10,
    seconds: int = 60,
    *,
    conditions: Sequence[str] = (),
    variables: Sequence[str] = (),
    name: str | None = None,
    limit_id: str | None = None,
    on_error: OnError = OnError.SKIP,
    native: bool = True,
) -> LimitSpec:
    """A limit as the configuration would compile it."""
    tests = [compile_expression(c, Context.LIMIT_CONDITION, strict=False) for c in conditions]
    values = [compile_expression(v, Context.LIMIT_VARIABLE, strict=False) for v in variables]
    for each in (*tests, *values):
        assert each.native is not None, each.refusal
    read = [index for each in (*tests, *values) for index in each.descriptors]
    return LimitSpec(
        number.to_bytes(16, "big"),
        fixed(max_value, seconds * SECOND),
        name=name,
        id=limit_id,
        conditions=tuple(e.native if native else None for e in tests if not e.exact),
        variables=tuple(e.native if native else None for e in values),
        equalities=tuple(test for e in tests for test in e.equalities),
        descriptor=max(read, default=0),
        on_error=on_error,
    )


class Service:
    """A decider with its plan and clock; answers as protobuf messages."""

    def __init__(
        self,
        *limits: LimitSpec,
        headers: HeaderSpec = NO_HEADERS,
        statuses: bool = True,
        unknown: int = 10,
    ) -> None:
        self.series = Series(1)
        self.plans = Plans(1)
        self.table = CounterTable()
        self.decider = RateLimitDecider(
            self.plans,
            self.table,
            self.series,
            headers=headers,
            statuses=statuses,
            max_unknown_domains=unknown,
        )
        self.now = 5 * SECOND
        self.publish(*limits)

    def publish(self, *limits: LimitSpec) -> None:
        self.plans.publish(limit_index({"ns": limit_set("ns", limits, self.series)}), None)

    def ask(self, handler: NativeHandler, request: RateLimitRequest) -> RateLimitResponse:
        outcome, message, status, detail, generation = handler(
            request.SerializeToString(), self.now, 0
        )
        assert (outcome, status, detail) == ("answer", 0, "")
        assert 0 < generation <= self.plans.generation
        return RateLimitResponse.FromString(message)

    def should(self, *descriptors: dict[str, str], hits: int = 0) -> RateLimitResponse:
        return self.ask(self.decider.should_rate_limit, request(*descriptors, hits=hits))

    def check(self, *descriptors: dict[str, str], hits: int = 0) -> RateLimitResponse:
        return self.ask(self.decider.check_rate_limit, request(*descriptors, hits=hits))

    def report(self, *descriptors: dict[str, str], hits: int = 0) -> RateLimitResponse:
        return self.ask(self.decider.report, request(*descriptors, hits=hits))

    def values(self) -> dict[tuple[str, ...], int]:
        return {c.values: c.value for c in self.table.list(None, at(self.now), 0, 10**6)[1]}


def request(*descriptors: dict[str, str], hits: int = 0, domain: str = "ns") -> RateLimitRequest:
    message = RateLimitRequest(domain=domain, hits_addend=hits)
    for entries in descriptors:
        message.descriptors.add(entries=[{"key": k, "value": v} for k, v in entries.items()])
    return message


def headers(response: RateLimitResponse) -> dict[str, str]:
    return {h.key: h.value for h in response.response_headers_to_add}


def test_limit_with_condition_and_variable_counts_per_value() -> None:
    service = Service(
        limit(
            1, 1, conditions=["descriptors[0].m == 'GET'"], variables=["descriptors[0]['app.id']"]
        )
    )
    ann, bob = {"m": "GET", "app.id": "ann"}, {"m": "GET", "app.id": "bob"}
    assert [service.should(d).overall_code for d in (ann, ann, bob)] == [OK, OVER, OK]
    assert service.should({"m": "PUT", "app.id": "ann"}).overall_code == OK
    assert service.should({"m": "GET"}).overall_code == OK
    assert service.values() == {("ann",): 1, ("bob",): 1}


def test_empty_domain_is_answered_with_no_bytes() -> None:
    service = Service(limit(1, 0))
    for handler in (
        service.decider.should_rate_limit,
        service.decider.check_rate_limit,
        service.decider.report,
    ):
        raw = request({"a": "b"}, domain="").SerializeToString()
        assert handler(raw, 0, 0)[:3] == ("answer", b"", 0)
    assert service.decider.totals() == {}


def test_malformed_request_fails_with_internal() -> None:
    service = Service()
    assert service.decider.should_rate_limit(b"\x0a\xff", 0, 0)[:4] == (
        "answer",
        b"",
        13,
        MALFORMED,
    )


def test_request_past_the_bounds_is_resource_exhausted() -> None:
    assert Service().decider.report(b"\x12\x00" * 2000, 0, 0)[2] == 8


def test_request_before_the_first_plan_is_unavailable() -> None:
    decider = RateLimitDecider(
        Plans(1), CounterTable(), Series(1), headers=NO_HEADERS, statuses=True
    )
    assert decider.should_rate_limit(request().SerializeToString(), 0, 0)[2:4] == (
        14,
        UNAVAILABLE_DETAIL,
    )


def test_decision_larger_than_the_table_is_unavailable() -> None:
    plans, series = Plans(1), Series(1)
    decider = RateLimitDecider(plans, CounterTable(1), series, headers=NO_HEADERS, statuses=True)
    plans.publish(limit_index({"ns": limit_set("ns", [limit(1), limit(2)], series)}), None)
    assert decider.should_rate_limit(request().SerializeToString(), 0, 0)[2] == 14


def test_denied_request_charges_nothing_on_other_limits() -> None:
    service = Service(limit(1, 10), limit(2, 1, variables=["descriptors[0].u"]))
    codes = [service.should({"u": u}).overall_code for u in ("a", "a", "b")]
    assert codes == [OK, OVER, OK]
    assert service.values() == {(): 2, ("a",): 1, ("b",): 1}


def test_check_looks_for_room_for_one_and_never_charges() -> None:
    service = Service(limit(1, 1))
    assert [service.check({}, hits=7).overall_code for _ in range(2)] == [OK, OK]
    service.should({})
    assert service.check({}).overall_code == OVER
    assert service.values() == {(): 1}


def test_report_adds_past_the_limit_and_answers_ok() -> None:
    service = Service(limit(1, 5))
    assert service.report({}, hits=20).overall_code == OK
    assert not service.report({}).statuses
    assert service.values() == {(): 21}
    assert service.check({}).overall_code == OVER


def test_request_level_zero_counts_as_one() -> None:
    service = Service(limit(1, 1))
    assert [service.should({}).overall_code for _ in range(2)] == [OK, OVER]


def test_hits_of_the_home_descriptor_are_charged() -> None:
    service = Service(
        limit(1, variables=["descriptors[0].u"]), limit(2, variables=["descriptors[1].u"])
    )
    message = request({"u": "a"}, {"u": "b"}, hits=2)
    message.descriptors[1].hits_addend.value = 5
    service.ask(service.decider.should_rate_limit, message)
    assert service.values() == {("a",): 2, ("b",): 5}


def test_present_zero_looks_without_charging() -> None:
    service = Service(limit(1, 3))
    service.should({}, hits=3)
    message = request({}, hits=2)
    message.descriptors[0].hits_addend.SetInParent()
    response = service.ask(service.decider.should_rate_limit, message)
    assert response.overall_code == OK
    assert response.statuses[0].limit_remaining == 0
    assert service.values() == {(): 3}


def test_negative_hits_give_back() -> None:
    service = Service(limit(1, 3))
    service.should({}, hits=3)
    message = request({})
    message.descriptors[0].hits_addend.value = 2
    message.descriptors[0].is_negative_hits = True
    response = service.ask(service.decider.should_rate_limit, message)
    assert (response.overall_code, response.statuses[0].limit_remaining) == (OK, 2)
    message.descriptors[0].hits_addend.value = 2**64 - 1
    service.ask(service.decider.should_rate_limit, message)
    assert service.values() == {(): 0}


def test_zero_descriptors_reach_limits_without_expressions() -> None:
    service = Service(limit(1, 1), limit(2, 0, conditions=["size(descriptors) > 0"]))
    assert [service.should().overall_code for _ in range(2)] == [OK, OVER]
    assert not service.should().statuses


def test_statuses_carry_the_most_restrictive_limit_of_each_descriptor() -> None:
    service = Service(
        limit(1, 10, 60, name="wide", conditions=["descriptors[0].m == 'GET'"]),
        limit(2, 4, 3600, name="narrow", variables=["descriptors[0].u"]),
        limit(3, 7, 120, conditions=["descriptors[2].p == 'x'"]),
    )
    descriptors = ({"m": "GET", "u": "a"}, {}, {"p": "x"})
    first, second, third = service.should(*descriptors, hits=3).statuses
    assert (first.code, first.limit_remaining, first.current_limit.name) == (OK, 1, "narrow")
    assert (first.current_limit.requests_per_unit, first.current_limit.unit) == (4, 3)
    assert first.duration_until_reset == Duration(seconds=3600)
    assert second == RateLimitResponse.DescriptorStatus(code=OK)
    assert (third.current_limit.unit, third.current_limit.unit_multiplier.value) == (2, 2)
    service.now += SECOND // 2
    first, second, third = service.should(*descriptors, hits=3).statuses
    assert (first.code, first.limit_remaining) == (OVER, 0)
    assert first.duration_until_reset == Duration(seconds=3599, nanos=500_000_000)
    assert (third.code, third.limit_remaining) == (OK, 1)


def test_statuses_can_be_left_out() -> None:
    assert not Service(limit(1), statuses=False).should({}).statuses


def test_headers_list_limits_by_remaining_then_name() -> None:
    service = Service(
        limit(1, 100, 10, name='a "quoted"\n'),
        limit(2, 4, 20, name="b", variables=["descriptors[0].u"]),
        limit(3, 4, 30, name="a"),
        limit(4, 4, 40),
        limit(5, 4, 50, name=""),
        headers=DRAFT_03,
    )
    assert headers(service.should({"u": "x"}, hits=3)) == {
        "X-RateLimit-Limit": '4, 4;w=40, 4;w=50;name="", 4;w=30;name="a", 4;w=20;name="b", '
        "100;w=10;name=\"a 'quoted' \"",
        "X-RateLimit-Remaining": "1",
        "X-RateLimit-Reset": "40",
    }
    service.now += SECOND // 2
    denied = service.should({"u": "x"}, hits=3)
    assert denied.overall_code == OVER
    assert headers(denied)["X-RateLimit-Remaining"] == "0"
    assert headers(denied)["X-RateLimit-Reset"] == "39"
    assert headers(denied)["X-RateLimit-Limit"].endswith("100;w=10;name=\"a 'quoted' \"")


def test_headers_appear_only_on_should_rate_limit_with_a_limit() -> None:
    service = Service(limit(1, conditions=["descriptors[0].m == 'GET'"]), headers=DRAFT_03)
    assert headers(service.should({"m": "PUT"})) == {}
    assert headers(service.check({"m": "GET"})) == {}
    assert headers(service.should({"m": "GET"}))["X-RateLimit-Limit"] == "10, 10;w=60"


def test_limit_name_and_id_are_visible_to_conditions() -> None:
    service = Service(
        limit(1, 0, conditions=["limit.name == 'x' && limit.id == 'i'"], name="x", limit_id="i"),
        limit(2, 0, conditions=["limit.name == null && limit.id == null"], name="y"),
    )
    assert service.should({}).statuses[0].current_limit.name == "x"
    service.publish(limit(2, 0, conditions=["limit.name == null && limit.id == null"]))
    assert service.should({}).overall_code == OVER


def test_missing_keys_and_indexes_are_no_errors() -> None:
    service = Service(
        limit(1, 0, conditions=["descriptors[0].x != 'a'"], on_error=OnError.REFUSE),
        limit(2, 0, conditions=["descriptors[1].x != 'a'"], on_error=OnError.REFUSE),
        limit(3, 0, variables=["descriptors[0].x"], on_error=OnError.APPLY),
    )
    assert service.should({}).overall_code == OK
    assert ("limit_errors", "ns", (1).to_bytes(16, "big")) not in service.decider.totals()


@pytest.mark.parametrize(
    ("on_error", "code", "name"),
    [(OnError.SKIP, OK, "other"), (OnError.APPLY, OK, "bad"), (OnError.REFUSE, OVER, "bad")],
)
def test_failing_condition_follows_on_error(on_error: OnError, code: int, name: str) -> None:
    service = Service(
        limit(1, 3, conditions=["int(descriptors[0].n) > 5"], on_error=on_error, name="bad"),
        limit(2, 9, name="other"),
    )
    response = service.should({"n": "many"})
    assert (response.overall_code, response.statuses[0].current_limit.name) == (code, name)
    expected = {OnError.SKIP: [1], OnError.APPLY: [1, 1], OnError.REFUSE: []}
    assert sorted(service.values().values()) == expected[on_error][:1]
    assert service.table.stats().size == len(expected[on_error])
    totals = service.decider.totals()
    assert totals["limit_errors", "ns", (1).to_bytes(16, "big")] == 1


@pytest.mark.parametrize(
    ("on_error", "values"),
    [(OnError.SKIP, {}), (OnError.APPLY, {("", "u"): 1}), (OnError.REFUSE, {})],
)
def test_failing_variable_follows_on_error(
    on_error: OnError, values: dict[tuple[str, ...], int]
) -> None:
    service = Service(
        limit(1, 3, variables=["int(descriptors[0].n)", "descriptors[0].u"], on_error=on_error)
    )
    service.should({"n": "many", "u": "u"})
    assert service.values() == values
    assert service.report({"n": "many", "u": "u"}).overall_code == OK


def test_variable_without_text_is_an_error() -> None:
    service = Service(limit(1, 0, variables=["descriptors[0]"], on_error=OnError.REFUSE))
    assert service.should({"a": "b"}).overall_code == OVER
    status = service.should({"a": "b"}).statuses[0]
    assert (status.limit_remaining, status.duration_until_reset) == (0, Duration())


def test_scalars_become_key_text() -> None:
    service = Service(
        limit(1, variables=["size(descriptors[0].u)", "descriptors[0].u == 'x'"]),
        limit(2, variables=["1.5", "null"]),
    )
    service.should({"u": "x"})
    assert set(service.values()) == {("1", "true"), ("1.5", "null")}


@pytest.mark.parametrize("unclear", ["condition", "variable"])
def test_expression_without_program_defers_and_leaves_no_trace(unclear: str) -> None:
    service = Service(
        limit(1, 5, conditions=["int(descriptors[0].n) > 5"]),
        limit(
            2,
            5,
            conditions=["descriptors[0].m == 'GET'"]
            + (["size(descriptors[0].u) > 1"] if unclear == "condition" else []),
            variables=["descriptors[0].u"] if unclear == "variable" else [],
            native=False,
        ),
    )
    raw = request({"n": "bad", "m": "GET", "u": "ann"}).SerializeToString()
    outcome, *_, generation = service.decider.should_rate_limit(raw, service.now, 0)
    assert (outcome, generation) == ("deferred", service.plans.generation)
    assert service.decider.totals() == {}
    assert service.values() == {}
    assert service.should({"m": "PUT"}).overall_code == OK


def test_cost_without_program_defers_only_where_the_limit_applies() -> None:
    priced = replace(limit(1, 5, conditions=["descriptors[0].m == 'GET'"]), cost=(None,))
    service = Service(priced)
    raw = request({"m": "GET"}).SerializeToString()
    assert service.decider.should_rate_limit(raw, service.now, 0)[0] == "deferred"
    assert service.values() == {}
    assert service.should({"m": "PUT"}).overall_code == OK


def test_calls_and_hits_are_counted_per_domain_and_limit() -> None:
    service = Service(limit(1, 5, name="five"), limit(2, 100))
    service.should({}, hits=4)
    service.should({}, hits=4)
    service.check({})
    service.report({}, hits=7)
    service.check({})
    assert service.decider.totals() == {
        ("authorized_calls", "ns"): 2,
        ("authorized_hits", "ns"): 11,
        ("report_calls", "ns"): 1,
        ("limited_calls", "ns", "five"): 2,
    }


def test_unknown_domains_are_counted_up_to_a_bound() -> None:
    service = Service(unknown=2)
    for domain in ("a", "b", "a", "c", "d" * 300):
        service.ask(service.decider.should_rate_limit, request(domain=domain))
    service.decider.count_authorized("b", 5)
    service.decider.count_report("ns", 2)
    service.decider.count_limited("ns", "five")
    service.decider.count_error("ns", b"x" * 16)
    assert service.decider.totals() == {
        ("authorized_calls", "a"): 2,
        ("authorized_hits", "a"): 2,
        ("authorized_calls", "b"): 2,
        ("authorized_hits", "b"): 6,
        ("authorized_calls", None): 2,
        ("authorized_hits", None): 2,
        ("authorized_hits", "ns"): 2,
        ("report_calls", "ns"): 1,
        ("limited_calls", "ns", "five"): 1,
        ("limit_errors", "ns", b"x" * 16): 1,
    }


def test_counters_survive_a_publish_that_keeps_the_identity() -> None:
    service = Service(limit(1, 1))
    service.should({})
    service.publish(limit(1, 2, name="renamed"))
    assert [service.should({}).overall_code for _ in range(2)] == [OK, OVER]


def test_exactly_the_limit_passes_while_plans_change() -> None:
    service = Service(limit(1, 500))
    stop = threading.Event()

    def publish() -> None:
        while not stop.is_set():
            service.publish(limit(1, 500, name="x"))

    publisher = threading.Thread(target=publish)
    publisher.start()
    passed = sum(service.should({}).overall_code == OK for _ in range(800))
    stop.set()
    publisher.join()
    assert passed == 500


def test_unit_of_a_program_is_required() -> None:
    with pytest.raises(ValueError):
        limit_set("ns", [LimitSpec(b"d" * 16, fixed(1, 1), variables=(Unit(),))], Series(1))
