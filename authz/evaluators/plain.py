"""Authentication `plain`: the identity is a part of the request, proven by whoever put it there."""

from dataclasses import dataclass

from _fastpath.rule import IDENTITY_MISSING
from authz.entry_reading import Reading
from authz.errors import Unauthenticated
from authz.evaluator import IdentityEvaluator, Turn
from authz.fields import Fields
from authz.opening import Opening
from authz.resolution import resolved
from authz.value import Value


@dataclass(frozen=True, slots=True)
class Plain:
    """source: the text of the selector or expression, which is the challenge (reference §2.1)."""

    value: Value
    source: str


def read_plain(fields: Fields, reading: Reading) -> Plain:
    fields.known("selector", "expression")
    fields.one_of("selector", "expression")
    source = fields.text("expression") or fields.text("selector")
    return Plain(reading.value(fields), source)


class PlainIdentity(IdentityEvaluator):
    def __init__(self, value: Value) -> None:
        self._value = value

    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        identity = resolved(self._value, turn.document, Unauthenticated)
        if identity is None:
            raise Unauthenticated(IDENTITY_MISSING)
        return identity


def open_plain(spec: Plain, opening: Opening) -> PlainIdentity:
    return PlainIdentity(spec.value)
