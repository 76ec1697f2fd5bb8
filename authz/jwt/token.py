"""A signed token in its compact form (RFC 7515 §3.1), taken apart and not yet believed.

Claims come before the header, as Authorino reads them: a caller learns that a token is expired
whatever signed it. Reasons are Authorino's; of the token they quote nothing but its algorithm.
"""

import binascii
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

from authz.errors import Unauthenticated
from authz.jwt.token_json import read_object

MOST_TOKEN_BYTES = 32 << 10
MOST_HEADER_BYTES = 4 << 10
NOT_BEFORE_LEEWAY_S = 300
SECOND_NS = 10**9
_LATEST_NS = 2**63 - 1
_ALPHABET = bytes.maketrans(b"-_+/=", b"+/!!!")  # base64url; its stand-ins are no letters of it
_GO_ZERO_TIME = "0001-01-01 00:00:00"


@dataclass(frozen=True, slots=True)
class Header:
    """key_id: None when the token names no key; then every key may have signed it."""

    algorithm: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class Claims:
    """What the issuer says, once the signature holds.

    audiences: the text or the texts of `aud`. expires_s: `exp` in whole seconds of Unix time, None
    when there is none. not_before_s: 0 when there is none.
    """

    members: dict[str, object] = field(repr=False)
    issuer: str
    audiences: tuple[str, ...]
    expires_s: int | None
    not_before_s: int

    @property
    def expires_wall_ns(self) -> int:
        return min((self.expires_s or 0) * SECOND_NS, _LATEST_NS)

    def check_times(self, wall_ns: int) -> None:
        """RFC 7519 §4.1.4, §4.1.5: a token without `exp` is an expired one, `nbf` has a leeway.

        Raises Unauthenticated.
        """
        if self.expires_s is None or wall_ns >= self.expires_s * SECOND_NS:
            expiry = _GO_ZERO_TIME if self.expires_s is None else _time_text(self.expires_s)
            raise Unauthenticated(f"oidc: token is expired (Token Expiry: {expiry} +0000 UTC)")
        now_s = wall_ns // SECOND_NS
        if now_s + NOT_BEFORE_LEEWAY_S < self.not_before_s:
            raise Unauthenticated(
                f"oidc: current time {_time_text(now_s)} +0000 UTC before the nbf (not before)"
                f" time: {_time_text(self.not_before_s)} +0000 UTC"
            )


@dataclass(frozen=True, slots=True)
class Segments:
    """The three parts as sent, in base64url."""

    header: bytes
    payload: bytes
    signature: bytes = field(repr=False)

    @property
    def signed(self) -> bytes:
        return self.header + b"." + self.payload

    def signature_bytes(self) -> bytes:
        """Raises Unauthenticated."""
        try:
            return decode_segment(self.signature)
        except ValueError as error:
            raise _malformed(f"the signature is {error}") from None


def split(token: bytes) -> Segments:
    """Raises Unauthenticated."""
    if len(token) > MOST_TOKEN_BYTES:
        raise _malformed("the token is too long")
    parts = token.count(b".") + 1
    if parts != 3:
        raise _malformed(f"oidc: malformed jwt, expected 3 parts got {parts}")
    return Segments(*token.split(b"."))


def read_claims(payload: bytes) -> Claims:
    """Claims of the base64url text `payload`. Raises Unauthenticated."""
    try:
        plain = decode_segment(payload)
    except ValueError as error:
        raise _malformed(f"oidc: malformed jwt payload: {error}") from None
    try:
        members = read_object(plain)
        _text(members, "sub")
        return Claims(
            members,
            _text(members, "iss"),
            _audiences(members.get("aud")),
            _seconds(members, "exp"),
            _seconds(members, "nbf") or 0,
        )
    except ValueError as error:
        raise Unauthenticated(f"oidc: failed to unmarshal claims: {error}") from None


@lru_cache(maxsize=256)
def read_header(segment: bytes) -> Header:
    """The header of the base64url text `segment`, remembered: an issuer writes few different ones.

    Its `jwk`, `jku`, `x5u` and `x5c` have no say: keys come from configuration alone. A `crit`
    names extensions that must be understood (RFC 7515 §4.1.11), and none is; `b64` is one of them
    (RFC 7797 §6). Raises Unauthenticated.
    """
    if len(segment) > MOST_HEADER_BYTES:
        raise _malformed("the header is too long")
    try:
        members = read_object(decode_segment(segment))
    except ValueError as error:
        raise _malformed(f"the header is malformed: {error}") from None
    algorithm, key_id = members.get("alg"), members.get("kid", "")
    if not isinstance(algorithm, str):
        raise _malformed("the header names no algorithm")
    if not isinstance(key_id, str):
        raise _malformed("the header's kid is no string")
    if "crit" in members or "b64" in members:
        raise _malformed("the header has critical extensions")
    return Header(algorithm, key_id or None)


def decode_segment(segment: bytes) -> bytes:
    """base64url without padding (RFC 7515 §2). Raises ValueError."""
    try:
        padding = b"=" * (-len(segment) % 4)
        return binascii.a2b_base64(segment.translate(_ALPHABET) + padding, strict_mode=True)
    except binascii.Error:
        raise ValueError("illegal base64 data") from None


def quoted(text: str) -> str:
    """For a reason: short and in ASCII, whatever a caller made up."""
    return json.dumps(text if len(text) <= 32 else text[:32] + "...")


def _malformed(what: str) -> Unauthenticated:
    return Unauthenticated(f"oidc: malformed jwt: {what}")


def _text(members: dict[str, object], name: str) -> str:
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is no string")
    return value or ""


def _audiences(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ValueError("aud is neither a string nor a list of strings")


def _seconds(members: dict[str, object], name: str) -> int | None:
    """Whole seconds; Authorino takes a number in a string, too. Raises ValueError."""
    if name not in members:
        return None
    value = members[name]
    try:
        if isinstance(value, float):
            return int(value)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(float(value))
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{name} is no number")


def _time_text(seconds: int) -> str:
    """As Go prints it; what is past the calendar stays a number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return str(seconds)
