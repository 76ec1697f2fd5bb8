"""Reading AuthConfig documents: what is taken in, and how faults are told."""

from typing import Any

import pytest

from _fastpath.rule_spec import Place, Target
from authz.config import AuthConfig
from authz.errors import InvalidAuthConfig
from authz.evaluators.anonymous import Anonymous
from authz.evaluators.api_key import ApiKey
from authz.extensions import ANNOTATION
from authz.reading import read_auth_config, read_hosts


def read(**spec: Any) -> AuthConfig:
    return read_auth_config("shop", "toys", {"spec": {"hosts": ["a.com"], **spec}})


def faults(**spec: Any) -> list[str]:
    with pytest.raises(InvalidAuthConfig) as caught:
        read(**spec)
    return [str(fault) for fault in caught.value.faults]


KEY = {"apiKey": {"selector": {"matchLabels": {"app": "toys"}}}}


def test_empty_authentication_is_one_anonymous_entry() -> None:
    (entry,) = read().authentication
    assert entry.spec == Anonymous()
    assert entry.challenge == "Bearer"


@pytest.mark.parametrize(
    ("credentials", "place", "name", "challenge"),
    [
        ({}, Place.AUTHORIZATION_HEADER, "Bearer", "Bearer"),
        ({"authorizationHeader": {}}, Place.AUTHORIZATION_HEADER, "Bearer", "Bearer"),
        ({"authorizationHeader": {"prefix": "K"}}, Place.AUTHORIZATION_HEADER, "K", "K"),
        ({"customHeader": {"name": "X-Key"}}, Place.CUSTOM_HEADER, "x-key", "X-Key"),
        ({"queryString": {"name": "k"}}, Place.QUERY_STRING, "k", "k"),
        ({"cookie": {"name": "K"}}, Place.COOKIE, "K", "K"),
    ],
)
def test_credential_place_gives_name_and_challenge(
    credentials: dict[str, Any], place: Place, name: str, challenge: str
) -> None:
    (entry,) = read(authentication={"keys": {**KEY, "credentials": credentials}}).authentication
    assert (entry.credential.place, entry.credential.name) == (place, name)
    assert entry.challenge == challenge


def test_api_key_selector_reads_labels_and_expressions() -> None:
    selector = {
        "matchLabels": {"app": "toys"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["gold"]},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }
    (entry,) = read(authentication={"k": {"apiKey": {"selector": selector}}}).authentication
    assert isinstance(entry.spec, ApiKey)
    matches = entry.spec.selector.matches
    assert matches({"app": "toys", "tier": "gold"})
    assert not matches({"app": "toys", "tier": "gold", "old": ""})
    assert not matches({"app": "toys"})


def test_success_items_keep_order_and_key() -> None:
    config = read(
        response={
            "success": {
                "headers": {"x-b": {"plain": {"value": "1"}}, "x-a": {"json": {"properties": {}}}},
                "dynamicMetadata": {"m": {"key": "other", "plain": {"value": 1}}},
            }
        }
    )
    assert [(item.name, item.key) for item in config.success] == [
        ("x-b", "x-b"),
        ("x-a", "x-a"),
        ("m", "other"),
    ]
    assert config.success[2].target is Target.DYNAMIC_METADATA


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"hosts": []}, "spec.hosts: expected at least one host"),
        ({"hosts": "a.com"}, "spec.hosts: expected a list, got a string"),
        ({"authentification": {}}, "spec.authentification: is not a field here"),
        (
            {"authentication": {"j": {"saml": {}}}},
            "authentication.j.saml: is not a field here",
        ),
        (
            {"authentication": {"j": {**KEY, "anonymous": {}}}},
            "spec.authentication.j: expected exactly one of",
        ),
        ({"authentication": {"j": {}}}, "spec.authentication.j: expected exactly one of apiKey"),
        (
            {"authentication": {"j": {**KEY, "cache": {"ttl": -1}}}},
            "spec.authentication.j.cache.ttl: expected no negative number",
        ),
        (
            {"authentication": {"j": {**KEY, "priority": "1"}}},
            "spec.authentication.j.priority: expected an integer, got a string",
        ),
        (
            {"authentication": {"j": {"apiKey": {}}}},
            "spec.authentication.j.apiKey.selector: is required",
        ),
        ({"when": [{"patternRef": "x"}]}, "'x' is not defined in spec.patterns"),
        ({"when": [{"selector": "request.path"}]}, "spec.when[0].operator: is required"),
        ({"when": [{}]}, "spec.when[0]: expected a pattern"),
        ({"when": [{"predicate": "request.path =="}]}, "spec.when[0].predicate: Syntax error"),
        ({"when": [{"predicate": "'a'"}]}, "spec.when[0].predicate: expected an expression that"),
        ({"when": [{"predicate": "auth"}]}, "spec.when[0].predicate: expected an expression that"),
        ({"when": [{"predicate": "foo"}]}, "spec.when[0].predicate: undeclared reference"),
        (
            {"response": {"unauthorized": {"code": 200}}},
            "spec.response.unauthorized.code: expected an HTTP status from 300 to 599",
        ),
        (
            {"response": {"unauthorized": {"headers": {"a b": {"value": "1"}}}}},
            "'a b' is not a header name",
        ),
        (
            {"response": {"success": {"headers": {"x": {"plain": {"selector": "a.[b"}}}}}},
            "spec.response.success.headers.x.plain.selector",
        ),
    ],
)
def test_fault_names_its_field(spec: dict[str, Any], said: str) -> None:
    assert any(fault.startswith(said) or said in fault for fault in faults(**spec))


def test_all_faults_are_told_at_once() -> None:
    assert len(faults(hosts=[], authentification={}, when=[{"patternRef": "x"}])) == 3


@pytest.mark.parametrize("document", [{}, {"spec": 1}, {"spec": {"hosts": 2}}])
def test_hosts_of_a_broken_document_are_none(document: dict[str, Any]) -> None:
    assert read_hosts(document) == ()


def extended(annotation: str, **spec: Any) -> AuthConfig:
    document = {
        "metadata": {"annotations": {ANNOTATION: annotation}},
        "spec": {"hosts": ["a.com"], "authentication": {"k": KEY}, **spec},
    }
    return read_auth_config("shop", "toys", document)


def test_annotation_gives_entries_more_options() -> None:
    config = extended("{conditionErrors: skip, authentication: {k: {deadline: 250}}}")
    assert config.skip_failed_conditions
    assert config.authentication[0].deadline_s == 0.25


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ("[1]", "expected a mapping"),
        ("{", "expected YAML"),
        ("a: &a [1]\nb: *a", "aliases are not taken here"),
        ("x" * 70_000, "expected at most 65536 bytes"),
        ("conditionErrors: maybe", "expected one of deny, skip"),
        ("responses: {}", "is not a field here"),
        ("authentication: {nobody: {}}", "there is no entry of this name"),
        ("authentication: {k: {deadlin: 1}}", "is not a field here"),
        ("authentication: {k: {deadline: -1}}", "expected no negative number"),
        ("authentication: {k: {failureTtl: 3}}", "needs `cache`"),
        ("authentication: {k: {deadline: {a: 1}}}", "expected an integer"),
    ],
)
def test_fault_of_the_annotation_names_its_place(annotation: str, said: str) -> None:
    with pytest.raises(InvalidAuthConfig) as caught:
        extended(annotation)
    told = list(map(str, caught.value.faults))
    assert all(fault.startswith(f"metadata.annotations[{ANNOTATION!r}]") for fault in told)
    assert any(said in fault for fault in told), told


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**400])
def test_integers_have_64_bits(number: int) -> None:
    entries = {
        "idp": {"jwt": {"issuerUrl": "http://a", "timeout": number, "ttl": number}},
        "any": {"anonymous": {}, "priority": number},
    }
    found = faults(authentication=entries)
    assert len(found) == 3
    assert all("expected an integer of 64 bits" in fault for fault in found)
