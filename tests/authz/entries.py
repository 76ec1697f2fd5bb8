"""Evaluators by themselves: read from an entry, opened, and asked as the pipeline asks them."""

from collections.abc import Mapping
from typing import Any

from envoy.service.auth.v3 import external_auth_pb2

from _fastpath.check_codec import decode_check_request
from _fastpath.rule_spec import Credential
from authz.config import Authentication
from authz.entry_reading import Reading
from authz.errors import InvalidAuthConfig
from authz.evaluator import Identified, IdentityEvaluator, Turn
from authz.fields import Fields
from authz.kind import Kind
from authz.opening import Opening
from authz.secret import read_secret
from authz.services import Services
from authz.value_reading import ConditionReader

NAMESPACE = "shop"
NOW = 1_790_000_000 * 10**9


def read(kind: Kind, data: Mapping[str, Any], **extension: Any) -> Any:
    """The spec of a method's mapping. Raises InvalidAuthConfig."""
    fields = Fields(data, ("entry",))
    reading = Reading(fields, Fields(extension, ("extension",), fields.faults), ConditionReader({}))
    spec = kind.read(fields, reading)
    if fields.faults:
        raise InvalidAuthConfig(tuple(fields.faults))
    return spec


def faults(kind: Kind, data: Mapping[str, Any], **extension: Any) -> list[str]:
    try:
        read(kind, data, **extension)
    except InvalidAuthConfig as error:
        return [str(fault) for fault in error.faults]
    return []


def opening(services: Services, **specs: Any) -> Opening:
    """For an entry beside authentication entries with these specs."""
    return Opening("shop/toys", NAMESPACE, "entry", services, specs)


def put_secret(services: Services, name: str, **values: str) -> None:
    document = {"metadata": {"name": name}, "stringData": values}
    services.secrets.put(read_secret(NAMESPACE, name, document))


def turn(
    services: Services,
    path: str = "/",
    method: str = "GET",
    host: str = "toys.com",
    headers: Mapping[str, str] | None = None,
    identity: object = None,
    identified: Identified | None = None,
) -> Turn:
    message = external_auth_pb2.CheckRequest()
    http = message.attributes.request.http
    http.path, http.method, http.host = path, method, host
    http.headers.update(headers or {})
    request = decode_check_request(message.SerializeToString(), 1_000, NOW)
    auth = {} if identity is None else {"identity": identity}
    document = {**request.attributes(), "auth": auth}
    return Turn(request, document, 1_000, NOW, None, identified, services.workers)


def identified(kind: Kind, spec: object, credential: bytes | None) -> Identified:
    """Somebody whom an entry of this kind let in."""
    entry = Authentication(
        name="idp", kind=kind, spec=spec, credential=Credential(), challenge="Bearer"
    )
    return Identified(entry, _Nobody(), credential)


class _Nobody(IdentityEvaluator):
    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        raise AssertionError("authentication is over")
