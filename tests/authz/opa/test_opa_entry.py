"""Authorization `opa` in a whole check: reference §2.13 and case 40."""

import json
from collections.abc import AsyncIterator

import pytest

from authz.kinds import AUTHORIZATION
from authz.opa.embedded import EmbeddedEngine
from tests.authz.entries import faults
from tests.authz.http_backend import Backend
from tests.authz.http_lanes import CallingLanes, calling_lanes

SHOWN = """
response:
  success:
    dynamicMetadata:
      shown: {json: {properties: {it: {selector: auth.authorization.p}}}}
"""


@pytest.fixture
async def lanes(engine: EmbeddedEngine) -> AsyncIterator[CallingLanes]:
    """With the engine of all tests, which sends as these lanes do."""
    async with calling_lanes() as lanes:
        services = lanes.services
        own, services.rego = services.rego, engine
        before, engine.send = engine.send, services.outgoing.send
        yield lanes
        services.rego, engine.send = own, before


def _entry(fields: str) -> str:
    return f"{SHOWN}\nauthorization:\n  p:\n    opa: {fields}\n"


def test_what_is_read() -> None:
    kind = AUTHORIZATION["opa"]
    assert faults(kind, {}) == ["entry: expected exactly one of rego, externalPolicy"]
    both = {"rego": "", "externalPolicy": {"url": "http://x"}}
    assert "expected exactly one of" in faults(kind, both)[0]
    assert faults(kind, {"rego": "", "version": "v2"}) == ["entry.version: expected one of v0, v1"]
    negative = {"externalPolicy": {"url": "http://x", "ttl": -1}}
    assert faults(kind, negative) == ["entry.externalPolicy.ttl: expected 0 or more seconds"]


async def test_allow_decides(lanes: CallingLanes) -> None:
    rego = '"allow { input.request.url_path == `/toys` }\\nwhy := input.auth.identity"'
    assert not lanes.configure(_entry(f"{{rego: {rego}}}"))
    granted = await lanes.call()
    assert granted.http_status == 200
    assert granted.metadata["shown"]["it"] == {"allow": True}
    denied = await lanes.call("/other")
    assert (denied.http_status, denied.reason) == (403, "Unauthorized")
    assert not lanes.configure(_entry(f"{{rego: {rego}, allValues: true}}"))
    granted = await lanes.call()
    assert granted.metadata["shown"]["it"] == {"allow": True, "why": {"anonymous": True}}


@pytest.mark.parametrize("value", ['"yes"', "1", "null", '{"a": 1}', "input.nothing"])
async def test_only_true_grants(lanes: CallingLanes, value: str) -> None:
    assert not lanes.configure(_entry(f"{{rego: 'allow := {value}'}}"))
    denied = await lanes.call()
    assert (denied.http_status, denied.reason) == (403, "Unauthorized")


async def test_a_policy_that_is_refused_says_why(lanes: CallingLanes) -> None:
    (fault,) = lanes.configure(_entry("{rego: 'allow { net.lookup_ip_addr(`x`) }'}"))
    assert "net.lookup_ip_addr() is not a function of this engine" in fault
    assert "--rego-engine" in fault
    assert (await lanes.call()).http_status == 503


async def test_an_external_policy(lanes: CallingLanes, backend: Backend) -> None:
    lanes.secret_data("policies", token="s3cret")
    backend.says("/p", {"result": {"raw": "package p\nallow { input.request.method == `GET` }"}})
    assert not lanes.configure(
        _entry(
            f"{{externalPolicy: {{url: '{backend.url}/p',"
            " sharedSecretRef: {name: policies, key: token}}}"
        )
    )
    assert (await lanes.call()).http_status == 200
    assert (await lanes.call()).http_status == 200
    (seen,) = backend.seen
    assert (seen.method, seen.headers["authorization"]) == ("GET", "Bearer s3cret")


@pytest.mark.parametrize(
    ("answer", "status"), [("allow {", 200), ("allow { true }", 500), ({"result": 1}, 200)]
)
async def test_no_policy_denies(
    lanes: CallingLanes, backend: Backend, answer: object, status: int
) -> None:
    backend.says("/p", answer, status=status)
    assert not lanes.configure(_entry(f"{{externalPolicy: {{url: '{backend.url}/p'}}}}"))
    denied = await lanes.call()
    assert (denied.http_status, denied.reason) == (403, "the policy is not available")


async def test_a_policy_that_asks_elsewhere(lanes: CallingLanes, backend: Backend) -> None:
    backend.says("/who", {"admin": True}, status=201)
    rego = f"""
      answer := http.send({{"method": "post", "url": "{backend.url}/who",
        "headers": {{"x-a": input.request.method}}, "body": {{"path": input.request.url_path}}}})
      allow {{ answer.body.admin }}
      status := answer.status_code
      missing := http.send({{"method": "GET", "url": "http://127.0.0.1:1/",
        "raise_error": false}}).status_code"""
    assert not lanes.configure(_entry(f"{{allValues: true, rego: {json.dumps(rego)}}}"))
    granted = await lanes.call()
    assert granted.http_status == 200
    assert granted.metadata["shown"]["it"]["status"] == 201
    assert granted.metadata["shown"]["it"]["missing"] == 0
    (seen,) = backend.seen
    assert (seen.method, seen.headers["x-a"]) == ("POST", "GET")
    assert (seen.headers["content-type"], seen.body) == ("application/json", b'{"path":"/toys"}')


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ('"url": "http://127.0.0.1:1/"', "http.send() failed: the connection failed"),
        ('"url": "file:///etc/passwd"', "http.send() failed: "),
        ('"url": "http://x/", "tls_ca_cert": "x"', "the embedded engine has no http.send() with"),
        ('"url": "http://x/", "timeout": "soon"', "http.send() takes a duration as timeout"),
        ('"url": 7', "http.send() takes a method, a url and headers"),
    ],
)
async def test_a_call_that_fails_denies(lanes: CallingLanes, options: str, reason: str) -> None:
    rego = f'allow {{ not http.send({{"method": "GET", {options}}}).nothing }}'
    assert not lanes.configure(_entry(f"{{rego: '{rego}'}}"))
    denied = await lanes.call()
    assert denied.http_status == 403
    assert denied.reason.startswith(reason)
