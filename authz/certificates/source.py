"""Where in a request a client certificate stands (AuthConfig: `x509.source`).

`text` takes it out of the authorization document as it stands, `read` makes certificates of it;
both raise errors.Unauthenticated. `credential` says the same place to the native lane, where it is
one text that the request has; else it is None.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from _fastpath.rule_spec import Credential, Place
from authz.certificates.presented import Presented, from_client_cert, from_escaped_pem, from_xfcc
from authz.errors import Unauthenticated
from authz.resolution import resolved_text
from authz.value import Document, Value

MISSING = "client certificate is missing"
Text = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The certificate of the TLS peer, as the proxy reports it in `source.certificate`."""

    @property
    def credential(self) -> Credential | None:
        return Credential(Place.PEER_CERTIFICATE, "")

    def text(self, document: Document) -> Text:
        return (_present(_member(document, "source").get("certificate")),)

    def read(self, text: Text) -> Presented:
        return from_escaped_pem(text[0])


@dataclass(frozen=True, slots=True)
class XfccHeader:
    """X-Forwarded-Client-Cert, or a header of this name in its form."""

    name: str

    @property
    def credential(self) -> Credential | None:
        return Credential(Place.CERTIFICATE_HEADER, self.name.lower())

    def text(self, document: Document) -> Text:
        found = _header(document, self.name)
        if found is None:
            reason = f"failed to extract XFCC header: header {self.name} not found in request"
            raise Unauthenticated(reason)
        return (found,)

    def read(self, text: Text) -> Presented:
        return from_xfcc(text[0])


@dataclass(frozen=True, slots=True)
class CertificateHeader:
    """Client-Cert of RFC 9440, or a header of this name in its form; with `-Chain` appended to the
    name, that of the other certificates."""

    name: str
    credential: None = None

    def text(self, document: Document) -> Text:
        found = _header(document, self.name)
        if found is None:
            raise Unauthenticated(f"header {self.name} not found in request")
        return found, _header(document, f"{self.name}-Chain") or ""

    def read(self, text: Text) -> Presented:
        return from_client_cert(*text)


@dataclass(frozen=True, slots=True)
class ComputedCertificate:
    """PEM in percent-encoding that an expression gives."""

    value: Value
    credential: None = None

    def text(self, document: Document) -> Text:
        try:
            found = resolved_text(self.value, document, Unauthenticated)
        except Unauthenticated as error:
            reason = f"failed to obtain the client certificate: {error}"
            raise Unauthenticated(reason) from error
        return (found,)

    def read(self, text: Text) -> Presented:
        return from_escaped_pem(text[0])


Source = PeerCertificate | XfccHeader | CertificateHeader | ComputedCertificate


def _present(found: object) -> str:
    if not isinstance(found, str) or not found:
        raise Unauthenticated(MISSING)
    return found


def _header(document: Document, name: str) -> str | None:
    found = _member(_member(document, "request"), "headers").get(name.lower())
    return found if isinstance(found, str) else None


def _member(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}
