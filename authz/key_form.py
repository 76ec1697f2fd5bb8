"""Which values of a Secret are API keys, for the entries that share a form."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from _fastpath.document import NativeDocument
from authz.secret import Secret

logger = logging.getLogger("tollhouse.authz")

KEY = "api_key"
PAIRED_KEY = "app_key"
APP_ID = "app_id"
HASH_SUFFIX = "_sha256"
LONGEST_ID = 1024
_HASH = re.compile(rb"[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True)
class Key:
    """app_id: what has to come with it, empty for nothing. hashed: `value` is its SHA-256."""

    value: bytes = field(repr=False)
    hashed: bool
    app_id: bytes
    expires_wall_ns: int


@dataclass(frozen=True, slots=True)
class KeyForm:
    """names: of the values that hold a key each; `<name>_sha256` holds hashes in hexadecimal, with
    white space between. paired: a request brings the Secret's `app_id` as well. without_data: the
    identity is the Secret without its values."""

    names: tuple[str, ...] = (KEY,)
    paired: bool = False
    without_data: bool = False

    def identity(self, secret: Secret) -> NativeDocument:
        return secret.identity_without_data() if self.without_data else secret.identity

    def keys(self, secret: Secret) -> Iterator[Key]:
        """The keys of a Secret, none when it has no id although one is wanted."""
        app_id = secret.values.get(APP_ID, b"") if self.paired else b""
        if self.paired and not 0 < len(app_id) <= LONGEST_ID:
            return
        for name in self.names:
            expires = secret.expires_wall_ns(name)
            if secret.values.get(name):
                yield Key(secret.values[name], False, app_id, expires)
            for hashed in secret.values.get(name + HASH_SUFFIX, b"").split():
                if _HASH.fullmatch(hashed):
                    yield Key(bytes.fromhex(hashed.decode()), True, app_id, expires)
                else:
                    logger.warning(
                        "secret %s/%s: %s%s: expected 64 hexadecimal digits",
                        secret.namespace, secret.name, name, HASH_SUFFIX,
                    )  # fmt: skip
