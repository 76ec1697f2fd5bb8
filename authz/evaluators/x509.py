"""Authentication `x509`: a client certificate that leads to a trusted one.

Trusted are the certificates in the Secrets that a selector matches, as they are now: `tls.crt`,
else `ca.crt`, each may be a bundle; `ca.crl` takes certificates back. The identity is the
certificate's subject (reference §2.6). A certificate that was found good is remembered until the
first of its path ends, or until another set of certificates is trusted.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.x509 import Certificate, CertificateRevocationList

from _fastpath.document import NativeDocument
from authz.certificates.presented import INVALID, MOST_BYTES
from authz.certificates.revocation import read_lists
from authz.certificates.source import (
    CertificateHeader,
    ComputedCertificate,
    PeerCertificate,
    Source,
    XfccHeader,
)
from authz.certificates.trust import Trust, Trusted, read_bundle
from authz.entry_reading import Reading, check_header_names
from authz.errors import Unauthenticated
from authz.evaluator import IdentityEvaluator, Turn
from authz.fields import Fields
from authz.opening import Opening
from authz.secret import Secret, SecretId
from authz.selector_match import LabelSelector
from authz.services import Services

logger = logging.getLogger("tollhouse.authz")

Bundle = tuple[bytes, bytes]
SOURCES = ("xfccHeader", "clientCertHeader", "expression")


@dataclass(frozen=True, slots=True)
class X509:
    selector: LabelSelector
    all_namespaces: bool
    source: Source


def read_x509(fields: Fields, reading: Reading) -> X509:
    fields.known("selector", "allNamespaces", "source")
    if not fields.has("selector"):
        fields.fault("is required", "selector")
    selector = reading.label_selector(fields.group("selector"))
    source = _read_source(fields.group("source"), reading)
    return X509(selector, fields.boolean("allNamespaces"), source)


def _read_source(fields: Fields, reading: Reading) -> Source:
    fields.known(*SOURCES)
    if len(fields.data) > 1:
        fields.fault(f"expected at most one of {', '.join(SOURCES)}")
    if fields.text("expression"):
        return ComputedCertificate(reading.expression(fields, "expression"))
    if fields.text("xfccHeader"):
        check_header_names(fields, (fields.text("xfccHeader"),))
        return XfccHeader(fields.text("xfccHeader"))
    if fields.text("clientCertHeader"):
        check_header_names(fields, (fields.text("clientCertHeader"),))
        return CertificateHeader(fields.text("clientCertHeader"))
    return PeerCertificate()


class X509Identity(IdentityEvaluator):
    """scope: where the remembered table keeps identities, by what was presented as it stands."""

    scope: int

    def __init__(self, spec: X509, namespace: str, services: Services) -> None:
        self._source = spec.source
        self._place = None if spec.all_namespaces else namespace, spec.selector
        self._services = services
        self.scope = services.remembered.scope()
        self._managed: set[SecretId] = set()
        self._bundles: Mapping[SecretId, Bundle] = {}
        self._trust = Trust([])
        self._refresh()
        self._watch = services.secrets.watch(*self._place, self._refresh)

    async def identify(self, turn: Turn, credential: bytes | None) -> object:
        presented = self._source.text(turn.document)
        if sum(map(len, presented)) > MOST_BYTES:
            raise Unauthenticated(INVALID)
        remembered, key = self._services.remembered, "\0".join(presented).encode()
        known = remembered.find(self.scope, key, turn.wall_ns)
        if known is not None:
            return known.to_python()
        trust = self._trust
        found = await turn.run(_verified, self._source, presented, trust, turn.wall_ns)
        identity = NativeDocument(found.identity, numbers_as_double=True)
        remembered.put(self.scope, key, identity, found.expires_wall_ns)
        if trust is not self._trust:
            remembered.drop(self.scope)
        return found.identity

    def close(self) -> None:
        self._services.secrets.unwatch(self._watch)
        self._services.remembered.drop(self.scope)

    def _refresh(self) -> None:
        """Trust what the Secrets hold now; called by the task that changes the configuration."""
        found = self._wanted(self._services.secrets.matching(*self._place))
        bundles = {secret_id: _bundle_of(secret) for secret_id, secret in found.items()}
        if bundles == self._bundles:
            return
        self._bundles = bundles
        self._trust = _trust_in(bundles)
        self._services.remembered.drop(self.scope)

    def _wanted(self, secrets: list[Secret]) -> dict[SecretId, Secret]:
        """Without those that lost their managed-by label, which takes their trust away."""
        is_managed = self._services.managed.matches
        by_id = {secret.id: secret for secret in secrets}
        managed = {i for i, secret in by_id.items() if is_managed(secret.labels)}
        self._managed = managed | (self._managed & by_id.keys())
        lost = self._managed - managed
        return {i: secret for i, secret in by_id.items() if i not in lost}


def open_x509(spec: X509, opening: Opening) -> X509Identity:
    return X509Identity(spec, opening.namespace, opening.services)


def _verified(source: Source, text: tuple[str, ...], trust: Trust, wall_ns: int) -> Trusted:
    return trust.verify(source.read(text), wall_ns)


def _bundle_of(secret: Secret) -> Bundle:
    certificates = secret.values.get("tls.crt", secret.values.get("ca.crt", b""))
    return certificates, secret.values.get("ca.crl", b"")


def _trust_in(bundles: Mapping[SecretId, Bundle]) -> Trust:
    """Without the Secrets whose revocation lists cannot be read."""
    roots: list[Certificate] = []
    lists: list[CertificateRevocationList] = []
    for (namespace, name), (certificates, revoked) in bundles.items():
        found, unreadable = read_bundle(certificates)
        if unreadable or not found:
            logger.warning(
                "secret %s/%s: %d certificates read, %d unreadable",
                namespace, name, len(found), unreadable,
            )  # fmt: skip
        try:
            lists += read_lists(revoked)
            roots += found
        except ValueError as error:
            logger.error("secret %s/%s: not trusted: ca.crl: %s", namespace, name, error)
    return Trust(roots, lists)
