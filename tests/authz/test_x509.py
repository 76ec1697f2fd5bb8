"""Authentication by client certificate: sources, Secrets with authorities, what is remembered."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from authz.certificates import trust
from authz.certificates.trust import UNKNOWN_AUTHORITY
from tests.authz.lanes import Answer, Lanes, check_request
from tests.authz.pki import CLIENT, Issued, escaped, root

ROOT, OTHER = root(), root("other")
INTERMEDIATE = ROOT.issue("intermediate", authority=True)
ALICE = ROOT.issue("alice", "ACME Inc.", extensions=[CLIENT])
BOB = OTHER.issue("bob", extensions=[CLIENT])
DEEP = INTERMEDIATE.issue("deep", extensions=[CLIENT])
MANAGED = {"authorino.kuadrant.io/managed-by": "authorino"}


class Gate:
    """An AuthConfig that lets certificates in, and tells whose they are."""

    def __init__(self, **x509: Any) -> None:
        self.lanes = Lanes()
        self.lanes.may_defer = True
        self.native = False
        self.faults = self.lanes.config(
            authentication={"mtls": {"x509": {"selector": {"matchLabels": {"ca": "x"}}, **x509}}},
            response={
                "success": {
                    "headers": {"x-cn": {"plain": {"selector": "auth.identity.CommonName"}}}
                }
            },
        )

    def trust(
        self, *bundle: Issued, name: str = "ca", key: str = "ca.crt", **metadata: Any
    ) -> None:
        self.put({key: "".join(issued.pem for issued in bundle)}, name, **metadata)

    def put(
        self, data: dict[str, str], name: str = "ca", namespace: str = "shop", **labels: str
    ) -> None:
        document = {
            "metadata": {"name": name, "labels": {"ca": "x", **labels}},
            "stringData": data,
        }
        assert self.lanes.configuration.put_secret(namespace, name, document) is None

    def ask(self, certificate: str = "", **headers: str) -> str:
        """The common name, or the reason of the refusal."""
        request = check_request(host="toys.com", **headers)
        request.attributes.source.certificate = certificate
        answer = self.lanes.ask(request)
        self.native = answer.native
        return dict(answer.headers).get("x-cn") or _reason(answer)


def _reason(answer: Answer) -> str:
    assert (answer.code, answer.http_status) == (16, 401)
    assert ("WWW-Authenticate", 'Certificate realm="mtls"') in answer.headers
    return str(answer.reason)


# ---- sources


def test_certificate_of_the_peer_is_the_default() -> None:
    gate = Gate()
    gate.trust(ROOT)
    assert gate.ask(ALICE.escaped) == "alice"
    assert gate.ask() == "client certificate is missing"
    assert gate.ask("hello") == "invalid client certificate"
    assert gate.ask(BOB.escaped) == UNKNOWN_AUTHORITY
    assert gate.ask(escaped(BOB, ROOT)) == UNKNOWN_AUTHORITY
    assert gate.ask(x_forwarded_client_cert=f"Cert={ALICE.escaped}") == (
        "client certificate is missing"
    )


def test_xfcc_header_of_any_name() -> None:
    gate = Gate(source={"xfccHeader": "X-Client"})
    gate.trust(ROOT)
    assert gate.ask(x_client=f'Hash=a;Cert="{ALICE.escaped}"') == "alice"
    chain = escaped(DEEP, INTERMEDIATE)
    assert gate.ask(x_client=f"Cert={DEEP.escaped};Chain={chain}") == "deep"
    missing = "failed to extract XFCC header: header X-Client not found in request"
    assert gate.ask(ALICE.escaped) == missing
    empty = "failed to extract certificate from XFCC: XFCC header is empty"
    assert gate.ask(x_client="") == empty


def test_client_cert_header_with_its_chain() -> None:
    gate = Gate(source={"clientCertHeader": "Client-Cert"})
    gate.trust(ROOT)
    assert gate.ask(client_cert=ALICE.byte_sequence) == "alice"
    assert gate.ask(client_cert=DEEP.byte_sequence) == UNKNOWN_AUTHORITY
    chain = INTERMEDIATE.byte_sequence
    assert gate.ask(client_cert=DEEP.byte_sequence, client_cert_chain=chain) == "deep"
    assert gate.ask(client_cert=BOB.byte_sequence, client_cert_chain=chain) == UNKNOWN_AUTHORITY
    assert gate.ask() == "header Client-Cert not found in request"


def test_expression_gives_the_certificate() -> None:
    gate = Gate(source={"expression": "request.headers['x-pem']"})
    gate.trust(ROOT)
    assert gate.ask(x_pem=ALICE.escaped) == "alice"
    assert gate.ask(x_pem="") == "invalid client certificate"
    assert gate.ask() == "failed to obtain the client certificate: no such key: x-pem"
    assert Gate(source={"expression": "1 + 1"}).ask() == "invalid client certificate"


def test_more_than_a_chain_can_be_is_not_read() -> None:
    gate = Gate()
    gate.trust(ROOT)
    assert gate.ask(ALICE.escaped + " " * (1 << 16)) == "invalid client certificate"


@pytest.mark.parametrize(
    ("x509", "fault"),
    [
        ({"selector": None}, "x509.selector: is required"),
        (
            {"source": {"xfccHeader": "a", "clientCertHeader": "b"}},
            "x509.source: expected at most one of xfccHeader, clientCertHeader, expression",
        ),
        ({"source": {"xfccHeader": "a b"}}, "x509.source: 'a b' is not a header name"),
        ({"source": {"header": "a"}}, "x509.source.header: is not a field here"),
    ],
)
def test_wrong_fields_are_faults(x509: dict[str, Any], fault: str) -> None:
    [found] = Gate(**x509).faults
    assert found.startswith(f"spec.authentication.mtls.{fault}")


# ---- Secrets


def test_trust_follows_the_secrets() -> None:
    gate = Gate()
    assert gate.ask(ALICE.escaped) == UNKNOWN_AUTHORITY
    gate.trust(ROOT)
    assert gate.ask(ALICE.escaped) == "alice"
    gate.trust(OTHER)
    assert (gate.ask(ALICE.escaped), gate.ask(BOB.escaped)) == (UNKNOWN_AUTHORITY, "bob")
    gate.trust(ROOT, name="second")
    assert (gate.ask(ALICE.escaped), gate.ask(BOB.escaped)) == ("alice", "bob")
    gate.lanes.configuration.remove_secret("shop", "ca")
    assert (gate.ask(ALICE.escaped), gate.ask(BOB.escaped)) == ("alice", UNKNOWN_AUTHORITY)
    gate.trust(ROOT, name="second", ca="y")
    assert gate.ask(ALICE.escaped) == UNKNOWN_AUTHORITY


def test_every_certificate_of_a_bundle_is_trusted() -> None:
    gate = Gate()
    gate.trust(ROOT, OTHER)
    assert (gate.ask(ALICE.escaped), gate.ask(BOB.escaped)) == ("alice", "bob")


def test_tls_crt_comes_before_ca_crt() -> None:
    gate = Gate()
    gate.put({"tls.crt": ROOT.pem, "ca.crt": OTHER.pem})
    assert (gate.ask(ALICE.escaped), gate.ask(BOB.escaped)) == ("alice", UNKNOWN_AUTHORITY)


def test_secret_without_a_certificate_adds_nothing() -> None:
    gate = Gate()
    gate.trust(ROOT)
    for name, data in (("a", {"tls.crt": "no PEM"}), ("b", {}), ("c", {"tls.crt": ""})):
        gate.put(data, name)
    assert gate.ask(ALICE.escaped) == "alice"


def test_secret_of_another_namespace_counts_with_all_namespaces_only() -> None:
    for all_namespaces, expected in ((False, UNKNOWN_AUTHORITY), (True, "alice")):
        gate = Gate(allNamespaces=all_namespaces)
        gate.trust(ROOT, namespace="elsewhere")
        assert gate.ask(ALICE.escaped) == expected


def test_secret_that_loses_its_managed_by_label_is_not_trusted_any_more() -> None:
    gate = Gate()
    gate.trust(ROOT, **MANAGED)
    assert gate.ask(ALICE.escaped) == "alice"
    gate.trust(ROOT)
    assert gate.ask(ALICE.escaped) == UNKNOWN_AUTHORITY
    gate.trust(ROOT, **MANAGED)
    assert gate.ask(ALICE.escaped) == "alice"


# ---- what is remembered


def test_certificate_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    times = 0
    genuine = trust.Trust.verify

    def verify(*arguments: Any) -> Any:
        nonlocal times
        times += 1
        return genuine(*arguments)

    monkeypatch.setattr(trust.Trust, "verify", verify)
    gate = Gate()
    gate.trust(ROOT)
    assert [gate.ask(ALICE.escaped) for _ in range(3)] == ["alice"] * 3
    assert times == 1
    gate.lanes.secret("unrelated")
    assert (gate.ask(ALICE.escaped), times) == ("alice", 1)
    gate.trust(ROOT, OTHER)
    assert (gate.ask(ALICE.escaped), times) == ("alice", 2)


def test_what_is_remembered_ends_with_the_certificate() -> None:
    end = datetime(2026, 10, 1, tzinfo=UTC)
    gate = Gate()
    gate.trust(ROOT)
    short = ROOT.issue("short", until=end)
    assert gate.ask(short.escaped) == "short"
    gate.lanes.wall_ns = (int(end.timestamp()) + 1) * 10**9
    assert gate.ask(short.escaped).startswith("x509: certificate has expired or is not yet valid")


@pytest.mark.parametrize(
    ("source", "request_of"),
    [
        (None, lambda text: {"certificate": text}),
        ({"xfccHeader": "X-Client"}, lambda text: {"x_client": f"Cert={text}"}),
    ],
)
def test_known_certificate_is_let_in_natively_until_trust_changes(
    source: dict[str, str] | None, request_of: Callable[[str], dict[str, str]]
) -> None:
    gate = Gate(**({} if source is None else {"source": source}))
    gate.trust(ROOT)
    alice, bob = request_of(ALICE.escaped), request_of(BOB.escaped)
    assert (gate.ask(**alice), gate.native) == ("alice", True)
    assert (gate.ask(**bob), gate.native) == (UNKNOWN_AUTHORITY, False)
    gate.trust(OTHER)
    assert (gate.ask(**alice), gate.native) == (UNKNOWN_AUTHORITY, False)
    assert (gate.ask(**bob), gate.native) == ("bob", True)


def test_trust_that_changes_during_a_verification_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    gate.trust(ROOT)
    genuine = trust.Trust.verify

    def verify(*arguments: Any) -> Any:
        found = genuine(*arguments)
        gate.trust(OTHER)
        return found

    monkeypatch.setattr(trust.Trust, "verify", verify)
    assert gate.ask(ALICE.escaped) == "alice"
    monkeypatch.undo()
    assert gate.ask(ALICE.escaped) == UNKNOWN_AUTHORITY


def test_certificate_is_a_part_of_the_document() -> None:
    lanes = Lanes()
    lanes.config(
        response={
            "success": {
                "dynamicMetadata": {
                    "selected": {"plain": {"selector": "source.certificate"}},
                    "there": {"plain": {"expression": "has(source.certificate)"}},
                }
            }
        }
    )
    request = check_request()
    assert lanes.ask(request).metadata == {"selected": None, "there": False}
    request.attributes.source.certificate = ALICE.escaped
    assert lanes.ask(request).metadata == {"selected": ALICE.escaped, "there": True}
