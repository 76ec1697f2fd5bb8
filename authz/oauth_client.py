"""What evaluators share that are clients of an authorization server (RFC 6749)."""

import base64
from dataclasses import dataclass, field
from urllib.parse import urlencode

from authz.fields import Fields
from authz.jwt.token import MOST_TOKEN_BYTES
from authz.opening import Opening
from authz.outgoing.errors import BadRequest
from authz.outgoing.message import OutgoingRequest
from authz.secret_key import SecretKey, secret_text

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    id: str
    secret: str = field(repr=False)

    def post(self, url: str, timeout_s: float | None, **form: str) -> OutgoingRequest:
        """A form sent by the client. Id and secret go into the header as they are, which Authorino
        does; RFC 6749 §2.3.1 would have them form-encoded first."""
        pair = base64.b64encode(f"{self.id}:{self.secret}".encode()).decode()
        headers = ("Authorization", f"Basic {pair}"), ("Content-Type", FORM)
        return OutgoingRequest("POST", url, headers, urlencode(form).encode(), timeout_s)


def read_credentials_ref(fields: Fields) -> str:
    """The name of the Secret with `clientID` and `clientSecret`."""
    if not fields.has("credentialsRef"):
        fields.fault("is required", "credentialsRef")
        return ""
    reference = fields.group("credentialsRef")
    reference.known("name")
    return reference.required_text("name")


def open_credentials(opening: Opening, name: str) -> ClientCredentials:
    """Raises errors.Unavailable."""
    texts = (secret_text(SecretKey(name, key), opening) for key in ("clientID", "clientSecret"))
    return ClientCredentials(*texts)


def token_text(credential: bytes) -> str:
    """Raises ValueError for what no server would take for a token."""
    if len(credential) > MOST_TOKEN_BYTES:
        raise ValueError("the credential is too long")
    return credential.decode()


def bearer_header(credential: bytes) -> tuple[str, str]:
    """Raises BadRequest."""
    try:
        return "Authorization", f"Bearer {token_text(credential)}"
    except ValueError:
        raise BadRequest("the credential is no token") from None
