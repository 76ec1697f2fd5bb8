"""Identities taken from the request, and what defaults and overrides make of them."""

from typing import Any

import pytest

from tests.authz.lanes import Lanes

SHOW = {
    "success": {
        "headers": {"x-id": {"json": {"properties": {"id": {"selector": "auth.identity"}}}}}
    }
}
NONE = "could not retrieve identity object or null"


def plain(**method: Any) -> dict[str, Any]:
    return {"caller": {"plain": method}}


def test_selected_value_is_the_identity_and_the_selector_the_challenge(lanes: Lanes) -> None:
    lanes.config(authentication=plain(selector="request.headers.x-user"), response=SHOW)
    assert lanes.get(x_user="ann").headers == [("x-id", '{"id":"ann"}')]
    assert lanes.get(x_user="").code == 0
    refused = lanes.get()
    assert (refused.code, refused.http_status) == (16, 401)
    assert refused.headers == [
        ("WWW-Authenticate", 'request.headers.x-user realm="caller"'),
        ("X-Ext-Auth-Reason", NONE),
    ]


def test_computed_value_is_the_identity(lanes: Lanes) -> None:
    expression = '{"user": request.headers["x-user"], "n": 1 + 2}'
    lanes.config(authentication=plain(expression=expression), response=SHOW)
    assert lanes.get(x_user="ann").headers == [("x-id", '{"id":{"n":3,"user":"ann"}}')]
    assert lanes.get().reason == "no such key: x-user"


def test_failure_of_another_kind_quotes_nothing(lanes: Lanes) -> None:
    lanes.config(authentication=plain(expression='int(request.headers["x-user"])'))
    assert lanes.get(x_user="secret").reason == "the expression could not be evaluated"


def test_default_keeps_what_is_there_and_override_replaces_it(lanes: Lanes) -> None:
    lanes.config(
        authentication={
            "anyone": {
                "anonymous": {},
                "defaults": {"anonymous": {"value": "kept"}, "tier": {"value": "free"}},
                "overrides": {
                    "was": {"selector": "auth.identity.tier"},
                    "method": {"expression": "request.method.lowerAscii()"},
                },
            }
        },
        response=SHOW,
    )
    identity = '{"id":{"anonymous":true,"method":"get","tier":"free","was":null}}'
    assert lanes.get().headers == [("x-id", identity)]


def test_extension_that_fails_leaves_the_next_entry_to_try(lanes: Lanes) -> None:
    lanes.config(
        authentication={
            "extended": {
                "anonymous": {},
                "overrides": {"a": {"expression": 'request.headers["x-a"]'}},
            },
            "named": {"plain": {"selector": "request.headers.x-user"}, "priority": 1},
        },
        response=SHOW,
    )
    assert lanes.get(x_a="1").headers == [("x-id", '{"id":{"a":"1","anonymous":true}}')]
    assert lanes.get(x_user="ann").headers == [("x-id", '{"id":"ann"}')]
    assert lanes.get().reason == f'{{"extended":"no such key: x-a","named":"{NONE}"}}'


def test_identity_that_is_no_object_cannot_be_extended(lanes: Lanes) -> None:
    entry = {"plain": {"selector": "request.headers.x-user"}, "defaults": {"a": {"value": 1}}}
    lanes.config(authentication={"caller": entry})
    assert lanes.get(x_user="ann").reason == "the identity is no object and cannot be extended"
    assert lanes.get().reason == NONE


def test_template_and_modifier_in_answers(lanes: Lanes) -> None:
    lanes.config(
        authentication=plain(
            selector='request.headers.x-basic.@base64:decode|@extract:{"sep":":"}'
        ),
        authorization={
            "not root": {
                "patternMatching": {
                    "patterns": [
                        {
                            "selector": "auth.identity.@case:lower",
                            "operator": "neq",
                            "value": "root",
                        }
                    ]
                }
            }
        },
        response={
            "unauthorized": {"message": {"selector": "{auth.identity} may not {request.method}"}},
            **SHOW,
        },
    )
    assert lanes.get(x_basic="YW5uOnB3").headers == [("x-id", '{"id":"ann"}')]
    assert lanes.get(x_basic="Uk9PVDpwdw==").reason == "ROOT may not GET"


@pytest.mark.parametrize("method", [{}, {"selector": "a", "expression": "request"}, {"value": 1}])
def test_plain_takes_exactly_one_source(lanes: Lanes, method: dict[str, Any]) -> None:
    lanes.config(authentication=plain(**method))
    assert lanes.get().http_status == 503
