"""`tollhouse explain` over manifests: what it tells, and that it calls nobody back."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.authz.http_backend import http_backend
from tollhouse.__main__ import main
from tollhouse.explain_flags import parse
from tollhouse.explain_request import check_request_of
from tollhouse.explain_view import json_view
from tollhouse.explanation import explain

MANIFESTS = """\
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: toys, namespace: shop}
spec:
  hosts: [toys.com]
  authentication:
    keys: {apiKey: {selector: {matchLabels: {app: toys}}}}
    open: {anonymous: {}, priority: 1}
  authorization:
    gold:
      when: [{predicate: "request.path == '/gold'"}]
      patternMatching:
        patterns: [{selector: auth.identity.metadata.labels.tier, operator: eq, value: gold}]
  response:
    success:
      headers: {x-user: {plain: {selector: auth.identity.metadata.name}}}
      dynamicMetadata: {who: {json: {properties: {name: {value: alice}}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: alice, namespace: shop, labels: {app: toys, tier: gold}}
stringData: {api_key: alice-key}
---
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: skipping, namespace: shop}
spec: {hosts: [skipping.com], when: [{predicate: "false"}]}
---
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: refused, namespace: shop}
spec: {hosts: [refused.com], unknown: 1}
"""
SLOW = """\
---
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: slow, namespace: shop}
spec:
  hosts: [slow.com]
  authorization:
    sometimes:
      patternMatching: {patterns: [{predicate: "timestamp('2026-01-01T00:00:00Z') != null"}]}
"""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    path = tmp_path / "a.yaml"
    path.write_text(MANIFESTS)
    return path


def told(manifests: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["explain", "--manifests", str(manifests), "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_evaluator_is_told_in_its_order(
    manifests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "--header", "Authorization: Bearer alice-key"
    found = told(manifests, capsys, "--host", "toys.com", "--path", "/gold", *key)
    assert (found["auth_config"], found["lane"], found["skipped"]) == ("shop/toys", "fast", False)
    steps = [(s["phase"], s["name"], s["kind"], s["outcome"]) for s in found["steps"]]
    assert steps == [
        ("authentication", "keys", "IDENTITY_APIKEY", "succeeded"),
        ("authorization", "gold", "AUTHORIZATION_JSON", "succeeded"),
        ("response", "x-user", "RESPONSE_PLAIN", "succeeded"),
        ("response", "who", "RESPONSE_JSON", "succeeded"),
    ]
    assert found["steps"][0]["result"]["data"] == {"api_key": "***"}
    assert found["steps"][2]["result"] == "alice"
    assert {step["lane"] for step in found["steps"]} == {"fast"}
    assert all(step["microseconds"] >= 0 for step in found["steps"])
    assert found["microseconds"] >= found["steps"][-1]["began"] >= 0
    assert found["answer"] == {
        "allowed": True,
        "code": "OK",
        "status": 200,
        "headers": [["x-user", "alice"]],
        "body": "",
        "metadata": {"who": {"name": "alice"}},
    }
    assert "alice-key" not in json.dumps(found)


def test_refusal_is_told_with_its_reason(
    manifests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(manifests, capsys, "--host", "toys.com", "--path", "/gold")
    outcomes = [(step["name"], step["outcome"], step.get("reason")) for step in found["steps"]]
    assert outcomes == [
        ("keys", "denied", "credential not found"),
        ("open", "succeeded", None),
        ("gold", "denied", "Unauthorized"),
    ]
    assert found["answer"]["allowed"] is False
    assert found["answer"]["headers"] == [["X-Ext-Auth-Reason", "Unauthorized"]]


@pytest.mark.parametrize(
    ("host", "auth_config", "status", "skipped"),
    [
        ("other.com", None, 404, False),
        ("skipping.com", "shop/skipping", 200, True),
        ("refused.com", None, 503, False),
    ],
)
def test_requests_without_a_decision(
    manifests: Path,
    capsys: pytest.CaptureFixture[str],
    host: str,
    auth_config: str | None,
    status: int,
    skipped: bool,
) -> None:
    found = told(manifests, capsys, "--host", host)
    assert (found["auth_config"], found["answer"]["status"]) == (auth_config, status)
    assert (found["skipped"], found["steps"]) == (skipped, [])
    (problem,) = found["problems"]
    assert problem.startswith(f"{manifests}:32: spec.unknown: ")


def test_full_lane_is_told_with_its_reason(
    manifests: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifests.write_text(MANIFESTS + SLOW)
    found = told(manifests, capsys, "--host", "slow.com")
    assert found["lane"].startswith("fast until 'sometimes': ")
    lanes = [step["lane"].partition(":")[0] for step in found["steps"]]
    assert lanes == ["fast", "full"]


def test_table_is_for_people(manifests: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--manifests", str(manifests), "--host", "toys.com"
    assert main(["explain", *arguments, "--header", "Authorization: Bearer alice-key"]) == 0
    out = capsys.readouterr().out
    assert "AuthConfig: shop/toys" in out
    assert "its `when` does not hold" in out
    assert "answer:     200 OK, after " in out
    assert "spec.unknown" in out
    assert "alice-key" not in out


def test_unreadable_manifests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--manifests", str(tmp_path / "nowhere"), "--host", "a"]) == 1
    assert "cannot be read" in capsys.readouterr().err


CALLING = """\
apiVersion: authorino.kuadrant.io/v1beta3
kind: AuthConfig
metadata: {name: calling, namespace: shop}
spec:
  hosts: [calling.com]
  metadata:
    country: {http: {url: "BACKEND/country"}}
    away: {http: {url: "BACKEND/away"}, when: [{predicate: "false"}]}
  callbacks:
    tell: {http: {url: "BACKEND/callback", method: POST}}
"""


async def test_sources_are_asked_and_callbacks_are_not_sent(tmp_path: Path) -> None:
    async with http_backend() as backend:
        backend.says("/country", {"code": "GB", "token": "secret"})
        place = tmp_path / "a.yaml"
        place.write_text(CALLING.replace("BACKEND", backend.url.rstrip("/")))
        settings = parse(["--manifests", str(place), "--host", "calling.com"], {})
        request = check_request_of(settings)
        found = await explain(settings.manifests, request, 10, settings.outgoing)
        seen = [call.target for call in backend.seen]
    assert seen == ["/country"]
    view = json_view(found)
    steps = {step["name"]: step for step in view["steps"]}
    assert steps["country"]["result"] == {"code": "GB", "token": "***"}
    assert (steps["away"]["outcome"], steps["tell"]["outcome"]) == ("ignored", "ignored")
    assert steps["tell"]["reason"] == "dry run"
    assert view["lane"].startswith("full: ")
