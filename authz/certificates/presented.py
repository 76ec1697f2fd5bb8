"""What a client presented: its own certificate, and others that may help to trust it.

Certificates that hold no key of the client's own must never become the client. A TLS peer proves
that it holds the key of the first certificate it sends (RFC 8446 section 4.4.2), so the first is
the client's, whatever follows.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from authz.certificates.xfcc import read_first_element
from authz.errors import Unauthenticated

INVALID = "invalid client certificate"
MOST_BYTES = 64 * 1024  # of what a client presents; a chain of four takes about 8 KiB
MOST_CERTIFICATES = 10
UNREADABLE = (ValueError, x509.InvalidVersion, x509.DuplicateExtension, UnsupportedAlgorithm)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Presented:
    """The client's own certificate first; the order of the others has no meaning."""

    leaf: x509.Certificate
    others: tuple[x509.Certificate, ...] = ()


def from_escaped_pem(text: str) -> Presented:
    """Out of PEM in percent-encoding, as Envoy's `source.certificate` is. Raises Unauthenticated.

    A plus is a space, as in a query: base64 that was not escaped does not survive that.
    """
    if _BAD_ESCAPE.search(text):
        raise Unauthenticated(INVALID)
    return _presented(_from_pem(_unescaped(text)))


def from_xfcc(header: str) -> Presented:
    """Out of X-Forwarded-Client-Cert: `Cert` of the first element, else the first of its `Chain`.

    The other certificates of both may lie between it and a CA. Raises Unauthenticated.
    """
    try:
        element = read_first_element(header)
        texts = [element[key] for key in ("cert", "chain") if element.get(key)]
        if not texts:
            raise ValueError("client certificate not found in XFCC header")
        for text in texts:
            bad = _BAD_ESCAPE.search(text)
            if bad:
                quoted = ascii(bad[0])[1:-1]
                raise ValueError(
                    "failed to URL-decode certificate from XFCC header:"
                    f' invalid URL escape "{quoted}"'
                )
    except ValueError as error:
        raise Unauthenticated(f"failed to extract certificate from XFCC: {error}") from error
    return _presented([found for text in texts for found in _from_pem(_unescaped(text))])


def from_client_cert(header: str, chain: str = "") -> Presented:
    """Out of Client-Cert, and Client-Cert-Chain if given (RFC 9440). Raises Unauthenticated."""
    try:
        items = [header, *(chain.split(",") if chain else ())]
        encoded = [_byte_sequence(item) for item in items[: MOST_CERTIFICATES + 1]]
    except ValueError as error:
        reason = f"failed to extract certificate from Client-Cert header: {error}"
        raise Unauthenticated(reason) from error
    try:
        return _presented([x509.load_der_x509_certificate(der) for der in encoded])
    except UNREADABLE as error:
        raise Unauthenticated(INVALID) from error


def _presented(certificates: Sequence[x509.Certificate]) -> Presented:
    if len(certificates) > MOST_CERTIFICATES:
        raise Unauthenticated(INVALID)
    if any(certificate.serial_number <= 0 for certificate in certificates):
        raise Unauthenticated(INVALID)  # RFC 5280 section 4.1.2.2
    return Presented(certificates[0], tuple(certificates[1:]))


def _unescaped(text: str) -> bytes:
    return unquote_to_bytes(text.replace("+", " "))


def _from_pem(pem: bytes) -> list[x509.Certificate]:
    """At least one; one that cannot be read refuses them all."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except UNREADABLE as error:
        raise Unauthenticated(INVALID) from error


def _byte_sequence(item: str) -> bytes:
    """RFC 8941 section 3.3.5. Raises ValueError, whose text the caller reads."""
    item = item.strip()
    if not (item.startswith(":") and item.endswith(":")):
        raise ValueError(
            "invalid Client-Cert header format: missing colon delimiters"
            " (expected format: :base64_cert:)"
        )
    text = item[1:-1].strip()
    if not text:
        raise ValueError("empty certificate in Client-Cert header")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("failed to base64 decode certificate: illegal base64 data") from None
