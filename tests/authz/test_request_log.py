"""Lines of the request log: what they tell, and what never is in them."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2

from authz.request_log import SERVICE, RequestLog
from authz.service import AuthorizationService
from tests.authz.lanes import THREADS, Lanes, check_request

Line = tuple[str, str, dict[str, Any]]


@pytest.fixture
def logging_lanes(lanes: Lanes) -> Lanes:
    lanes.service = AuthorizationService(
        lanes.decider, lanes.services, lanes.series, THREADS, request_log=RequestLog()
    )
    return lanes


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[Line]]]:
    """Logger below the service's, message and fields of each line."""

    def lines() -> list[Line]:
        return [
            (record.name.removeprefix(SERVICE), record.getMessage(), getattr(record, "fields", {}))
            for record in caplog.records
        ]

    with caplog.at_level(logging.DEBUG, SERVICE):
        yield lines


KEYS = {"keys": {"apiKey": {"selector": {"matchLabels": {"app": "toys"}}}}}


def request(**headers: str) -> external_auth_pb2.CheckRequest:
    made = check_request("/toys?api_key=secret", **headers)
    address = made.attributes.source.address.socket_address
    address.address, address.port_value = "10.0.0.1", 1234
    made.attributes.source.principal = "secret"
    made.attributes.request.http.body = "secret"
    return made


def test_answer_follows_its_request(logging_lanes: Lanes, told: Callable[[], list[Line]]) -> None:
    logging_lanes.secret("alice")
    logging_lanes.config(authentication=KEYS)
    logging_lanes.ask_full(request(authorization="Bearer alice-key", x_request_id="7a1"))
    first, evaluator, last = told()
    address = {"SocketAddress": {"address": "10.0.0.1", "PortSpecifier": {"PortValue": 1234}}}
    assert first == (
        "",
        "incoming authorization request",
        {
            "request id": "7a1",
            "object": {
                "source": {"address": {"Address": address}},
                "destination": {},
                "request": {
                    "http": {
                        "id": "7a1",
                        "method": "GET",
                        "path": "/toys",
                        "host": "toys.com",
                        "scheme": "http",
                    }
                },
            },
        },
    )
    assert '"PortValue": 1234}' in json.dumps(first)
    assert evaluator[:2] == (".authpipeline.identity", "evaluator succeeded")
    assert evaluator[2]["evaluator"] == "keys"
    assert evaluator[2]["type"] == "IDENTITY_APIKEY"
    assert last == (
        "",
        "outgoing authorization response",
        {"request id": "7a1", "authorized": True, "response": "OK"},
    )


def test_refusal_is_told_with_its_reason(
    logging_lanes: Lanes, told: Callable[[], list[Line]]
) -> None:
    logging_lanes.config(authentication=KEYS)
    logging_lanes.ask_full(request(authorization="Bearer secret"))
    _, evaluator, last = told()
    assert evaluator[2]["reason"] == "the API Key provided is invalid"
    assert last[2]["authorized"] is False
    assert last[2]["object"] == {
        "code": 16,
        "status": 401,
        "message": "the API Key provided is invalid",
    }


def test_unknown_host_is_told(logging_lanes: Lanes, told: Callable[[], list[Line]]) -> None:
    logging_lanes.config()
    logging_lanes.ask_full(check_request(host="other.com"))
    assert [line[2].get("response") for line in told()] == [None, "NOT_FOUND"]


def test_nothing_secret_is_told(logging_lanes: Lanes, told: Callable[[], list[Line]]) -> None:
    logging_lanes.secret("alice", key="secret")
    logging_lanes.config(
        authentication=KEYS,
        response={"success": {"headers": {"x": {"json": {"properties": {"a": {"value": 1}}}}}}},
    )
    logging_lanes.ask_full(request(authorization="Bearer secret", cookie="secret"))
    lines = json.dumps(told())
    assert "outgoing" in lines
    assert "secret" not in lines
    assert "c2VjcmV0" not in lines


def test_texts_of_callers_are_cut(logging_lanes: Lanes, told: Callable[[], list[Line]]) -> None:
    logging_lanes.config()
    logging_lanes.ask_full(check_request("/" + "a" * 5000))
    assert len(told()[0][2]["object"]["request"]["http"]["path"]) == 1024


def test_native_lane_is_not_asked(logging_lanes: Lanes) -> None:
    (method,) = logging_lanes.service.methods()
    assert getattr(method, "native", 1) is None
