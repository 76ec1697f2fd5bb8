"""The command line of `tollhouse explain`, and the CheckRequest that it makes."""

from pathlib import Path

import pytest
from envoy.service.auth.v3 import external_auth_pb2

from tollhouse import cli
from tollhouse.errors import StartError, UsageError
from tollhouse.explain_flags import ExplainSettings, parse
from tollhouse.explain_request import check_request_of


def settings(*arguments: str) -> ExplainSettings:
    return parse(["--manifests", "m", "--host", "toys.com", *arguments], {})


def request(*arguments: str) -> external_auth_pb2.CheckRequest:
    return external_auth_pb2.CheckRequest.FromString(check_request_of(settings(*arguments)))


def test_command_is_reached_through_the_program() -> None:
    parsed = cli.parse(["explain", "--host", "toys.com"], {"TOLLHOUSE_DIR": "a:b"})
    assert parsed == ExplainSettings((Path("a"), Path("b")), "toys.com")


def test_request_is_as_envoy_sends_it() -> None:
    http = request(
        *("--method", "POST", "--path", "/toys?a=1", "--body", "é"),
        *("--header", "X-A: one", "--header", "x-a:two", "--header", "Authorization: APIKEY k:1"),
    ).attributes.request.http
    assert (http.host, http.method, http.path, http.scheme) == (
        "toys.com",
        "POST",
        "/toys?a=1",
        "http",
    )
    assert (http.body, http.size, http.raw_body) == ("é", 2, b"")
    assert dict(http.headers) == {
        ":authority": "toys.com",
        ":method": "POST",
        ":path": "/toys?a=1",
        "x-a": "one,two",
        "authorization": "APIKEY k:1",
    }


def test_files_hold_bodies_and_attributes(tmp_path: Path) -> None:
    body, attributes = tmp_path / "body", tmp_path / "attributes.json"
    body.write_bytes(b"\xff")
    attributes.write_text(
        """{
        "source": {"principal": "spiffe://a"},
        "contextExtensions": {"host": "other.com"},
        "metadataContext": {"filterMetadata": {"jwt": {"sub": "ann"}}},
        "request": {"http": {"scheme": "https", "headers": {"x-a": "zero"}}}
        }"""
    )
    made = request("--body", f"@{body}", "--attributes", str(attributes), "--header", "x-a: one")
    assert made.attributes.source.principal == "spiffe://a"
    assert made.attributes.context_extensions["host"] == "other.com"
    assert made.attributes.metadata_context.filter_metadata["jwt"]["sub"] == "ann"
    http = made.attributes.request.http
    assert (http.raw_body, http.body, http.scheme) == (b"\xff", "", "https")
    assert http.headers["x-a"] == "zero,one"


def test_host_may_stand_in_the_attributes(tmp_path: Path) -> None:
    attributes = tmp_path / "attributes.json"
    attributes.write_text('{"request": {"http": {"host": "toys.com"}}}')
    parsed = parse(["--manifests", "m", "--attributes", str(attributes)], {})
    made = external_auth_pb2.CheckRequest.FromString(check_request_of(parsed))
    assert made.attributes.request.http.host == "toys.com"
    assert made.attributes.request.http.headers[":authority"] == "toys.com"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "a"], "--manifests: expected"),
        (["--manifests", "m"], "--host: expected"),
        (["--manifests", "m", "--host", "a", "--header", "x"], "--header: expected"),
        (["--manifests", "m", "--host", "a", "--header", ": x"], "--header: expected"),
        (["--manifests", "m", "--host", "a", "--timeout", "x"], "--timeout: 'x' is no number"),
        (["--manifests", "m", "--host", "a\udcff"], "expected printable text"),
        (["--manifests", "m", "--host", "a", "more"], "unrecognized arguments"),
    ],
)
def test_line_that_cannot_be_used(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(arguments, {})


@pytest.mark.parametrize("text", ["{", '{"unknown": 1}', "1"])
def test_attributes_that_are_none(tmp_path: Path, text: str) -> None:
    attributes = tmp_path / "attributes.json"
    attributes.write_text(text)
    with pytest.raises(StartError, match=r"attributes\.json: no AttributeContext"):
        check_request_of(settings("--attributes", str(attributes)))


def test_file_that_is_not_there() -> None:
    with pytest.raises(StartError, match="cannot be read"):
        check_request_of(settings("--body", "@nowhere"))


def test_credentials_are_not_in_the_repr() -> None:
    assert "secret" not in repr(settings("--header", "authorization: secret", "--body", "secret"))
