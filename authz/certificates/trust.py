"""Whether a presented certificate leads to a trusted one (RFC 5280 section 6).

The path is built and checked by `cryptography`, which also bounds its length and the number of
signatures it tries. Its own defaults are those of public web servers; the extensions that clients
of private CAs have are judged here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from authz.certificates.presented import INVALID, UNREADABLE, Presented
from authz.certificates.revocation import RevocationLists
from authz.certificates.subject import subject_of
from authz.errors import Unauthenticated

UNKNOWN_AUTHORITY = "x509: certificate signed by unknown authority"
WRONG_USAGE = "x509: certificate specifies an incompatible key usage"
IS_AUTHORITY = "x509: certificate of a certificate authority is not a client's"
_END = b"-----END CERTIFICATE-----"
_CLIENT_USAGES = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


@dataclass(frozen=True, slots=True)
class Trusted:
    """The identity of a client, and when the first certificate of its path, or the first revocation
    list about it, ends."""

    identity: dict[str, object]
    expires_wall_ns: int


class Trust:
    """A fixed set of trusted certificates, and what their authorities took back. Any thread."""

    def __init__(
        self,
        roots: Sequence[x509.Certificate],
        lists: Sequence[x509.CertificateRevocationList] = (),
    ) -> None:
        self._store = Store(list(roots)) if roots else None
        self._revoked = RevocationLists(lists)

    def verify(self, presented: Presented, wall_ns: int) -> Trusted:
        """Raises Unauthenticated."""
        now = datetime.fromtimestamp(wall_ns // 10**9, UTC)
        _check_validity(presented.leaf, now)
        try:
            path = self._path(presented, now)
            if not _may_be_client(presented.leaf):
                raise Unauthenticated(WRONG_USAGE)
            if _is_authority(presented.leaf):
                raise Unauthenticated(IS_AUTHORITY)
            outdated = self._revoked.check(path, now)
            identity = subject_of(presented.leaf)
        except VerificationError as error:
            raise Unauthenticated(UNKNOWN_AUTHORITY) from error
        except UNREADABLE as error:
            raise Unauthenticated(INVALID) from error
        ends = [certificate.not_valid_after_utc for certificate in path]
        first = min(ends if outdated is None else [*ends, outdated])
        return Trusted(identity, int(first.timestamp()) * 10**9)

    def _path(self, presented: Presented, now: datetime) -> list[x509.Certificate]:
        if self._store is None:
            raise Unauthenticated(UNKNOWN_AUTHORITY)
        policies = PolicyBuilder().store(self._store).time(now)
        policies = policies.extension_policies(ca_policy=_AUTHORITY, ee_policy=_CLIENT)
        return policies.build_client_verifier().verify(presented.leaf, list(presented.others)).chain


def read_bundle(pem: bytes) -> tuple[list[x509.Certificate], int]:
    """The certificates of a bundle, and how many others could not be read."""
    found, unreadable = [], 0
    for part in pem.split(_END)[:-1]:
        try:
            found.append(x509.load_pem_x509_certificate(part + _END))
        except UNREADABLE:
            unreadable += 1
    return found, unreadable


def _check_validity(leaf: x509.Certificate, now: datetime) -> None:
    """Raises Unauthenticated. Said apart, for it is what a holder can mend."""
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if begin <= now <= end:
        return
    wrong = f"before {_time(begin)}" if now < begin else f"after {_time(end)}"
    raise Unauthenticated(
        f"x509: certificate has expired or is not yet valid: current time {_time(now)} is {wrong}"
    )


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _may_be_client(leaf: x509.Certificate) -> bool:
    try:
        usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return not _CLIENT_USAGES.isdisjoint(usages)


def _is_authority(leaf: x509.Certificate) -> bool:
    try:
        return leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _check_is_authority(
    policy: Policy, certificate: x509.Certificate, extension: x509.BasicConstraints
) -> None:
    if not extension.ca:
        raise ValueError("is no certificate authority")


def _check_signs_certificates(
    policy: Policy, certificate: x509.Certificate, extension: x509.KeyUsage | None
) -> None:
    if extension is not None and not extension.key_cert_sign:
        raise ValueError("may not sign certificates")


def _check_vouches_for_clients(
    policy: Policy, certificate: x509.Certificate, extension: x509.ExtendedKeyUsage | None
) -> None:
    if extension is not None and _CLIENT_USAGES.isdisjoint(extension):
        raise ValueError("may not vouch for clients")


_CLIENT = ExtensionPolicy.permit_all()
_AUTHORITY = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_is_authority)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_signs_certificates)
    .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_vouches_for_clients)
)
