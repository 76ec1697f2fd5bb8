"""Requests signed with an API key (RFC 9421, HMAC): what is covered, when, by whom."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from envoy.service.auth.v3.external_auth_pb2 import CheckRequest
from hypothesis import given
from hypothesis import strategies as st

from authz.signatures.base import component, signature_base
from authz.signatures.fields import read_inputs, read_signatures
from tests.authz.lanes import NOW, Lanes, check_request

NOW_S = NOW // 10**9
COVERED = '("@method" "@authority" "@path" "@query")'
INVALID = "the signature is invalid"
SECRET = "c2VjcmV0LWtleQ"


class Gate:
    """An AuthConfig that lets signed requests in; alice's key is `SECRET`."""

    def __init__(self, api_key: dict[str, Any] | None = None, **signature: Any) -> None:
        self.lanes = Lanes()
        options = {"signature": signature or None, "keyNames": ["api_key", "old"]}
        if not signature:
            options["signature"] = {"maxAge": 300}
        extensions = json.dumps({"authentication": {"signed": options}})
        method = {"selector": {"matchLabels": {"app": "toys"}}, **(api_key or {})}
        who = {"plain": {"selector": "auth.identity.metadata.name"}}
        document = {
            "metadata": {"annotations": {"tollhouse.io/extensions": extensions}},
            "spec": {
                "hosts": ["toys.com"],
                "authentication": {
                    "signed": {"apiKey": method, "cache": {"key": {"value": "same"}}}
                },
                "response": {"success": {"headers": {"x-who": who}}},
            },
        }
        faults = self.lanes.configuration.put_auth_config("shop", "toys", document)
        self.faults = [str(fault) for fault in faults]
        self.lanes.publish()
        self.secret("alice", api_key=SECRET)

    def secret(self, name: str, namespace: str = "shop", **data: str) -> None:
        metadata = {"name": name, "labels": {"app": "toys"}}
        document = {"metadata": metadata, "stringData": data}
        assert self.lanes.configuration.put_secret(namespace, name, document) is None

    def ask(self, request: CheckRequest) -> str:
        answer = self.lanes.ask(request)
        if answer.code:
            assert ("WWW-Authenticate", 'Signature realm="signed"') in answer.headers
        return str(dict(answer.headers).get("x-who") or answer.reason)


def signed(
    covered: str = COVERED,
    *,
    key: str = SECRET,
    keyid: str = "alice",
    created: int | None = NOW_S,
    more: str = "",
    method: str = "POST",
    path: str = "/toys?a=b",
    change: Callable[[CheckRequest], None] = lambda request: None,
    **headers: str,
) -> CheckRequest:
    """A request signed by `key`; `change` happens on the way, after it was signed."""
    request = check_request(path, "toys.com", method, **headers)
    request.attributes.request.http.body = headers.get("body", "")
    when = "" if created is None else f";created={created}"
    parameters = f'{covered}{when};keyid="{keyid}"{more}'
    http = request.attributes.request.http
    parts = {
        "@method": http.method, "@authority": http.host, "@path": http.path.partition("?")[0],
        "@query": "?" + http.path.partition("?")[2], **http.headers,
    }  # fmt: skip
    names = [name.strip('"') for name in covered.strip("()").split()]
    lines = [f'"{name}": {parts[name]}' for name in names]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    signature = hmac.digest(key.encode(), base.encode(), "sha256")
    http.headers["signature-input"] = f"sig1={parameters}"
    http.headers["signature"] = f"sig1=:{base64.b64encode(signature).decode()}:"
    change(request)
    return request


def test_signed_request_is_let_in_as_the_owner_of_the_key() -> None:
    gate = Gate()
    assert gate.ask(signed()) == "alice"
    assert gate.ask(signed(more=';alg="hmac-sha256";nonce="x";tag="y"')) == "alice"
    assert gate.ask(check_request(host="toys.com")) == "credential not found"


def _path(request: CheckRequest) -> None:
    request.attributes.request.http.path = "/toys?a=c"


def _method(request: CheckRequest) -> None:
    request.attributes.request.http.method = "DELETE"


def _signature(request: CheckRequest) -> None:
    request.attributes.request.http.headers["signature"] = "sig1=:AAAA:"


def _label(request: CheckRequest) -> None:
    headers = request.attributes.request.http.headers
    headers["signature"] = headers["signature"].replace("sig1", "sig2")


def _created(request: CheckRequest) -> None:
    headers = request.attributes.request.http.headers
    headers["signature-input"] = headers["signature-input"].replace(str(NOW_S), str(NOW_S + 1))


def _uncovered(request: CheckRequest) -> None:
    headers = request.attributes.request.http.headers
    headers["signature-input"] = headers["signature-input"].replace(' "@query"', "")


@pytest.mark.parametrize("change", [_path, _method, _signature, _label, _created, _uncovered])
def test_whatever_is_changed_on_the_way_is_noticed(change: Callable[[CheckRequest], None]) -> None:
    assert Gate().ask(signed(change=change)) == INVALID


def test_only_keys_of_selected_secrets_sign() -> None:
    gate = Gate()
    assert gate.ask(signed(key="other")) == INVALID
    assert gate.ask(signed(key="", keyid="nobody")) == INVALID
    assert gate.ask(signed(key=SECRET, keyid="bob")) == INVALID
    assert gate.ask(signed(more=';alg="hmac-sha512"')) == INVALID
    gate.secret("bob", api_key="kb")
    assert gate.ask(signed(key="kb", keyid="bob")) == "bob"
    gate.secret("carol", namespace="elsewhere", api_key="kc")
    for keyid in ("carol", "elsewhere/carol"):
        assert gate.ask(signed(key="kc", keyid=keyid)) == INVALID
    digest = hashlib.sha256(b"kd").hexdigest()
    gate.secret("dora", api_key_sha256=digest)
    for key in ("kd", digest, ""):
        assert gate.ask(signed(key=key, keyid="dora")) == INVALID
    gate.lanes.configuration.remove_secret("shop", "alice")
    assert gate.ask(signed()) == INVALID


def test_key_id_names_the_namespace_with_all_namespaces() -> None:
    gate = Gate({"allNamespaces": True})
    gate.secret("carol", namespace="elsewhere", api_key="kc")
    assert gate.ask(signed(key="kc", keyid="elsewhere/carol")) == "carol"
    assert gate.ask(signed(keyid="shop/alice")) == "alice"
    assert gate.ask(signed(keyid="alice")) == INVALID


def test_either_key_signs_while_one_replaces_the_other() -> None:
    gate = Gate()
    gate.secret("alice", api_key="new", old=SECRET)
    assert gate.ask(signed()) == gate.ask(signed(key="new")) == "alice"
    gate.secret("alice", api_key="new")
    assert gate.ask(signed()) == INVALID


@pytest.mark.parametrize(
    ("created", "more", "expected"),
    [
        (NOW_S - 299, "", "alice"),
        (NOW_S - 300, "", "the signature has expired"),
        (NOW_S + 30, "", "alice"),
        (NOW_S + 31, "", "the signature was created in the future"),
        (NOW_S, f";expires={NOW_S + 1}", "alice"),
        (NOW_S, f";expires={NOW_S}", "the signature has expired"),
        (NOW_S, ';expires="x"', "the signature does not say when it was created"),
        (None, "", "the signature does not say when it was created"),
        (None, ';created="x"', "the signature does not say when it was created"),
    ],
)
def test_signature_counts_for_a_while(created: int | None, more: str, expected: str) -> None:
    assert Gate().ask(signed(created=created, more=more)) == expected


def test_what_has_to_be_covered_is_the_authors_choice() -> None:
    assert Gate().ask(signed('("@method" "@path" "@query")')) == (
        "the signature does not cover @authority"
    )
    assert (
        Gate(components=["@method", "date"]).ask(signed('("@method" "date")', date="x")) == "alice"
    )
    gate = Gate(components=["@method"])
    assert gate.ask(signed('("@method" "x-tenant")', x_tenant="a")) == "alice"
    for unknown in ("@query-param", "@status", "missing"):
        parameters = f'("@method" "{unknown}");created={NOW_S};keyid="alice"'
        request = check_request(
            "/", "toys.com", signature_input=f"a={parameters}", signature="a=:AA==:"
        )
        assert gate.ask(request) == INVALID


def _body(request: CheckRequest) -> None:
    request.attributes.request.http.body = "tampered"


def test_body_is_compared_with_its_digest_when_asked_for() -> None:
    gate = Gate(body=True)
    covered = f'{COVERED[:-1]} "content-digest")'
    sha256 = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    sha512 = base64.b64encode(hashlib.sha512(b"hello").digest()).decode()
    wrong = "the body is not the one that was signed"
    for digest, expected in (
        (f"sha-256=:{sha256}:", "alice"),
        (f"sha-512=:{sha512}:", "alice"),
        (f"md5=:AAAA:, sha-256=:{sha256}:", "alice"),
        (f"sha-256=:{sha256}:, sha-512=:{sha256}:", wrong),
        (f"sha-256=:{sha256[:-2]}:", wrong),
        ("md5=:XUFAKrxLKna5cZ2REBfFkg==:", wrong),
        ("", wrong),
    ):
        assert gate.ask(signed(covered, content_digest=digest, body="hello")) == expected
    digest = f"sha-256=:{sha256}:"
    changed = signed(covered, content_digest=digest, body="hello", change=_body)
    assert gate.ask(changed) == wrong
    assert gate.ask(signed(body="hello")) == "the signature does not cover content-digest"


def test_one_valid_signature_of_several_is_enough() -> None:
    def add(request: CheckRequest) -> None:
        headers = request.attributes.request.http.headers
        other = f'proxy=("@method");created={NOW_S};keyid="proxy"'
        headers["signature-input"] = f"{other}, {headers['signature-input']}"
        headers["signature"] = f"proxy=:AAAA:,{headers['signature']}"

    assert Gate().ask(signed(change=add)) == "alice"


@pytest.mark.parametrize(
    ("signature", "fault"),
    [
        ({"components": ["@status"]}, "components[0]: expected a header in lower case or one of"),
        ({"components": ["Date"]}, "components[0]: expected a header in lower case"),
        ({"maxAge": 0}, "maxAge: expected 1 to 86400 seconds"),
        ({"body": "yes"}, "body: expected true or false"),
        ({"key": "x"}, "key: is not a field here"),
    ],
)
def test_wrong_options_are_faults(signature: dict[str, Any], fault: str) -> None:
    [found, *_] = Gate(**signature).faults
    prefix = "metadata.annotations['tollhouse.io/extensions'].authentication.signed.signature."
    assert found.startswith(prefix + fault)


# ---- the fields


def test_example_of_the_standard() -> None:
    """RFC 9421, appendix B.2.5."""
    field = (
        'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    )
    headers = {"date": "Tue, 20 Apr 2021 02:07:55 GMT", "content-type": "application/json"}
    request = {"host": "example.com", "scheme": "https", "headers": headers}
    key = base64.b64decode(
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
    )
    expected = read_signatures("sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:")
    base = signature_base(read_inputs(field)["sig-b25"], request)
    assert hmac.digest(key, base, "sha256") == expected["sig-b25"]


def test_parameters_are_signed_as_the_standard_writes_them() -> None:
    field = r'a=( "@method"  "date" ); created=5;x;y=?0;z=?1;keyid="q\"\\";n=-1 , b=()'
    found = read_inputs(field)
    assert found["a"].text == r'("@method" "date");created=5;x;y=?0;z;keyid="q\"\\";n=-1'
    assert found["a"].parameters["keyid"] == 'q"\\'
    assert found["b"].text == "()"


@pytest.mark.parametrize(
    "field",
    [
        "", "a", "a=", "a=(", 'a=("x"', "a=x", 'a=("x""y")', 'a=("x" "x")', 'a=("x";sf)',
        'a=("x");b=1;b=2', 'a=("x"), a=("y")', 'a=("x"),', 'a=("x") b=("y")', 'a=("é")',
        'a=("x\ny")', 'a=("x");c=1.5', 'a=("x");c=1e3', 'a=("x");c=' + "9" * 16, "A=()",
        'a=("x");c=:AA==:', "a=(" + " ".join(f'"h{n}"' for n in range(65)) + ")",
        ", ".join(f"k{n}=()" for n in range(5)), "a=()" + "".join(f";p{n}" for n in range(17)),
        "a=(" + " " * 9000 + ")",
    ],
)  # fmt: skip
def test_field_that_is_not_quite_right_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_inputs(field)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("@method", "GET"), ("@authority", "a.test:8080"), ("@scheme", "https"),
        ("@path", "/x%2Fy"), ("@query", "?q=1?2"), ("@request-target", "/x%2Fy?q=1?2"),
        ("@target-uri", "https://a.test:8080/x%2Fy?q=1?2"), ("host", "A.test:8080"),
        ("x-spaced", "a  b"),
    ],
)  # fmt: skip
def test_components_of_a_request(name: str, expected: str) -> None:
    request = {
        "method": "GET", "host": "A.test:8080", "scheme": "https", "path": "/x%2Fy?q=1?2",
        "headers": {"x-spaced": " a  b\t"},
    }  # fmt: skip
    assert component(name, request) == expected


@pytest.mark.parametrize(
    ("scheme", "host", "expected"),
    [
        ("http", "a:80", "a"), ("https", "a:443", "a"), ("http", "a:443", "a:443"), ("", "a:", "a"),
        ("https", "[::1]:443", "[::1]"),
    ],
)  # fmt: skip
def test_default_port_is_no_part_of_the_authority(scheme: str, host: str, expected: str) -> None:
    assert component("@authority", {"host": host, "scheme": scheme}) == expected


def test_empty_path_and_query_have_a_form() -> None:
    assert (component("@path", {}), component("@query", {})) == ("/", "?")


def test_line_break_in_a_header_cannot_add_a_line() -> None:
    covered = read_inputs('a=("x")')["a"]
    with pytest.raises(ValueError, match="line break"):
        signature_base(covered, {"headers": {"x": 'v\n"@method": GET'}})


@given(st.text(max_size=60) | st.text(alphabet='ab=()";,:?01 @\\x', max_size=60))
def test_no_field_does_worse_than_be_refused(text: str) -> None:
    for read in (read_inputs, read_signatures):
        try:
            read(text)
        except ValueError:
            continue
