"""`request.url_path`, `query` and `grpc` as Go's net/url and Authorino give them."""

from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import given
from hypothesis import strategies as st

from _fastpath.check_codec import decode_check_request


def parts(path: str, content_type: str = "") -> dict[str, Any]:
    message = external_auth_pb2.CheckRequest()
    message.attributes.request.http.path = path
    if content_type:
        message.attributes.request.http.headers["content-type"] = content_type
    request: Any = decode_check_request(message.SerializeToString(), 1, 2).attributes()["request"]
    return {name: request[name] for name in ("url_path", "query", "grpc") if name in request}


@pytest.mark.parametrize(
    ("path", "url_path", "query"),
    [
        ("/", "/", None),
        ("", None, None),
        ("*", "*", None),
        ("/a?b=c", "/a", "b=c"),
        ("/a?", "/a", None),
        ("/a??b?c", "/a", "?b?c"),
        ("/a#b?c", "/a", None),
        ("?x=1", None, "x=1"),
        ("#f", None, None),
        ("/a%20b%2Fc/%C3%A4?x=%26&y", "/a b/c/ä", "x=%26&y"),
        ("/a%2fb/%2e%2e/c", "/a/b/../c", None),
        ("/a%00b", "/a\0b", None),
        ("/a+b?c+d=e+f", "/a+b", "c+d=e+f"),
        ("/ä/日本?ü=ö", "/ä/日本", "ü=ö"),
        ("/a;x=1/b?b;c=d", "/a;x=1/b", "b;c=d"),
        ("//h.rec.test/x?y", "/x", "y"),
        ("//u:p@h.rec.test/x", "/x", None),
        ("//host", None, None),
        ("///x", "///x", None),
        ("http://h.rec.test/p?q", "/p", "q"),
        ("http:///p", "/p", None),
        ("a/b?c", "a/b", "c"),
        ("a:b", None, None),
        ("a:b?c", None, "c"),
        ("h.rec.test:80", None, None),
        # What net/url refuses is cut and left as it stands.
        ("/%zz?a", "/%zz", "a"),
        ("/a%2", "/a%2", None),
        ("/a\x01b?c#d", "/a\x01b", "c"),
        ("/a\x7f", "/a\x7f", None),
        ("/a#%zz", "/a", None),
        (":a", ":a", None),
        ("1a:b?c", "1a:b", "c"),
        # Bytes that are no UTF-8, as Go's JSON encoder writes them.
        ("/%ff%C3%A4%c3", "/\ufffdä\ufffd", None),
    ],
)
def test_path_is_split(path: str, url_path: str | None, query: str | None) -> None:
    expected = {"url_path": url_path, "query": query}
    assert parts(path) == {name: text for name, text in expected.items() if text is not None}


@pytest.mark.parametrize(
    ("path", "content_type", "grpc"),
    [
        ("/pkg.Svc/Method", "application/grpc", ("pkg.Svc", "Method")),
        ("/pkg.Svc/Method", "application/grpc+proto", ("pkg.Svc", "Method")),
        ("/pkg.Svc/Method?x", "application/grpc", ("pkg.Svc", "Method")),
        ("/pkg.Svc/Method", "application/json", None),
        ("/pkg.Svc/Method", "", None),
        ("/a/b/c", "application/grpc", None),
        ("/a", "application/grpc", None),
        ("/", "application/grpc", None),
        ("", "application/grpc", None),
        ("//b", "application/grpc", None),
        ("/a/", "application/grpc", None),
        ("a/b", "application/grpc", None),
    ],
)
def test_grpc_call_is_named(path: str, content_type: str, grpc: tuple[str, str] | None) -> None:
    expected = None if grpc is None else {"service": grpc[0], "method": grpc[1]}
    assert parts(path, content_type).get("grpc") == expected


@given(st.text(alphabet="/?#%:a0*\x01é+", max_size=12))
def test_every_text_is_split_without_inventing_any(path: str) -> None:
    split = parts(path)
    assert split.get("query", "") in path
    if "%" not in path:
        assert split.get("url_path", "") in path
