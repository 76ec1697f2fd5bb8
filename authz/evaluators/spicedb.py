"""Authorization `spicedb`: granted when SpiceDB says that a subject has a permission.

One CheckPermission call per request, over a channel that stays open (reference §2.15). What makes
the call is loaded with the first AuthConfig that asks for it: its messages take 15 MB.
"""

import importlib
from dataclasses import dataclass

from authz.entry_reading import Reading
from authz.errors import Unavailable
from authz.evaluator import AuthorizationEvaluator
from authz.fields import Fields
from authz.opening import Opening
from authz.outgoing.endpoint import Endpoint
from authz.secret_key import SecretKey, read_secret_key, secret_text
from authz.value import Value


@dataclass(frozen=True, slots=True)
class SpiceDbObject:
    """An object of SpiceDB: `kind` is its definition, `name` its id."""

    name: Value
    kind: Value


@dataclass(frozen=True, slots=True)
class SpiceDb:
    """secret: where the preshared key is."""

    endpoint: Endpoint
    secret: SecretKey | None
    subject: SpiceDbObject
    resource: SpiceDbObject
    permission: Value


def read_spicedb(fields: Fields, reading: Reading) -> SpiceDb:
    fields.known("endpoint", "insecure", "sharedSecretRef", "subject", "resource", "permission")
    insecure = fields.boolean("insecure")
    try:
        endpoint = Endpoint.of(fields.text("endpoint"), insecure)
    except ValueError as error:
        fields.fault(str(error), "endpoint")
        endpoint = Endpoint("", 0, insecure)
    secret = None
    if fields.has("sharedSecretRef"):
        secret = read_secret_key(fields.group("sharedSecretRef"))
    return SpiceDb(
        endpoint,
        secret,
        _read_object(fields.group("subject"), reading),
        _read_object(fields.group("resource"), reading),
        reading.value(fields.group("permission")),
    )


def _read_object(fields: Fields, reading: Reading) -> SpiceDbObject:
    fields.known("name", "kind")
    return SpiceDbObject(reading.value(fields.group("name")), reading.value(fields.group("kind")))


def open_spicedb(spec: SpiceDb, opening: Opening) -> AuthorizationEvaluator:
    text = "" if spec.secret is None else secret_text(spec.secret, opening)
    if not text.isascii():
        raise Unavailable(f"{spec.secret} has to be ASCII")
    client = importlib.import_module("authz.spicedb_client")
    evaluator: AuthorizationEvaluator = client.SpiceDbAuthorization(
        spec, opening.services.grpc, text
    )
    return evaluator
