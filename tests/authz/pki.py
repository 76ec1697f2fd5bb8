"""Certificates for tests, issued on the spot."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
SERVER = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def name(common_name: str, *organizations: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, o) for o in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass
class Issued:
    """A certificate with its key, in the forms that proxies send it in."""

    certificate: x509.Certificate
    key: Key = field(repr=False)

    @cached_property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def escaped(self) -> str:
        return escaped(self)

    @property
    def byte_sequence(self) -> str:
        der = self.certificate.public_bytes(Encoding.DER)
        return f":{base64.b64encode(der).decode()}:"

    def issue(
        self,
        common_name: str,
        *organizations: str,
        authority: bool = False,
        path_length: int | None = None,
        extensions: Sequence[x509.ExtensionType] = (),
        until: datetime = datetime(2120, 1, 1, tzinfo=UTC),
        key: Key | None = None,
    ) -> "Issued":
        own = key or ec.generate_private_key(ec.SECP256R1())
        subject, issuer = name(common_name, *organizations), self.certificate.subject
        return _issued(subject, own, issuer, self.key, authority, path_length, extensions, until)

    def revokes(
        self,
        *revoked: "Issued",
        until: datetime = datetime(2120, 1, 1, tzinfo=UTC),
        extension: x509.ExtensionType | None = None,
    ) -> str:
        """A revocation list in PEM; `extension` is a critical one."""
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self.certificate.subject,
            last_update=datetime(2020, 1, 1, tzinfo=UTC),
            next_update=until,
        )
        for issued in revoked:
            entry = x509.RevokedCertificateBuilder(
                serial_number=issued.certificate.serial_number,
                revocation_date=datetime(2020, 1, 1, tzinfo=UTC),
            )
            builder = builder.add_revoked_certificate(entry.build())
        if extension is not None:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM).decode()


def escaped(*chain: Issued) -> str:
    return quote("".join(issued.pem for issued in chain), safe="")


def root(
    common_name: str = "root",
    *,
    authority: bool = True,
    path_length: int | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
    until: datetime = datetime(2120, 1, 1, tzinfo=UTC),
) -> Issued:
    key, subject = ec.generate_private_key(ec.SECP256R1()), name(common_name)
    return _issued(subject, key, subject, key, authority, path_length, extensions, until)


def _issued(
    subject: x509.Name,
    key: Key,
    issuer: x509.Name,
    issuer_key: Key,
    authority: bool,
    path_length: int | None,
    extensions: Sequence[x509.ExtensionType],
    until: datetime,
) -> Issued:
    builder = x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_valid_after=until,
    ).add_extension(x509.BasicConstraints(authority, path_length), critical=True)
    for extension in extensions:
        critical = isinstance(extension, x509.UnrecognizedExtension)
        builder = builder.add_extension(extension, critical=critical)
    algorithm = None if isinstance(issuer_key, ed25519.Ed25519PrivateKey) else SHA256()
    return Issued(builder.sign(issuer_key, algorithm), key)
