"""The subject of a certificate as the identity object that policies read.

Its members are those of Go's `pkix.Name` in JSON: lists of the common attributes, null when there
are none, and `Names` with every attribute as it stands.
"""

import base64
from collections.abc import Mapping

from cryptography import x509
from cryptography.x509.oid import NameOID

_LISTS: Mapping[str, x509.ObjectIdentifier] = {
    "Country": NameOID.COUNTRY_NAME,
    "Organization": NameOID.ORGANIZATION_NAME,
    "OrganizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "Locality": NameOID.LOCALITY_NAME,
    "Province": NameOID.STATE_OR_PROVINCE_NAME,
    "StreetAddress": NameOID.STREET_ADDRESS,
    "PostalCode": NameOID.POSTAL_CODE,
}
_SINGLE: Mapping[str, x509.ObjectIdentifier] = {
    "SerialNumber": NameOID.SERIAL_NUMBER,
    "CommonName": NameOID.COMMON_NAME,
}


def subject_of(certificate: x509.Certificate) -> dict[str, object]:
    """Of several common names or serial numbers the last counts. Raises ValueError."""
    attributes = [(a.oid, _text(a.value)) for a in certificate.subject]
    identity: dict[str, object] = {}
    for member, oid in _LISTS.items():
        identity[member] = [value for found, value in attributes if found == oid] or None
    for member, oid in _SINGLE.items():
        identity[member] = ([""] + [value for found, value in attributes if found == oid])[-1]
    identity["Names"] = [
        {"Type": [float(arc) for arc in oid.dotted_string.split(".")], "Value": value}
        for oid, value in attributes
    ] or None
    identity["ExtraNames"] = None
    return identity


def _text(value: str | bytes) -> str:
    """Only an attribute of bits, such as x500UniqueIdentifier, is no text already."""
    return value if isinstance(value, str) else base64.b64encode(value).decode()
