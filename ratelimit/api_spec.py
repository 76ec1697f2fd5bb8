"""The HTTP API as a Swagger 2.0 document, the form in which Limitador publishes its own."""

from typing import Any

Schema = dict[str, Any]


def api_spec(*, counter_changes: bool) -> Schema:
    """counter_changes: with the operations that change counters, which need the admin token."""
    return {
        "swagger": "2.0",
        "info": {"title": "Rate limits", "version": "1.0.0"},
        "securityDefinitions": _SECURITY if counter_changes else {},
        "definitions": _DEFINITIONS,
        "paths": {
            "/status": {"get": _get("State of the server and its limits", _ref("Status"))},
            "/metrics": {"get": _METRICS},
            "/livez": {"get": _probe("The process runs", "200")},
            "/readyz": {"get": _probe("Requests are decided", "200", "503")},
            "/limits/{namespace}": {
                "get": _get("Limits of a namespace", _list("Limit"), _NAMESPACE)
            },
            "/counters/{namespace}": _counters(counter_changes),
            "/check": {"post": _decision("Whether delta more would fit", over="text")},
            "/report": {"post": _decision("Charge delta, also past the limits")},
            "/check_and_report": {
                "post": _decision("Charge delta if it fits", over="json", headers=_HEADERS)
            },
            "/api/spec": {"get": _get("This document", {"type": "object"})},
        },
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _list(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


def _get(summary: str, schema: Schema, *parameters: Schema) -> Schema:
    return {
        "summary": summary,
        "produces": ["application/json"],
        "parameters": list(parameters),
        "responses": {"200": {"description": "OK", "schema": schema}, "503": _NOT_LOADED},
    }


def _probe(summary: str, *codes: str) -> Schema:
    return {
        "summary": summary,
        "produces": ["text/plain"],
        "responses": {code: {"description": _CODES[code]} for code in codes},
    }


def _decision(summary: str, *, over: str = "", headers: Schema | None = None) -> Schema:
    responses: Schema = {
        "200": {"description": "Within the limits", "headers": headers or {}},
        "400": {"description": "The body is not what is expected"},
        "413": {"description": "The body is over 2 MiB"},
        "500": {"description": "The counters cannot be reached"},
        "503": _NOT_LOADED,
    }
    if over:
        kind = "Text" if over == "text" else "null"
        responses["429"] = {"description": f"Over a limit; {kind}", "headers": headers or {}}
    body = {"name": "body", "in": "body", "required": True, "schema": _ref("CheckAndReportInfo")}
    return {
        "summary": summary,
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "parameters": [body],
        "responses": responses,
    }


def _counters(changes: bool) -> Schema:
    paging = [
        _query("count", "integer", "Answer in pages of about so many, each counter with its value"),
        _query("cursor", "string", "Of the page that is meant"),
    ]
    shown = _get("Live counters", _list("Counter"), _NAMESPACE, *_SELECTION, *paging)
    shown["responses"]["400"] = {"description": "A parameter is not what is expected"}
    shown["responses"]["500"] = {"description": "The counters cannot be reached"}
    if not changes:
        return {"get": shown}
    return {
        "get": {**shown, "security": [{}, {"admin": []}]},
        "delete": _change("Delete the counters that are meant", _REMOVED, *_SELECTION),
        "patch": _change("Set the one counter that is meant", {"type": "object"}, _LIMIT, _VALUE),
    }


def _change(summary: str, schema: Schema, *parameters: Schema) -> Schema:
    operation = _get(summary, schema, _NAMESPACE, *parameters)
    for code in ("400", "401", "403", "404", "409", "500"):
        operation["responses"][code] = {"description": _CODES[code]}
    return {**operation, "security": [{"admin": []}]}


def _query(name: str, kind: str, description: str) -> Schema:
    return {"name": name, "in": "query", "type": kind, "description": description}


_CODES = {
    "200": "OK",
    "400": "The request is not what is expected",
    "401": "The admin token is missing or wrong",
    "403": "This server has no admin token",
    "404": "No such limit",
    "409": "Several limits are meant",
    "500": "The counters cannot be reached",
    "503": "Not yet, or no longer",
}
_NOT_LOADED = {"description": "No limits are loaded"}
_METRICS = {
    "summary": "Prometheus metrics",
    "produces": ["text/plain"],
    "responses": {"200": {"description": "OK"}},
}
_NAMESPACE: Schema = {"name": "namespace", "in": "path", "required": True, "type": "string"}
_LIMIT = _query("limit", "string", "Name of the limits; empty: those without one")
_SELECTION = (
    _LIMIT,
    _query("var.{variable}", "string", "Value of a variable, named as in the limits file"),
    _query("value_over", "integer", "Counters with more hits"),
)
_VALUE: Schema = {
    "name": "body",
    "in": "body",
    "required": True,
    "schema": {
        "type": "object",
        "required": ["value"],
        "properties": {"value": {"type": "integer", "minimum": 0}},
    },
}
_REMOVED: Schema = {"type": "object", "properties": {"removed": {"type": "integer"}}}
_HEADERS: Schema = {
    "X-RateLimit-Limit": {"type": "string"},
    "X-RateLimit-Remaining": {"type": "integer"},
    "X-RateLimit-Reset": {"type": "integer"},
}
_SECURITY = {
    "admin": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "Bearer and the admin token",
    }
}
_TEXT = {"type": "string"}
_OPTIONAL_TEXT = {"type": "string", "x-nullable": True}
_NUMBER = {"type": "integer", "minimum": 0}
_TEXTS = {"type": "array", "items": _TEXT}
_TEXT_MAP = {"type": "object", "additionalProperties": _TEXT}
_DEFINITIONS: Schema = {
    "CheckAndReportInfo": {
        "type": "object",
        "required": ["namespace", "values", "delta"],
        "properties": {
            "namespace": _TEXT,
            "values": _TEXT_MAP,
            "delta": _NUMBER,
            "response_headers": {**_OPTIONAL_TEXT, "description": "DraftVersion03 or nothing"},
        },
    },
    "Limit": {
        "type": "object",
        "description": "Fields of Tollhouse stand beside these where a limit has them",
        "properties": {
            "id": _OPTIONAL_TEXT,
            "namespace": _TEXT,
            "max_value": _NUMBER,
            "seconds": _NUMBER,
            "name": _OPTIONAL_TEXT,
            "conditions": _TEXTS,
            "variables": _TEXTS,
        },
    },
    "Counter": {
        "type": "object",
        "properties": {
            "limit": _ref("Limit"),
            "set_variables": _TEXT_MAP,
            "remaining": {"type": "integer", "x-nullable": True},
            "expires_in_seconds": _NUMBER,
            "value": {**_NUMBER, "description": "In pages only"},
        },
    },
    "Status": {
        "type": "object",
        "description": "Findings of Tollhouse stand beside these",
        "properties": {
            "started_at": {**_TEXT, "format": "date-time"},
            "config_applied_at": {**_TEXT, "format": "date-time"},
            "config_version": _NUMBER,
            "config_err_since": _NUMBER,
        },
    },
}
