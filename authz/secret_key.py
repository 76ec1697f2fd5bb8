"""One value of a Secret, as entries of an AuthConfig refer to it."""

import re
from dataclasses import dataclass

from authz.errors import Unavailable
from authz.fields import Fields
from authz.opening import Opening

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A value of a Secret in the AuthConfig's namespace."""

    name: str
    key: str

    def __str__(self) -> str:
        return f"key {self.key!r} of Secret {self.name!r}"


def read_secret_key(reference: Fields) -> SecretKey:
    reference.known("name", "key")
    return SecretKey(reference.required_text("name"), reference.required_text("key"))


def secret_text(reference: SecretKey, opening: Opening) -> str:
    """What can be sent as a credential. Raises errors.Unavailable."""
    try:
        text = opening.secret(reference.name, reference.key).decode()
    except UnicodeDecodeError:
        text = "\0"
    if _CONTROL.search(text):
        raise Unavailable(f"{reference} holds line ends or other characters that cannot be sent")
    return text
