"""Who failed to authenticate too often waits, in both lanes alike."""

from typing import Any

from envoy.service.auth.v3 import external_auth_pb2

from _fastpath.counters import CounterTable
from _fastpath.throttle import THROTTLED, Throttle
from tests.authz.lanes import NOW, Answer, Lanes, check_request

KEYS: dict[str, Any] = {"apiKey": {"selector": {"matchLabels": {"app": "toys"}}}}


def lanes_with(**bounds: int) -> Lanes:
    """Each question is asked of both lanes, so each failure counts twice."""
    lanes = Lanes(Throttle(CounterTable(100), window_ns=60 * 10**9, **bounds))
    lanes.secret("alice")
    return lanes


def attempt(key: str | None, source: str, **headers: str) -> external_auth_pb2.CheckRequest:
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    request = check_request(**headers)
    request.attributes.source.address.socket_address.address = source
    return request


def ask(lanes: Lanes, key: str | None, source: str = "1.2.3.4", **headers: str) -> Answer:
    return lanes.ask(attempt(key, source, **headers))


def test_source_waits_after_too_many_failures() -> None:
    lanes = lanes_with(per_source=4)
    lanes.config(authentication={"keys": KEYS})
    assert [ask(lanes, f"guess-{n}").http_status for n in range(3)] == [401, 401, 429]
    refused = ask(lanes, "alice-key")
    assert (refused.code, refused.http_status, refused.native) == (8, 429, True)
    (name, seconds), reason = refused.headers
    assert (name, reason) == ("Retry-After", ("X-Ext-Auth-Reason", THROTTLED))
    assert 1 <= int(seconds) <= 120
    assert ask(lanes, "alice-key", "5.6.7.8").http_status == 200


def test_requests_without_a_credential_are_no_attempts() -> None:
    lanes = lanes_with(per_source=2)
    lanes.config(authentication={"keys": KEYS, "anyone": {"anonymous": {}, "priority": 1}})
    assert [ask(lanes, None).http_status for _ in range(4)] == [200] * 4
    # Let in as nobody: no failure, whatever the key.
    assert [ask(lanes, "guess").http_status for _ in range(4)] == [200] * 4


def test_credential_that_failed_waits_from_everywhere() -> None:
    lanes = lanes_with(per_credential=2)
    lanes.config(authentication={"keys": KEYS})
    assert ask(lanes, "guess").http_status == 401
    assert ask(lanes, "guess", "5.6.7.8").http_status == 429
    assert ask(lanes, "alice-key").http_status == 200


def test_id_that_goes_with_a_key_is_what_waits() -> None:
    lanes = lanes_with(per_credential=4)
    options = "authentication: {keys: {appId: {customHeader: {name: X-App-Id}}}}"
    lanes.config(annotations={"tollhouse.io/extensions": options}, authentication={"keys": KEYS})
    tries = [ask(lanes, f"guess-{n}", x_app_id="1").http_status for n in range(3)]
    assert tries == [401, 401, 429]
    assert ask(lanes, "guess", x_app_id="2").http_status == 401


def test_failure_decided_in_the_full_lane_counts_once() -> None:
    lanes = lanes_with(per_source=2)
    when = [{"selector": "request.method.@case:lower", "operator": "eq", "value": "get"}]
    lanes.config(authentication={"keys": KEYS | {"when": when}})
    guess = attempt("guess", "1.2.3.4")
    for _ in range(2):
        assert lanes.decider.check(guess.SerializeToString(), 1_000, NOW)[0] == "deferred"
        assert lanes.ask_full(guess).http_status == 401
    answer = lanes.ask(guess)
    assert (answer.http_status, answer.native) == (429, True)


def test_waiting_attempts_are_counted_by_what_failed() -> None:
    lanes = lanes_with(per_source=2)
    lanes.config(authentication={"keys": KEYS})
    ask(lanes, "guess")
    ask(lanes, "guess")
    totals = lanes.series.totals()
    assert totals["tollhouse_authz_throttled_total", "shop", "toys", "source"] == 2
    assert totals["tollhouse_authz_throttled_total", "shop", "toys", "credential"] == 0
    assert totals["auth_server_response_status", "RESOURCE_EXHAUSTED"] == 2
    status = "auth_server_authconfig_response_status", "shop", "toys", "RESOURCE_EXHAUSTED"
    assert totals[status] == 2
