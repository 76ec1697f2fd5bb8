"""Native Check, case by case: credentials, denials, hosts, deferral, metrics, live keys."""

from typing import Any

import pytest
from envoy.service.auth.v3 import external_auth_pb2

from _fastpath.cells import Series
from _fastpath.check import NOT_READY, CheckDecider
from _fastpath.document import NativeDocument
from _fastpath.host_index import HostIndex, Owner, Refusal
from _fastpath.identity import IdentityTable
from _fastpath.plan import Plans
from _fastpath.rule import CONDITION_FAILED, rule
from _fastpath.rule_spec import (
    AllOf,
    Authentication,
    Authorization,
    Credential,
    Denial,
    Metadata,
    Place,
    Remembered,
    RuleSpec,
    SuccessItem,
    Target,
)
from tests.fastpath import check_model as model

CheckRequest = external_auth_pb2.CheckRequest
CheckResponse = external_auth_pb2.CheckResponse
KEYS = (b"key-ONE", b"two", b"a/b c", b"Bearer k3", b"k=3=")


class Service:
    """One process: a plan with host a.test, and the keys of KEYS in set 0."""

    def __init__(self, owner: RuleSpec | Owner | None = None, *, publish: bool = True) -> None:
        self.series, self.plans, self.identities = Series(1), Plans(1), IdentityTable()
        self.digests = [
            self.identities.put(0, key, NativeDocument({"name": key.decode()})) for key in KEYS
        ]
        if isinstance(owner, RuleSpec):
            owner = rule(owner, self.series)
        if publish:
            hosts = HostIndex().edit({} if owner is None else {"a.test": owner})
            self.plans.publish(None, hosts)
        self.check = CheckDecider(self.plans, self.identities, self.series).check

    def answer(self, **http: Any) -> external_auth_pb2.CheckResponse:
        outcome, message, status, _, _ = self.check(request(**http), 1, 2)
        assert (outcome, status) == ("answer", 0)
        return CheckResponse.FromString(message)

    def counted(self, *key: str) -> int:
        return self.series.totals()[key]


def request(
    host: str = "a.test",
    path: str = "/",
    headers: dict[str, str] | None = None,
    method: str = "GET",
    extensions: dict[str, str] | None = None,
) -> bytes:
    message = CheckRequest()
    http = message.attributes.request.http
    http.host, http.path, http.method = host, path, method
    http.headers.update(headers or {})
    message.attributes.context_extensions.update(extensions or {})
    return bytes(message.SerializeToString())


def denial(answer: external_auth_pb2.CheckResponse) -> tuple[int, int, list[tuple[str, str]], str]:
    denied = answer.denied_response
    headers = [(option.header.key, option.header.value) for option in denied.headers]
    return answer.status.code, denied.status.code, headers, denied.body


def reason(answer: external_auth_pb2.CheckResponse) -> str:
    return denial(answer)[2][-1][1]


def key_rule(
    place: Place = Place.AUTHORIZATION_HEADER, name: str = "Bearer", **parts: Any
) -> RuleSpec:
    entry = Authentication(name="k", challenge=name, key_set=0, credential=Credential(place, name))
    return RuleSpec("ns", "name", authentication=(entry,), **parts)


ANYONE = Authentication(name="anyone", challenge="Bearer")


def open_rule(**parts: Any) -> RuleSpec:
    return RuleSpec("ns", "name", authentication=(ANYONE,), **parts)


def header(name: str, plain: Any) -> SuccessItem:
    return SuccessItem(name=name, key=name, target=Target.HEADER, plain=plain)


def identity_header() -> SuccessItem:
    return header("who", model.selector("auth", "identity").native)


MISSING = "credential not found"
INVALID = "the API Key provided is invalid"


@pytest.mark.parametrize(
    ("place", "name", "path", "headers", "expected"),
    [
        (0, "Bearer", "/", {"authorization": "Bearer key-ONE"}, None),
        (0, "Bearer", "/", {}, MISSING),
        (0, "Bearer", "/", {"authorization": "Bearer"}, MISSING),
        (0, "Bearer", "/", {"authorization": "Bearer "}, INVALID),
        (0, "Bearer", "/", {"authorization": "bearer key-ONE"}, MISSING),
        (0, "Bearer", "/", {"authorization": "Bearer  key-ONE"}, INVALID),
        (0, "Bearer", "/", {"authorization": "Bearer key-ONE "}, INVALID),
        (0, "Bearer", "/", {"authorization": "Bearer KEY-one"}, INVALID),
        (0, "Bearer", "/?Bearer=key-ONE", {}, MISSING),
        (0, "APIKEY", "/", {"authorization": "APIKEYS two"}, MISSING),
        (0, "APIKEY", "/", {"authorization": "APIKEYtwo"}, MISSING),
        (1, "X-API-Key", "/", {"x-api-key": "two"}, None),
        (1, "X-API-Key", "/", {"x-api-key": "Bearer k3"}, None),
        (1, "X-API-Key", "/", {"x-api-key": ""}, INVALID),
        (1, "X-API-Key", "/", {"authorization": "Bearer two"}, MISSING),
        (2, "api_key", "/x?api_key=two", {}, None),
        (2, "api_key", "/x?a=b&api_key=two&c=d", {}, None),
        (2, "api_key", "/x?api_key=two&api_key=zz", {}, None),
        (2, "api_key", "/x?api_key=zz&api_key=two", {}, INVALID),
        (2, "api_key", "/x?api_key=a%2Fb%20c", {}, None),
        (2, "api_key", "/x?api_key=a%2Fb+c", {}, None),
        (2, "api_key", "/x?api%5Fkey=two", {}, None),
        (2, "api_key", "/x?api_key=", {}, MISSING),
        (2, "api_key", "/x?api_key", {}, MISSING),
        (2, "api_key", "/x?my_api_key=two", {}, MISSING),
        (2, "api_key", "/x?api_key=two#frag", {}, None),
        (2, "api_key", "/x?a=b;api_key=two", {}, MISSING),
        (2, "api_key", "/x?z=%zz&api_key=two", {}, None),
        (2, "api_key", "/x?api_key=two%zz", {}, MISSING),
        (2, "api_key", "/%zz?api_key=two", {}, MISSING),
        (2, "api_key", "/x?api_key=two\x00", {}, MISSING),
        (2, "a+b", "/x?a%2Bb=two", {}, None),
        (2, "token[0]", "/x?token[0]=two", {}, None),
        (3, "SID", "/", {"cookie": "a=b; SID=two"}, None),
        (3, "SID", "/", {"cookie": "SID=two; a=b"}, None),
        (3, "SID", "/", {"cookie": "SID=k=3="}, None),
        (3, "SID", "/", {"cookie": "sid=two"}, MISSING),
        (3, "SID", "/", {"cookie": "XSID=two"}, MISSING),
        (3, "SID", "/", {"cookie": "SID="}, INVALID),
        (3, "SID", "/", {"cookie": "SID"}, MISSING),
        (3, "SID", "/", {}, MISSING),
    ],
)
def test_credential(
    place: int, name: str, path: str, headers: dict[str, str], expected: str | None
) -> None:
    answer = Service(key_rule(Place(place), name)).answer(path=path, headers=headers)
    if expected is None:
        assert answer.status.code == 0
        return
    challenge = ("WWW-Authenticate", f'{name} realm="k"')
    assert denial(answer) == (16, 401, [challenge, ("X-Ext-Auth-Reason", expected)], "")


def test_allowed_answer_has_empty_headers_and_metadata() -> None:
    answer = Service(open_rule()).answer()
    assert answer.HasField("status")
    assert answer.HasField("ok_response")
    assert answer.HasField("dynamic_metadata")
    assert answer.ByteSize() == 6


def test_several_failed_entries_give_a_reason_by_entry() -> None:
    entries = (
        Authentication(
            name="partners",
            challenge="X-Key",
            key_set=0,
            credential=Credential(Place.CUSTOM_HEADER, "X-Key"),
        ),
        Authentication(
            name="friends", challenge="APIKEY", key_set=0, credential=Credential(name="APIKEY")
        ),
    )
    service = Service(RuleSpec("ns", "name", authentication=entries))
    answer = service.answer(headers={"authorization": "APIKEY zz"})
    assert denial(answer)[2] == [
        ("WWW-Authenticate", 'X-Key realm="partners"'),
        ("WWW-Authenticate", 'APIKEY realm="friends"'),
        ("X-Ext-Auth-Reason", f'{{"friends":"{INVALID}","partners":"{MISSING}"}}'),
    ]


def test_entries_skipped_by_when_give_an_empty_reason() -> None:
    never = (model.constant(False).native,)
    entry = Authentication(name="k", challenge="Bearer", key_set=0, when=never)
    answer = Service(RuleSpec("ns", "name", authentication=(entry,))).answer()
    assert reason(answer) == "{}"


def test_later_priority_is_tried_when_the_first_fails() -> None:
    entries = (
        Authentication(name="anyone", challenge="Bearer", priority=1),
        Authentication(name="k", challenge="Bearer", key_set=0),
    )
    service = Service(RuleSpec("ns", "name", authentication=entries, success=(identity_header(),)))
    answer = service.answer(headers={"authorization": "Bearer two"})
    assert answer.ok_response.headers[0].header.value == '{"name":"two"}'
    answer = service.answer(headers={"authorization": "Bearer no"})
    assert answer.ok_response.headers[0].header.value == '{"anonymous":true}'


def test_top_level_when_that_is_false_lets_pass_uncounted() -> None:
    service = Service(key_rule(when=(model.constant(False).native,)))
    assert service.answer().status.code == 0
    assert service.counted("auth_server_authconfig_total", "ns", "name") == 0
    assert service.counted("auth_server_response_status", "OK") == 1


@pytest.mark.parametrize("term", [model.failing(), model.constant("text")])
def test_top_level_when_that_fails_denies(term: model.Term) -> None:
    answer = Service(open_rule(when=(term.native,))).answer()
    assert denial(answer)[:3] == (7, 403, [("X-Ext-Auth-Reason", CONDITION_FAILED)])


@pytest.mark.parametrize("term", [model.failing(), model.constant("text")])
def test_authorization_when_that_fails_denies(term: model.Term) -> None:
    entry = Authorization(name="p", when=(term.native,))
    answer = Service(open_rule(authorization=(entry,))).answer()
    assert denial(answer)[:3] == (7, 403, [("X-Ext-Auth-Reason", CONDITION_FAILED)])


def test_authorization_pattern_that_is_false_is_unauthorized() -> None:
    entry = Authorization(name="p", patterns=(model.equals("GET", "request", "method").native,))
    service = Service(open_rule(authorization=(entry,)))
    assert service.answer().status.code == 0
    answer = service.answer(method="POST")
    assert denial(answer) == (7, 403, [("X-Ext-Auth-Reason", "Unauthorized")], "")


def test_custom_denial_replaces_code_message_body_and_challenges() -> None:
    custom = Denial(
        302,
        message=model.static("Please log in").native,
        body=model.static({"b": 1, "a": "<"}).native,
        headers=(("Location", model.selector("request", "path").native),),
    )
    answer = Service(key_rule(unauthenticated=custom)).answer(path="/x?y")
    assert denial(answer) == (
        16,
        302,
        [("Location", "/x?y"), ("X-Ext-Auth-Reason", "Please log in")],
        '{"a":"\\u003c","b":1}',
    )


def test_decoded_line_break_cannot_split_a_response_header() -> None:
    item = header("p", model.selector("request", "url_path").native)
    answer = Service(open_rule(success=(item,))).answer(path="/a%0d%0ax-admin:%201")
    assert answer.ok_response.headers[0].header.value == "/a  x-admin: 1"


@pytest.mark.parametrize(
    ("host", "extensions", "code"),
    [
        ("a.test", {}, 0),
        ("A.TEST.:8080", {}, 0),
        ("other.test", {"host": "a.test"}, 0),
        ("a.test", {"host": "other.test"}, 5),
        ("a.test", {"host": ""}, 5),
        ("", {}, 5),
        ("a" * 70_000, {}, 5),
    ],
)
def test_host_selects_the_rule(host: str, extensions: dict[str, str], code: int) -> None:
    answer = Service(open_rule()).answer(host=host, extensions=extensions)
    assert answer.status.code == code
    if code:
        assert denial(answer) == (5, 404, [("X-Ext-Auth-Reason", "Service not found")], "")


def test_refused_host_answers_503_with_its_reason() -> None:
    answer = Service(Refusal("ns/name", "spec.authentication: no such method")).answer()
    expected = [("X-Ext-Auth-Reason", "spec.authentication: no such method")]
    assert denial(answer) == (14, 503, expected, "")


def test_without_a_plan_nothing_is_allowed() -> None:
    answer = Service(publish=False).answer()
    assert denial(answer) == (14, 503, [("X-Ext-Auth-Reason", NOT_READY)], "")


@pytest.mark.parametrize("data", [b"", b"\x0a\x00", b"\x0a\x02\x22\x00"])
def test_request_without_http_attributes_is_invalid(data: bytes) -> None:
    outcome, message, status, _, _ = Service(open_rule()).check(data, 1, 2)
    assert (outcome, status) == ("answer", 0)
    assert denial(CheckResponse.FromString(message)) == (
        3,
        400,
        [("X-Ext-Auth-Reason", "Invalid request")],
        "",
    )


def test_malformed_request_ends_the_call_with_internal() -> None:
    assert Service(open_rule()).check(b"\xff", 1, 2)[:3] == ("answer", b"", 13)


def test_refused_rule_is_deferred_and_counted() -> None:
    service = Service(RuleSpec("ns", "name", refusal="the expression uses format()"))
    assert service.check(request(), 1, 2) == ("deferred", b"", 0, "", 1)
    assert service.counted("tollhouse_authz_deferred_total", "ns", "name") == 1


def test_request_past_the_scratch_memory_is_deferred_not_decided() -> None:
    terms = [model.selector("context") for _ in range(40)]
    items = tuple(header(str(n), term.native) for n, term in enumerate(terms))
    service = Service(open_rule(success=items))
    outcome = service.check(request(headers={"x": "y" * 2_000_000}), 1, 2)
    assert outcome[:3] == ("deferred", b"", 0)


def test_key_counts_and_stops_counting_at_once() -> None:
    service = Service(key_rule())
    headers = {"authorization": "Bearer two"}
    assert service.answer(headers=headers).status.code == 0
    service.identities.revoke(service.digests[1])
    assert service.answer(headers=headers).status.code == 16
    service.identities.put(0, b"two", NativeDocument({}))
    assert service.answer(headers=headers).status.code == 0


def test_answers_are_counted_by_status() -> None:
    service = Service(key_rule())
    service.answer(headers={"authorization": "Bearer two"})
    service.answer()
    service.answer(host="b.test")
    for status, count in (("OK", 1), ("UNAUTHENTICATED", 1), ("NOT_FOUND", 1)):
        assert service.counted("auth_server_response_status", status) == count
    config = ("auth_server_authconfig_response_status", "ns", "name")
    assert service.counted(*config, "UNAUTHENTICATED") == 1
    assert service.counted("auth_server_authconfig_total", "ns", "name") == 2


def nested(depth: int) -> AllOf:
    group = AllOf(())
    for _ in range(depth):
        group = AllOf((group,))
    return group


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (RuleSpec("ns", "name"), "needs an authentication entry"),
        (open_rule(when=("text",)), "str is no condition"),
        (open_rule(when=(nested(70),)), "nested more than 64 deep"),
        (open_rule(unauthorized=Denial(code=200)), "cannot have status 200"),
        (open_rule(unauthorized=Denial(headers=(("a", None),))), "a has no value"),  # type: ignore[arg-type]
        (open_rule(success=(header("a", None),)), "one source of its value"),
        (open_rule(success=(header("a", "x"),)), "str is no source"),
        (open_rule(metadata=(Metadata(name="m"),)), "under a key or foreign"),
        (open_rule(metadata=(Metadata(name="m", remembered=Remembered(1)),)), "under a key"),
        (
            open_rule(authorization=(Authorization(name="p", remembered=Remembered(0)),)),
            "cannot remember",
        ),
        (
            RuleSpec(
                "ns",
                "name",
                authentication=(
                    Authentication(name="k", challenge="Bearer", key_set=0, foreign="elsewhere"),
                ),
            ),
            "more than one method",
        ),
    ],
)
def test_spec_that_breaks_a_rule_is_refused(spec: RuleSpec, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rule(spec, Series(1))
