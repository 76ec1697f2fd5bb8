"""Believing a token: who issued it, when, for whom, and which key signed it.

Pure functions of the token, the trusted keys and the clock; safe on any thread.
"""

import json
from dataclasses import dataclass

from _fastpath.document import NativeDocument
from authz.errors import Unauthenticated
from authz.jwt.key_set import KeySet
from authz.jwt.token import Claims, Header, Segments, quoted, read_claims, read_header, split


class SignatureRefused(Unauthenticated):
    """No key that is known signed the token; one that is not known yet may have."""

    def __init__(self) -> None:
        super().__init__("failed to verify signature: failed to verify id token signature")


@dataclass(frozen=True, slots=True)
class Trust:
    """algorithms: those a token may name, in the order its reasons tell them."""

    keys: KeySet
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """Of the claims; empty: anything goes, as in Authorino. One audience in common is enough."""

    issuer: str = ""
    audiences: frozenset[str] = frozenset()

    def check(self, claims: Claims) -> None:
        """Raises Unauthenticated."""
        if self.issuer and claims.issuer != self.issuer:
            raise Unauthenticated("oidc: id token issued by a different provider")
        if self.audiences and self.audiences.isdisjoint(claims.audiences):
            raise Unauthenticated("oidc: the token is for another audience")


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """expires_wall_ns: never to be believed from then on; Unix time."""

    claims: NativeDocument
    expires_wall_ns: int


def verify(token: bytes, trust: Trust, expected: Expected, wall_ns: int) -> VerifiedToken:
    """Raises Unauthenticated; SignatureRefused when all but the signature is as it should be."""
    segments, claims = read_valid(token, expected, wall_ns)
    header = read_header(segments.header)
    _check_algorithm(header, trust.algorithms)
    signature = segments.signature_bytes()
    if not trust.keys.verified(header, segments.signed, signature):
        raise SignatureRefused
    try:
        document = NativeDocument(claims.members, numbers_as_double=True)
    except ValueError:
        raise Unauthenticated("oidc: failed to unmarshal claims: not Unicode") from None
    return VerifiedToken(document, claims.expires_wall_ns)


def read_valid(token: bytes, expected: Expected, wall_ns: int) -> tuple[Segments, Claims]:
    """All that can be judged without a key. Raises Unauthenticated."""
    segments = split(token)
    claims = read_claims(segments.payload)
    expected.check(claims)
    claims.check_times(wall_ns)
    return segments, claims


def _check_algorithm(header: Header, allowed: tuple[str, ...]) -> None:
    if header.algorithm not in allowed:
        names = " ".join(json.dumps(name) for name in allowed)
        raise Unauthenticated(
            "oidc: malformed jwt: unexpected signature algorithm"
            f" {quoted(header.algorithm)}; expected [{names}]"
        )
