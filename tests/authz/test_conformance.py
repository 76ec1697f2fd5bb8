"""Authorino's behavior, case by case, in both lanes; the numbers are those of its case list."""

from typing import Any

import pytest

from _fastpath.identity import IdentityTable
from authz.configuration import Configuration
from authz.services import Services
from tests.authz.lanes import Lanes, check_request

KEYS = {
    "keys": {
        "apiKey": {"selector": {"matchLabels": {"app": "toys"}}},
        "credentials": {"authorizationHeader": {"prefix": "APIKEY"}},
    }
}
USER = {"success": {"headers": {"x-user": {"plain": {"selector": "auth.identity.metadata.name"}}}}}


def with_credentials(**credentials: Any) -> dict[str, Any]:
    return {"keys": {**KEYS["keys"], "credentials": credentials}}


def test_known_key_is_allowed_and_named(lanes: Lanes) -> None:
    lanes.config(authentication=KEYS, response=USER)
    answer = lanes.get(authorization="APIKEY alice-key")
    assert (answer.code, answer.headers) == (0, [("x-user", "alice")])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "credential not found"),
        ("Bearer alice-key", "credential not found"),
        ("APIKEY", "credential not found"),
        ("apikey alice-key", "credential not found"),
        ("APIKEY alice-keys", "the API Key provided is invalid"),
        ("APIKEY  alice-key", "the API Key provided is invalid"),
        ("APIKEY alice-key ", "the API Key provided is invalid"),
    ],
)
def test_case_1_other_credentials_are_refused(
    lanes: Lanes, header: str | None, reason: str
) -> None:
    lanes.config(authentication=KEYS)
    headers = {} if header is None else {"authorization": header}
    answer = lanes.get(**headers)
    assert (answer.code, answer.http_status) == (16, 401)
    assert answer.headers == [
        ("WWW-Authenticate", 'APIKEY realm="keys"'),
        ("X-Ext-Auth-Reason", reason),
    ]


@pytest.mark.parametrize(
    ("credentials", "path", "headers"),
    [
        ({"customHeader": {"name": "X-API-KEY"}}, "/", {"x_api_key": "alice-key"}),
        ({"cookie": {"name": "K"}}, "/", {"cookie": "Expires=x; K=alice-key"}),
        ({"cookie": {"name": "K"}}, "/", {"cookie": "K=alice-key; Expires=x"}),
        ({"queryString": {"name": "k"}}, "/p?a=b&k=alice-key&c=d", {}),
        ({"queryString": {"name": "token[0]"}}, "/p?token[0]=alice-key", {}),
        ({"queryString": {"name": "a+b"}}, "/p?a%2Bb=alice-key", {}),
        ({"queryString": {"name": "k"}}, "/p?k=alice%2Dkey", {}),
    ],
)
def test_cases_2_to_4_credential_is_found_where_it_is_configured(
    lanes: Lanes, credentials: dict[str, Any], path: str, headers: dict[str, str]
) -> None:
    lanes.config(authentication=with_credentials(**credentials))
    assert lanes.get(path, **headers).code == 0


@pytest.mark.parametrize("path", ["/p", "/p?k=", "/p?k=%", "/p?k", "/p?K=alice-key", "/p?k=%00"])
def test_case_4_query_without_value_is_no_credential(lanes: Lanes, path: str) -> None:
    lanes.config(authentication=with_credentials(queryString={"name": "k"}))
    assert lanes.get(path).http_status == 401


def test_case_7_deleted_secret_stops_working_at_once(lanes: Lanes) -> None:
    lanes.config(authentication=KEYS)
    lanes.configuration.remove_secret("shop", "alice")
    assert lanes.get(authorization="APIKEY alice-key").http_status == 401
    assert lanes.get(authorization="APIKEY bob-key").code == 0


def test_case_20_several_failures_are_told_by_entry(lanes: Lanes) -> None:
    other = {**KEYS["keys"], "credentials": {"customHeader": {"name": "x-key"}}}
    lanes.config(authentication={**KEYS, "another": other})
    answer = lanes.get(x_key="wrong")
    assert answer.reason == (
        '{"another":"the API Key provided is invalid","keys":"credential not found"}'
    )
    assert [value for name, value in answer.headers if name == "WWW-Authenticate"] == [
        'APIKEY realm="keys"',
        'x-key realm="another"',
    ]


def test_case_21_all_skipped_is_refused_with_an_empty_object(lanes: Lanes) -> None:
    skipped = {"anonymous": {}, "when": [{"predicate": "request.path == '/other'"}]}
    lanes.config(authentication={"open": skipped})
    answer = lanes.get()
    assert (answer.http_status, answer.reason) == (401, "{}")


def test_case_22_first_success_ends_authentication(lanes: Lanes) -> None:
    lanes.config(
        authentication={**KEYS, "open": {"anonymous": {}, "priority": 1}},
        response={
            "success": {
                "headers": {
                    "x-id": {
                        "json": {
                            "properties": {
                                "anonymous": {"selector": "auth.identity.anonymous"},
                                "name": {"selector": "auth.identity.metadata.name"},
                            }
                        }
                    }
                }
            }
        },
    )
    assert lanes.get(authorization="APIKEY bob-key").headers == [
        ("x-id", '{"anonymous":null,"name":"bob"}')
    ]
    assert lanes.get().headers == [("x-id", '{"anonymous":true,"name":null}')]


def test_case_24_unmatched_top_level_when_allows_without_evaluating(lanes: Lanes) -> None:
    lanes.config(
        when=[{"selector": "request.path", "operator": "matches", "value": "^/secret"}],
        authentication=KEYS,
        response=USER,
    )
    assert (lanes.get("/open").code, lanes.get("/open").headers) == (0, [])
    assert lanes.get("/secret").http_status == 401


def test_case_28_no_authentication_is_anonymous(lanes: Lanes) -> None:
    lanes.config()
    assert lanes.get().code == 0


def test_case_29_custom_denial_replaces_the_challenge(lanes: Lanes) -> None:
    lanes.config(
        authentication=KEYS,
        response={
            "unauthenticated": {
                "code": 302,
                "body": {"value": "go away"},
                "headers": {
                    "location": {"expression": "'http://' + request.host + request.path"},
                    "x-static": {"value": "1"},
                },
            }
        },
    )
    answer = lanes.get()
    assert (answer.code, answer.http_status, answer.body) == (16, 302, "go away")
    assert answer.headers == [
        ("location", "http://toys.com/toys"),
        ("x-static", "1"),
        ("X-Ext-Auth-Reason", "credential not found"),
    ]


def test_denied_authorization_tells_the_custom_message(lanes: Lanes) -> None:
    lanes.config(
        authentication=KEYS,
        authorization={
            "gold": {
                "patternMatching": {
                    "patterns": [
                        {
                            "selector": "auth.identity.metadata.labels.tier",
                            "operator": "eq",
                            "value": "gold",
                        }
                    ]
                }
            }
        },
        response={"unauthorized": {"message": {"value": "gold only"}}},
    )
    assert lanes.get(authorization="APIKEY alice-key").code == 0
    answer = lanes.get(authorization="APIKEY bob-key")
    assert (answer.code, answer.http_status, answer.reason) == (7, 403, "gold only")


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ({"selector": "request.method", "operator": "eq", "value": "GET"}, True),
        ({"selector": "request.method", "operator": "neq", "value": "GET"}, False),
        ({"selector": "request.missing", "operator": "eq", "value": ""}, True),
        ({"selector": "request.missing", "operator": "excl", "value": "x"}, True),
        ({"selector": "request.missing", "operator": "incl", "value": "x"}, False),
        ({"selector": "request.method", "operator": "incl", "value": "GET"}, True),
        ({"selector": "request.path", "operator": "matches", "value": "^/t.ys"}, True),
        ({"selector": "request.path", "operator": "matches", "value": "^/T"}, False),
        ({"predicate": "request.method == 'GET'"}, True),
        ({"predicate": "request.method in ['POST']"}, False),
        ({"predicate": "'x-none' in request.headers"}, False),
        ({"predicate": "auth.?nothing.orValue(true)"}, True),
        ({"all": []}, True),
        ({"any": []}, True),
        ({"any": [{"predicate": "false"}, {"predicate": "true"}]}, True),
        ({"all": [{"predicate": "false"}, {"predicate": "true"}]}, False),
        ({"any": [{"all": [{"predicate": "true"}]}, {"predicate": "false"}]}, True),
        ({"patternRef": "get"}, True),
    ],
)
def test_cases_31_and_32_conditions(lanes: Lanes, pattern: dict[str, Any], allowed: bool) -> None:
    named = {"get": [{"selector": "request.method", "operator": "eq", "value": "GET"}]}
    faults = lanes.config(
        patterns=named, authorization={"a": {"patternMatching": {"patterns": [pattern]}}}
    )
    assert faults == []
    answer = lanes.get()
    assert (answer.code == 0) is allowed
    assert answer.reason == (None if allowed else "Unauthorized")


FAILING = [
    {"predicate": "request.nothing == 'x'"},
    {"predicate": "request.method"},
    {"predicate": "request.headers['x-none'] == '1'"},
]


@pytest.mark.parametrize("condition", FAILING)
def test_condition_that_fails_denies(lanes: Lanes, condition: dict[str, str]) -> None:
    matching = {"patternMatching": {"patterns": [{"predicate": "true"}]}}
    lanes.config("top", hosts=["top.com"], when=[condition])
    lanes.config("when", hosts=["when.com"], authorization={"a": {**matching, "when": [condition]}})
    lanes.config(
        "pattern",
        hosts=["pattern.com"],
        authorization={"a": {"patternMatching": {"patterns": [condition]}}},
    )
    for host in ("top.com", "when.com", "pattern.com"):
        answer = lanes.get(host=host)
        assert (answer.code, answer.http_status) == (7, 403)


def test_unknown_host_is_404_and_no_http_is_400(lanes: Lanes) -> None:
    lanes.config()
    answer = lanes.get(host="nobody.com")
    assert (answer.code, answer.http_status, answer.reason) == (5, 404, "Service not found")
    answer = lanes.ask(b"\x0a\x00")
    assert (answer.code, answer.http_status, answer.reason) == (3, 400, "Invalid request")


def test_refused_new_config_owns_its_hosts_with_503(lanes: Lanes) -> None:
    assert lanes.config(authorization={"o": {"patternMatching": {}}})
    answer = lanes.get()
    assert (answer.code, answer.http_status) == (14, 503)
    assert answer.reason


def test_refused_change_keeps_the_last_good_version(lanes: Lanes) -> None:
    lanes.config(authentication=KEYS)
    assert lanes.config(authentication={"j": {"jwt": {}}})
    assert lanes.get(authorization="APIKEY alice-key").code == 0
    assert lanes.get().http_status == 401


def test_context_extension_host_comes_first(lanes: Lanes) -> None:
    lanes.config(hosts=["inner.com"])
    request = check_request(host="outer.com")
    request.attributes.context_extensions["host"] = "inner.com"
    assert lanes.ask(request).code == 0


def test_dynamic_metadata_keeps_types(lanes: Lanes) -> None:
    lanes.config(
        authentication=KEYS,
        response={
            "success": {
                "dynamicMetadata": {
                    "identity": {
                        "json": {
                            "properties": {
                                "userid": {"selector": "auth.identity.metadata.name"},
                                "level": {"value": 3},
                                "tags": {"value": ["a", {"b": None}]},
                            }
                        }
                    },
                    "path": {"plain": {"expression": "request.path.size()"}},
                }
            }
        },
    )
    answer = lanes.get(authorization="APIKEY alice-key")
    assert answer.metadata == {
        "identity": {"userid": "alice", "level": 3.0, "tags": ["a", {"b": None}]},
        "path": 5.0,
    }


def test_item_may_select_all_of_auth(lanes: Lanes) -> None:
    items = {name: {"plain": {"selector": "auth"}} for name in ("a", "b")}
    lanes.config(response={"success": {"dynamicMetadata": items}})
    assert lanes.get().metadata["b"] == {"identity": {"anonymous": True}}


@pytest.mark.parametrize("path", ["/%zz", "/\x01", "//x", "/?%", "", "/%e9%00"])
def test_odd_paths_are_answered(lanes: Lanes, path: str) -> None:
    lanes.config(
        authorization={
            "a": {
                "patternMatching": {
                    "patterns": [{"selector": "request.url_path", "operator": "neq", "value": "x"}]
                }
            }
        }
    )
    assert lanes.get(path).code == 0


def test_header_injection_is_neutralized(lanes: Lanes) -> None:
    lanes.config(
        response={"success": {"headers": {"x-echo": {"plain": {"selector": "request.query"}}}}}
    )
    request = check_request("/toys")
    request.attributes.request.http.headers["x"] = "a\r\nset-cookie: b"
    lanes.config(
        response={"success": {"headers": {"x-echo": {"plain": {"selector": "request.headers.x"}}}}}
    )
    ((_, value),) = lanes.ask(request).headers
    assert "\r" not in value
    assert "\n" not in value


def test_case_6_other_namespaces_need_all_namespaces(lanes: Lanes) -> None:
    lanes.secret("carol", namespace="elsewhere")
    everywhere = {"apiKey": {**KEYS["keys"]["apiKey"], "allNamespaces": True}}
    lanes.config(authentication=KEYS)
    lanes.config("all", hosts=["all.com"], authentication={"keys": everywhere})
    assert lanes.get(authorization="APIKEY carol-key").http_status == 401
    assert lanes.get(host="all.com", authorization="Bearer carol-key").code == 0


def test_case_23_earlier_refusal_ends_authorization(lanes: Lanes) -> None:
    def rule(predicate: str, priority: int) -> dict[str, Any]:
        matching = {"patterns": [{"predicate": predicate}]}
        return {"patternMatching": matching, "priority": priority}

    lanes.config(authorization={"late": rule("request.nothing", 1), "early": rule("false", 0)})
    assert lanes.get().reason == "Unauthorized"
    lanes.config(authorization={"late": rule("request.nothing", 1), "early": rule("true", 0)})
    assert lanes.get().reason == "condition could not be evaluated"


def test_case_25_evaluators_are_left_out_when_their_condition_is_false(lanes: Lanes) -> None:
    when = [{"predicate": "request.method == 'POST'"}]
    lanes.config(
        authorization={"a": {"patternMatching": {"patterns": [{"predicate": "false"}]}}},
    )
    assert lanes.get().http_status == 403
    lanes.config(
        authorization={
            "a": {"patternMatching": {"patterns": [{"predicate": "false"}]}, "when": when}
        },
        response={"success": {"headers": {"x-post": {"plain": {"value": "1"}, "when": when}}}},
    )
    assert (lanes.get().code, lanes.get().headers) == (0, [])
    assert lanes.ask(check_request(method="POST")).http_status == 403


def test_case_30_code_of_a_denial_reaches_the_client(lanes: Lanes) -> None:
    for code in (302, 400, 404, 599):
        lanes.config(
            authorization={"a": {"patternMatching": {"patterns": [{"predicate": "false"}]}}},
            response={"unauthorized": {"code": code}},
        )
        assert (lanes.get().code, lanes.get().http_status) == (7, code)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"value": "text"}, "text"),
        ({"value": 123}, "123"),
        ({"value": 1637954644}, "1637954644"),
        ({"value": 1.5}, "1.5"),
        ({"value": True}, "true"),
        ({"value": {"b": [1, None], "a": "<&>"}}, '{"a":"\\u003c\\u0026\\u003e","b":[1,null]}'),
        ({"value": None}, None),
        ({"selector": "request.nothing"}, None),
        ({"expression": "request.method + '!'"}, "GET!"),
    ],
)
def test_cases_36_and_50_plain_header_is_the_text_of_its_value(
    lanes: Lanes, value: dict[str, Any], text: str | None
) -> None:
    assert lanes.config(response={"success": {"headers": {"x": {"plain": value}}}}) == []
    assert dict(lanes.get().headers).get("x") == text


def test_case_37_predicate_that_is_no_boolean_is_refused(lanes: Lanes) -> None:
    (fault,) = lanes.config(when=[{"predicate": "size(request.path)"}])
    assert fault == "spec.when[0].predicate: expected an expression that gives a boolean"


def test_case_38_minimal_request_document(lanes: Lanes) -> None:
    roots = ("request", "source", "destination", "auth")
    items = {root: {"plain": {"selector": root}} for root in roots}
    lanes.config(response={"success": {"dynamicMetadata": items}})
    metadata = lanes.get("/a?b=c").metadata
    assert metadata["source"] == metadata["destination"] == {}
    assert metadata["auth"] == {"identity": {"anonymous": True}}
    request = metadata["request"]
    assert (request["url_path"], request["query"], request["path"]) == ("/a", "b=c", "/a?b=c")
    assert (request["host"], request["method"]) == ("toys.com", "GET")
    assert not {"size", "body", "raw_body", "grpc"} & request.keys()


@pytest.mark.parametrize(
    ("path", "content_type", "grpc"),
    [
        ("/pkg.Service/Method", "application/grpc", {"service": "pkg.Service", "method": "Method"}),
        ("/S/M", "application/grpc+proto", {"service": "S", "method": "M"}),
        ("/S/M/x", "application/grpc", None),
        ("/S/", "application/grpc", None),
        ("//M", "application/grpc", None),
        ("/S", "application/grpc", None),
        ("/S/M", "application/json", None),
        ("/S/M", "", None),
    ],
)
def test_case_39_grpc_requests_are_recognized(
    lanes: Lanes, path: str, content_type: str, grpc: dict[str, str] | None
) -> None:
    item = {"plain": {"selector": "request.grpc"}}
    lanes.config(response={"success": {"dynamicMetadata": {"grpc": item}}})
    assert lanes.get(path, content_type=content_type).metadata.get("grpc") == grpc


def test_case_49_json_header_is_compact(lanes: Lanes) -> None:
    properties = {"b": {"value": 1}, "a": {"selector": "request.method"}}
    lanes.config(
        response={"success": {"headers": {"x": {"json": {"properties": properties}, "key": "x-j"}}}}
    )
    assert lanes.get().headers == [("x-j", '{"a":"GET","b":1}')]


def test_keys_of_a_replaced_config_stand_until_the_next_change(lanes: Lanes) -> None:
    lanes.config(authentication=KEYS)
    other = {"apiKey": {"selector": {"matchLabels": {"tier": "gold"}}}}
    document = {"spec": {"hosts": ["toys.com"], "authentication": {"keys": other}}}
    lanes.configuration.put_auth_config("shop", "toys", document)
    assert lanes.get(authorization="APIKEY bob-key").code == 0
    lanes.publish()
    assert lanes.get(authorization="APIKEY bob-key").http_status == 401
    held = len(lanes.identities)
    lanes.configuration.close_replaced()
    assert len(lanes.identities) == held - 2
    assert lanes.get(authorization="Bearer alice-key").code == 0


def test_full_key_table_refuses_the_config_that_does_not_fit() -> None:
    lanes = Lanes()
    lanes.services = Services(identities=IdentityTable(1))
    lanes.configuration = Configuration(lanes.services, lanes.series)
    lanes.secret("alice")
    lanes.secret("bob")
    (fault,) = lanes.config(authentication=KEYS)
    assert fault.startswith("spec.authentication.keys: ")
    assert lanes.get().http_status == 503
