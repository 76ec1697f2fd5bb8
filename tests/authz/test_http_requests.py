"""From HTTP to CheckRequest and back: what a proxy tells, and what a client could tell in its
place."""

import json
from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.check_codec import decode_check_request, encode_check_response
from _fastpath.rpc import Status
from authz.http.admission import review_answer, review_uid
from authz.http.answer import http_answer_of
from authz.http.forwarded import ForwardingFault
from authz.http.request import HttpRequest, check_request_of

TRAEFIK = {
    "x-forwarded-method": "PUT",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "toys.com:8443",
    "x-forwarded-uri": "/a%20b?c=d",
    "x-forwarded-for": "203.0.113.9, 198.51.100.7",
}
NGINX = {"x-original-method": "DELETE", "x-original-uri": "/x?y"}
INGRESS_NGINX = {"x-original-method": "POST", "x-original-url": "https://toys.com/p?q=r"}
REVIEW = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u"}}


def asked(
    target: str = "/check", headers: dict[str, str] | None = None, body: bytes = b"", **more: Any
) -> Any:
    """The http part of the CheckRequest that a request makes."""
    request = HttpRequest(
        **{"method": "GET", "host": "auth", "protocol": "HTTP/1.1", **more},
        target=target,
        headers=tuple((headers or {}).items()),
        body=body,
    )
    return external_auth_pb2.CheckRequest.FromString(check_request_of(request)).attributes


def fields(attributes: Any) -> tuple[str, ...]:
    http = attributes.request.http
    return http.method, http.scheme, http.host, http.path


def test_the_request_itself_is_asked_about_without_a_proxy() -> None:
    http = asked("/check?b=2&a=%31&b=1", method="POST", host="toys.com", body=b"x").request.http
    assert (http.method, http.host, http.path, http.body) == ("POST", "toys.com", "/check", "x")
    assert (http.query, http.protocol, http.scheme) == ("a=1&b=2&b=1", "HTTP/1.1", "")


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/check/x-forwarded", TRAEFIK, ("PUT", "https", "toys.com:8443", "/a%20b?c=d")),
        ("/check/x-original", NGINX, ("DELETE", "", "auth", "/x?y")),
        ("/check/x-original", INGRESS_NGINX, ("POST", "https", "toys.com", "/p?q=r")),
        ("/check", TRAEFIK | NGINX, ("GET", "", "auth", "/check")),
    ],
)
def test_forwarded_request_is_asked_about(
    path: str, headers: dict[str, str], expected: tuple[str, ...]
) -> None:
    attributes = asked(path, headers)
    assert fields(attributes) == expected
    assert dict(attributes.request.http.headers) == headers


def test_source_is_whom_the_proxy_saw() -> None:
    attributes = asked("/check/x-forwarded", TRAEFIK)
    assert attributes.source.address.socket_address.address == "198.51.100.7"
    assert not asked("/check", TRAEFIK).HasField("source")


@pytest.mark.parametrize(
    ("path", "headers", "named"),
    [
        ("/check/x-forwarded", TRAEFIK | {"x-forwarded-uri": ""}, "x-forwarded-uri"),
        ("/check/x-forwarded", TRAEFIK | {"x-forwarded-uri": "http://h/x"}, "x-forwarded-uri"),
        ("/check/x-forwarded", {**NGINX}, "x-forwarded-method"),
        ("/check/x-original", {**TRAEFIK}, "x-original-method"),
        ("/check/x-original", {"x-original-method": "GET"}, "x-original-uri"),
        ("/check/x-original", NGINX | {"x-original-url": "http://h/x"}, "X-Original-URI"),
        ("/check/x-original", INGRESS_NGINX | {"x-original-url": "http://h@x/"}, "X-Original-URL"),
        ("/check/x-original", INGRESS_NGINX | {"x-original-url": "http://h?x/"}, "X-Original-URL"),
        ("/check/x-original", INGRESS_NGINX | {"x-original-url": "//h/x"}, "X-Original-URL"),
    ],
)
def test_missing_and_ambiguous_headers_are_refused(
    path: str, headers: dict[str, str], named: str
) -> None:
    with pytest.raises(ForwardingFault, match=named) as caught:
        asked(path, headers)
    assert "http://" not in str(caught.value)


def test_header_that_a_client_sent_beside_the_proxy_is_refused() -> None:
    headers = (*TRAEFIK.items(), ("x-forwarded-host", "public.toys.com"))
    request = HttpRequest("GET", "/check/x-forwarded", "auth", "HTTP/1.1", headers)
    with pytest.raises(ForwardingFault, match="exactly one"):
        check_request_of(request)


wire = st.binary(max_size=12).map(lambda data: data.decode("utf-8", "surrogateescape"))
names = st.sampled_from([*TRAEFIK, *NGINX, *INGRESS_NGINX, "x-a"])
targets = st.sampled_from(["/check", "/check/x-forwarded", "/check/x-original"])


@given(targets, wire, wire, wire, st.lists(st.tuples(names, wire), max_size=8), st.binary())
def test_anything_makes_a_request_or_a_fault(
    path: str, query: str, method: str, host: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    request = HttpRequest(method, f"{path}?{query}", host, "HTTP/1.1", tuple(headers), body)
    review_uid(request)
    try:
        data = check_request_of(request)
    except ForwardingFault:
        assert path != "/check"
        return
    decode_check_request(data, 1, 1).attributes()
    asked = external_auth_pb2.CheckRequest.FromString(data).attributes.request.http
    assert asked.path.startswith("/")
    if path == "/check":
        assert asked.path == "/check"


def test_bytes_that_are_no_text_are_kept_apart() -> None:
    request = HttpRequest(
        "GET", "/check", "auth", "HTTP/1.1", (("x-a", "1"), ("x-a", "\udcff")), b"\xff\x00"
    )
    http = external_auth_pb2.CheckRequest.FromString(
        check_request_of(request)
    ).attributes.request.http
    assert (http.body, http.raw_body) == ("", b"\xff\x00")
    assert dict(http.headers) == {"x-a": "1 \ufffd"}


def test_answers_keep_repeated_headers_and_lose_those_that_frame() -> None:
    response = encode_check_response(
        Status.UNAUTHENTICATED,
        http_status=302,
        headers=[("WWW-Authenticate", "a"), ("www-authenticate", "b"), ("Content-Length", "7")],
        reason="why",
        body="go",
    )
    answer = http_answer_of(response)
    assert (answer.status, answer.body, answer.reason) == (302, "go", "why")
    assert answer.headers == (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("WWW-Authenticate", "a"),
        ("www-authenticate", "b"),
        ("X-Ext-Auth-Reason", "why"),
    )


def test_denial_is_never_a_success() -> None:
    answer = http_answer_of(encode_check_response(Status.PERMISSION_DENIED, http_status=200))
    assert answer.status == 403
    assert http_answer_of(encode_check_response(Status.CANCELLED)).status == 503


def review(body: object, path: str = "/check", **headers: str) -> str | None:
    found = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return review_uid(HttpRequest("POST", path, "auth", "HTTP/1.1", found, text))


def test_review_is_told_by_version_kind_and_request() -> None:
    assert review(REVIEW) == "u"
    assert review(REVIEW | {"apiVersion": "admission.k8s.io/v1beta1"}) is None
    assert review({**REVIEW, "kind": "ConversionReview"}) is None
    assert review({**REVIEW, "request": None}) is None
    assert review({**REVIEW, "request": {"uid": 1}}) is None
    assert review(b"\xff{") is None
    assert review(b"[" * 8192) is None
    assert review(b'{"a":' * 1600) is None


@pytest.mark.parametrize(
    "mark", ["x_forwarded_for", "x_original_uri", "x_real_ip", "forwarded", "via"]
)
def test_review_behind_a_proxy_is_a_request_like_any_other(mark: str) -> None:
    """Its denial would be HTTP 200, which lets a proxy's client choose its own answer."""
    assert review(REVIEW, **{mark: "x"}) is None
    assert review(REVIEW, "/check/x-forwarded") is None


def test_review_is_answered_with_its_uid() -> None:
    denied = http_answer_of(
        encode_check_response(Status.PERMISSION_DENIED, http_status=409, reason="go away")
    )
    answer = review_answer("u", denied)
    assert (answer.status, answer.headers) == (200, (("Content-Type", "application/json"),))
    assert json.loads(answer.body)["response"] == {
        "uid": "u",
        "allowed": False,
        "status": {"metadata": {}, "message": "go away", "code": 403},
    }
    allowed = review_answer("u", http_answer_of(encode_check_response(Status.OK)))
    assert json.loads(allowed.body)["response"] == {"uid": "u", "allowed": True}
