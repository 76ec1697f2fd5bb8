"""HTTP endpoints of an AuthConfig: metadata `http`, callbacks, external policies.

url, method, body, headers and credentials as the reference, §2.9, has them; values are resolved for
each call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, urlencode

from _fastpath.rule_spec import Credential, Place
from _fastpath.text import json_of_value, text_of_value
from authz.entry_reading import Reading, check_header_names
from authz.errors import EvaluatorFailed
from authz.evaluators.client_token import (
    ClientToken,
    ClientTokenSpec,
    open_client_token,
    read_client_token,
)
from authz.fields import Fields
from authz.opening import Opening
from authz.outgoing.client import Outgoing
from authz.outgoing.errors import BadRequest, OutgoingError
from authz.outgoing.message import OutgoingRequest, OutgoingResponse
from authz.outgoing.url import checked_url
from authz.resolution import resolved
from authz.secret_key import SecretKey, read_secret_key, secret_text
from authz.value import Value
from expressions.errors import ExpressionError
from expressions.template import Template, parse_template

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE")
SENT_METHODS = ("GET", "POST")
FIELDS = (
    "url", "urlExpression", "method", "body", "bodyParameters", "contentType", "headers",
    "sharedSecretRef", "oauth2", "credentials", "timeout",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HttpEndpointSpec:
    """url: a template, or an expression that gives a text. body, or else parameters, of a POST.
    credential: where the shared secret or the client's token goes; a token wins. escape: values
    that a template takes in are percent-encoded. timeout_s: None is no limit of its own."""

    url: Template | Value
    method: str
    body: Value | None
    parameters: Mapping[str, Value]
    content_type: str
    headers: Mapping[str, Value]
    shared_secret: SecretKey | None
    client_token: ClientTokenSpec | None
    credential: Credential
    timeout_s: float | None
    escape: bool = False


def read_http_endpoint(
    fields: Fields, reading: Reading, *others: str, escape: bool = False
) -> HttpEndpointSpec:
    """`others`: fields that the kind reads itself."""
    fields.known(*FIELDS, *others)
    if fields.has("body") and fields.has("bodyParameters"):
        fields.fault("expected at most one of body, bodyParameters")
    headers = reading.values(fields, "headers")
    check_header_names(fields, headers)
    shared_secret = client_token = None
    if fields.has("sharedSecretRef"):
        shared_secret = read_secret_key(fields.group("sharedSecretRef"))
    if fields.has("oauth2"):
        client_token = read_client_token(fields.group("oauth2"), reading)
    return HttpEndpointSpec(
        url=_url(fields, reading),
        method=_one_of(fields, "method", METHODS),
        body=reading.value(fields.group("body")) if fields.has("body") else None,
        parameters=reading.values(fields, "bodyParameters"),
        content_type=_one_of(fields, "contentType", (FORM, JSON)),
        headers=headers,
        shared_secret=shared_secret,
        client_token=client_token,
        credential=reading.credential(fields.group("credentials"))[0],
        timeout_s=reading.timeout(fields),
        escape=escape,
    )


def _one_of(fields: Fields, name: str, choices: tuple[str, ...]) -> str:
    """One of the choices, the first when none is given."""
    chosen = fields.text(name) or choices[0]
    if chosen not in choices:
        fields.fault(f"expected one of {', '.join(choices)}", name)
    return chosen


def _url(fields: Fields, reading: Reading) -> Template | Value:
    if fields.one_of("url", "urlExpression") == "urlExpression":
        return reading.expression(fields, "urlExpression")
    try:
        template = parse_template(fields.text("url"))
        if all(isinstance(piece, str) for piece in template.pieces):
            checked_url(template.text({}))
    except (ExpressionError, BadRequest) as error:
        fields.fault(str(error), "url")
        return Template(())
    return template


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request but for the credential of the endpoint; equal ones are equal calls."""

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)


class HttpEndpoint:
    """What a spec makes of the authorization document, and the call. Methods raise
    EvaluatorFailed."""

    def __init__(
        self,
        spec: HttpEndpointSpec,
        outgoing: Outgoing,
        shared_secret: str | None,
        client_token: ClientToken | None,
    ) -> None:
        self._spec = spec
        self._outgoing = outgoing
        self._shared_secret = shared_secret
        self._client_token = client_token

    def prepared(self, document: Mapping[str, object]) -> Prepared:
        """Nothing of the document is needed any more after this."""
        spec = self._spec
        if spec.method not in SENT_METHODS:
            raise EvaluatorFailed("unsupported method")
        headers = [
            (name, _text(resolved(value, document, EvaluatorFailed)))
            for name, value in spec.headers.items()
        ]
        body = self._body(document) if spec.method == "POST" else None
        headers.append(("Content-Type", "text/plain" if body is None else spec.content_type))
        return Prepared(self._url(document), tuple(headers), body)

    async def send(self, prepared: Prepared, deadline: float | None = None) -> OutgoingResponse:
        """deadline: time of the event loop at which nobody waits any more."""
        credential = self._shared_secret
        if self._client_token is not None:
            credential = await self._client_token.get(deadline)
        url, headers = prepared.url, prepared.headers
        if credential:
            url, added = _with_credential(url, self._spec.credential, credential)
            headers = *added, *headers  # an author's header replaces it, as with Authorino
        request = OutgoingRequest(
            self._spec.method,
            url,
            headers,
            prepared.body,
            self._spec.timeout_s,
            follow_redirects=True,
        )
        try:
            response = await self._outgoing.send(request, deadline)
        except OutgoingError as error:
            raise EvaluatorFailed(str(error)) from error
        if response.status == 401 and self._client_token is not None:
            self._client_token.forget()
        return response

    async def fetched(self, prepared: Prepared, deadline: float | None) -> OutgoingResponse:
        """As `send`; who asks for the same at the same time shares the answer to a GET."""
        if prepared.body is not None:
            return await self.send(prepared, deadline)
        key = self, prepared
        return await self._outgoing.shared(key, lambda: self.send(prepared))

    def _url(self, document: Mapping[str, object]) -> str:
        url = self._spec.url
        if isinstance(url, Template):
            try:
                return url.text(document, _escaped if self._spec.escape else str)
            except ValueError as error:
                raise EvaluatorFailed("the URL could not be made") from error
        text = resolved(url, document, EvaluatorFailed)
        if not isinstance(text, str):
            raise EvaluatorFailed("the URL is not a text")
        return text

    def _body(self, document: Mapping[str, object]) -> bytes:
        spec = self._spec
        if spec.body is not None:
            return _text(resolved(spec.body, document, EvaluatorFailed)).encode()
        values = {
            name: resolved(value, document, EvaluatorFailed)
            for name, value in spec.parameters.items()
        }
        if spec.content_type == JSON:
            return json_of_value(values, go_escapes=True).encode()
        return urlencode([(name, _text(values[name])) for name in sorted(values)]).encode()


def open_http_endpoint(spec: HttpEndpointSpec, opening: Opening) -> HttpEndpoint:
    """Raises errors.Unavailable."""
    outgoing = opening.services.outgoing
    client_token = shared_secret = None
    if spec.client_token is not None:
        client_token = open_client_token(spec.client_token, opening)
    if spec.shared_secret is not None:
        shared_secret = secret_text(spec.shared_secret, opening)
    return HttpEndpoint(spec, outgoing, shared_secret, client_token)


def _with_credential(
    url: str, place: Credential, credential: str
) -> tuple[str, list[tuple[str, str]]]:
    """The URL and the headers that carry the credential."""
    name = place.name
    if place.place is Place.AUTHORIZATION_HEADER:
        return url, [("Authorization", f"{name} {credential}")]
    if place.place is Place.CUSTOM_HEADER:
        return url, [(name, credential)]
    if place.place is Place.COOKIE:
        return url, [("Cookie", f"{name}={credential}")]
    base, mark, fragment = url.partition("#")
    separator = "&" if "?" in base else "?"
    pair = f"{quote_plus(name)}={quote_plus(credential)}"
    return f"{base}{separator}{pair}{mark}{fragment}", []


def _escaped(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _text(value: object) -> str:
    try:
        return text_of_value(value)
    except ValueError as error:
        raise EvaluatorFailed("a value has no text") from error
