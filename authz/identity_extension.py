"""`defaults` and `overrides`: members that an identity gets once it is known (reference §2.8)."""

from _fastpath.rule import IDENTITY_NO_OBJECT
from authz.config import Authentication
from authz.errors import Unauthenticated
from authz.resolution import resolved
from authz.value import Document


def extended(entry: Authentication, identity: object, document: Document) -> object:
    """The identity with its extensions; all of them see it without. Raises Unauthenticated.

    `document` is the authorization document from before the identity was known.
    """
    if not entry.defaults and not entry.overrides:
        return identity
    if not isinstance(identity, dict):
        raise Unauthenticated(IDENTITY_NO_OBJECT)
    auth = document.get("auth")
    before = auth if isinstance(auth, dict) else {}
    seen = {**document, "auth": {**before, "identity": identity}}
    defaults = {
        name: resolved(value, seen, Unauthenticated)
        for name, value in entry.defaults.items()
        if name not in identity
    }
    overrides = {
        name: resolved(value, seen, Unauthenticated) for name, value in entry.overrides.items()
    }
    return {**defaults, **identity, **overrides}
