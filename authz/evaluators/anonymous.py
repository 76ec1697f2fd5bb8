"""Authentication `anonymous`: everybody is let in as nobody."""

from collections.abc import Mapping
from dataclasses import dataclass

from authz.entry_reading import Reading
from authz.evaluator import IdentityEvaluator, Turn
from authz.fields import Fields
from authz.opening import Opening

IDENTITY: Mapping[str, object] = {"anonymous": True}


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Always succeeds with {"anonymous": true}."""


def read_anonymous(fields: Fields, reading: Reading) -> Anonymous:
    fields.known()
    return Anonymous()


class AnonymousIdentity(IdentityEvaluator):
    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        return dict(IDENTITY)


def open_anonymous(spec: Anonymous, opening: Opening) -> AnonymousIdentity:
    return AnonymousIdentity()
