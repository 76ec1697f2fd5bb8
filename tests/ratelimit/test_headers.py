"""Header families and Retry-After, in both lanes."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.counters import Verdict
from _fastpath.header_spec import HeaderFamily, HeaderSpec
from ratelimit.headers import ShownLimit, rate_limit_headers
from ratelimit.limit import Limit
from tests.ratelimit.host import LANES, OVER_LIMIT, Host, Response, headers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "headers.md"
FAMILIES = [family for family in HeaderFamily if family]


@pytest.fixture(params=LANES)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def host(lane: str, limits: str, family: HeaderFamily, *, retry_after: bool = True) -> Host:
    made = Host(native=lane == "native", headers=HeaderSpec(family, retry_after=retry_after))
    made.load(limits)
    return made


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"no {language} in {PAGE}"
    return found


def lines(response: Response) -> str:
    pairs = ((h.key, h.value) for h in response.response_headers_to_add)
    return "".join(f"{key}: {value}\n" for key, value in pairs)


@pytest.mark.parametrize("family", FAMILIES)
def test_page_shows_what_is_answered(lane: str, family: HeaderFamily) -> None:
    shop = host(lane, blocks("yaml")[0], family)
    answers = [shop.should("shop", {"user": "ann"}) for _ in range(3)]
    shop.advance(20.5)
    refused = shop.should("shop", {"user": "ann"})
    assert refused.overall_code == OVER_LIMIT
    assert [f"{lines(answers[0])}---\n{lines(refused)}"] == blocks(f"http {family.name}")


def limit(**fields: object) -> str:
    given = {"namespace": "ns", "max_value": 1, "seconds": 60, "conditions": [], "variables": []}
    return f"- {{{', '.join(f'{key}: {value}' for key, value in {**given, **fields}.items())}}}\n"


def test_ietf_names_are_strings_of_structured_fields(lane: str) -> None:
    names = ['"a \\"b\\" \\\\ c"', '"é\\n"', '""']
    limits = "".join(limit(name=name, seconds=60 + i) for i, name in enumerate(names))
    answer = headers(host(lane, limits, HeaderFamily.IETF).should("ns", {}))
    string = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
    policies = re.findall(rf"({string});q=1;w=(\d+)", answer["RateLimit-Policy"])
    shown = {window: name for name, window in policies}
    assert shown["60"] == r'"a \"b\" \\ c"'
    assert shown["61"] == '"%c3%a9%0a"'
    assert re.fullmatch('"limit-[0-9a-f]{8}"', shown["62"])
    assert re.findall(rf"({string});r=0", answer["RateLimit"]) == [name for name, _ in policies]


def test_ietf_integers_have_15_digits(lane: str) -> None:
    answer = headers(
        host(lane, limit(max_value=2**64 - 1, name="x"), HeaderFamily.IETF).should("ns", {})
    )
    assert answer["RateLimit-Policy"] == '"x";q=999999999999999;w=60'
    assert answer["RateLimit"] == '"x";r=999999999999999;t=60'


def test_window_of_zero_is_no_ietf_window(lane: str) -> None:
    answer = headers(host(lane, limit(seconds=0, name="x"), HeaderFamily.IETF).should("ns", {}))
    assert answer["RateLimit-Policy"] == '"x";q=1'


def test_values_of_variables_are_not_told(lane: str) -> None:
    limits = limit(variables='["descriptors[0].user"]')
    for family in FAMILIES:
        answers = [host(lane, limits, family).should("ns", {"user": "ann@x"}) for _ in range(2)]
        assert "ann" not in "".join(map(lines, answers))


def test_retry_after_is_the_longest_wait_of_those_that_refuse(lane: str) -> None:
    limits = limit(name="minute") + limit(name="hour", seconds=3600) + limit(max_value=9, seconds=9)
    shop = host(lane, limits, HeaderFamily.NONE)
    assert headers(shop.should("ns", {})) == {}
    shop.advance(0.25)
    assert headers(shop.should("ns", {})) == {"Retry-After": "3600"}
    shop.advance(3599.75 - 0.001)
    assert headers(shop.should("ns", {})) == {"Retry-After": "1"}


def test_retry_after_is_left_out_when_waiting_does_not_help(lane: str) -> None:
    limits = limit(max_value=2) + limit(max_value=5, seconds=7)
    shop = host(lane, limits, HeaderFamily.NONE)
    assert headers(shop.should("ns", {}, hits=3)) == {}
    failing = limit(conditions="[\"int('x') == 1\"]", on_error="refuse")
    assert headers(host(lane, failing, HeaderFamily.NONE).should("ns", {})) == {}


@pytest.mark.parametrize("family", HeaderFamily)
def test_retry_after_can_be_off(lane: str, family: HeaderFamily) -> None:
    shop = host(lane, limit(max_value=1), family, retry_after=False)
    answers = [headers(shop.should("ns", {})) for _ in range(2)]
    assert "Retry-After" not in answers[1]
    assert bool(answers[1]) == bool(family)


def test_checks_and_reports_have_no_headers(lane: str) -> None:
    for family in FAMILIES:
        shop = host(lane, limit(max_value=0), family)
        assert lines(shop.check("ns", {})) == lines(shop.report("ns", {})) == ""


def test_windows_below_a_second_are_shown_rounded_up(lane: str) -> None:
    limits = (
        "- {namespace: ns, name: x, max_value: 1, window: 250ms, conditions: [], variables: []}"
    )
    shown = {
        family: headers(host(lane, limits, family).should("ns", {}))
        for family in (HeaderFamily.DRAFT_VERSION_03, HeaderFamily.IETF)
    }
    assert shown[HeaderFamily.DRAFT_VERSION_03]["X-RateLimit-Limit"] == '1, 1;w=1;name="x"'
    assert shown[HeaderFamily.IETF]["RateLimit-Policy"] == '"x";q=1;w=1'
    assert shown[HeaderFamily.IETF]["RateLimit"] == '"x";r=0;t=1'
    (status,) = host(lane, limits, HeaderFamily.NONE).should("ns", {}).statuses
    assert status.current_limit.unit == status.current_limit.SECOND


def test_bucket_tells_when_the_next_token_comes(lane: str) -> None:
    limits = limit(algorithm="token_bucket", max_value=6, seconds=60, burst=1, name="x")
    shop = host(lane, limits, HeaderFamily.IETF)
    shop.should("ns", {})
    shop.advance(3.5)
    refused = headers(shop.should("ns", {}))
    assert refused["RateLimit-Policy"] == '"x";q=6;w=60'
    assert refused["RateLimit"] == '"x";r=0;t=7'
    assert refused["Retry-After"] == "7"


def test_slots_may_be_free_any_time(lane: str) -> None:
    limits = (
        "- {namespace: ns, name: x, algorithm: concurrency, max_value: 1, lease: 60s, "
        "conditions: [], variables: []}"
    )
    shop = host(lane, limits, HeaderFamily.IETF)
    shop.should("ns", {})
    refused = headers(shop.should("ns", {}))
    assert refused["RateLimit-Policy"] == '"x";q=1;qu="concurrent-requests"'
    assert refused["RateLimit"] == '"x";r=0;t=1'
    assert refused["Retry-After"] == "1"


@pytest.mark.parametrize("family", HeaderFamily)
def test_limits_may_keep_to_themselves(lane: str, family: HeaderFamily) -> None:
    limits = limit(name="told", max_value=9) + limit(name="hidden", seconds=61, headers="false")
    shop = host(lane, limits, family)
    shop.should("ns", {})
    refused = shop.should("ns", {})
    assert refused.overall_code == OVER_LIMIT
    assert not re.search("hidden|61|Retry-After", lines(refused))
    assert bool(lines(refused)) == bool(family)


verdicts = st.builds(
    Verdict,
    fits=st.booleans(),
    remaining=st.integers(0, 2**64 - 1),
    reset_ns=st.integers(0, 2**63 - 1),
    retry_ns=st.integers(0, 2**63 - 1),
)
named = st.none() | st.text(max_size=8)


@given(st.lists(st.tuples(named, verdicts), min_size=1, max_size=4))
def test_ietf_headers_are_lists_of_strings_with_integers(
    found: list[tuple[str | None, Verdict]],
) -> None:
    limits = [(Limit("ns", 5, 60, name=name), verdict) for name, verdict in found]
    shown = [ShownLimit(limit, verdict, not verdict.fits) for limit, verdict in limits]
    spec = HeaderSpec(HeaderFamily.IETF, retry_after=True)
    answer = dict(rate_limit_headers(shown, spec))
    item = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
    policy = rf"{item};q=5;w=60"
    left = rf"{item};r=(\d{{1,15}});t=(\d{{1,15}})"
    assert re.fullmatch(rf"{policy}(?:, {policy})*", answer["RateLimit-Policy"])
    assert re.fullmatch(rf"{left}(?:, {left})*", answer["RateLimit"])
    told = re.findall(left, answer["RateLimit"])
    waits = [int(t) for (_, t), each in zip(told, shown, strict=True) if each.refuses]
    if "Retry-After" in answer:
        # The draft: Retry-After is not earlier than the reset of what refused.
        assert int(answer["Retry-After"]) >= max([1, *waits])
