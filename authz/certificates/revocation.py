"""Certificates that their authority has taken back (RFC 5280 section 5).

Lists come from the Secrets with the trusted certificates; none is fetched. A list speaks for the
authority that signed it, and an authority without a list takes nothing back.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes

from authz.errors import Unauthenticated

REVOKED = "x509: certificate is revoked"
OUTDATED = "x509: the revocation list of the certificate's authority has expired"
_BEGIN = b"-----BEGIN X509 CRL-----"


class RevocationLists:
    """Any thread."""

    def __init__(self, lists: Sequence[x509.CertificateRevocationList] = ()) -> None:
        self._by_issuer: dict[x509.Name, list[x509.CertificateRevocationList]] = {}
        for one in lists:
            self._by_issuer.setdefault(one.issuer, []).append(one)

    def check(self, path: Sequence[x509.Certificate], now: datetime) -> datetime | None:
        """When the first of the lists that speak for this path ends, None without any. The path
        begins with the client. Raises Unauthenticated when one takes back a certificate of the
        path, or has ended."""
        ends = []
        for certificate, issuer in pairwise(path):
            for one in self._lists_of(issuer):
                if one.get_revoked_certificate_by_serial_number(certificate.serial_number):
                    raise Unauthenticated(REVOKED)
                end = one.next_update_utc
                if end is not None and end < now:
                    raise Unauthenticated(OUTDATED)
                ends += [] if end is None else [end]
        return min(ends, default=None)

    def _lists_of(self, issuer: x509.Certificate) -> Iterator[x509.CertificateRevocationList]:
        key = cast(CertificateIssuerPublicKeyTypes, issuer.public_key())  # it signed certificates
        for one in self._by_issuer.get(issuer.subject, ()):
            if one.is_signature_valid(key):
                yield one


def read_lists(pem: bytes) -> list[x509.CertificateRevocationList]:
    """Raises ValueError when one cannot be read or says less than it seems: a list with a critical
    extension is about a part of the certificates, or a change of another list."""
    found = []
    for part in pem.split(_BEGIN)[1:]:
        try:
            one = x509.load_pem_x509_crl(_BEGIN + part)
            critical = any(extension.critical for extension in one.extensions)
        except (UnsupportedAlgorithm, x509.DuplicateExtension) as error:
            raise ValueError(str(error)) from error
        if critical:
            raise ValueError("has a critical extension")
        found.append(one)
    if not found and pem.strip():
        raise ValueError("is no revocation list in PEM")
    return found
