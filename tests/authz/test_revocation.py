"""Certificates that were taken back do not authenticate."""

from datetime import UTC, datetime

import pytest
from cryptography import x509

from authz.certificates.presented import from_escaped_pem
from authz.certificates.revocation import OUTDATED, REVOKED, read_lists
from authz.certificates.trust import UNKNOWN_AUTHORITY, Trust
from authz.errors import Unauthenticated
from tests.authz.pki import CLIENT, Issued, escaped, root
from tests.authz.test_x509 import Gate

NOW = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 10**9
ROOT = root()
INTERMEDIATE = ROOT.issue("intermediate", authority=True)
ALICE = ROOT.issue("alice", extensions=[CLIENT])
BOB = ROOT.issue("bob", extensions=[CLIENT])
DEEP = INTERMEDIATE.issue("deep", extensions=[CLIENT])


def who(*chain: Issued, lists: str) -> str:
    trust = Trust([ROOT.certificate], read_lists(lists.encode()))
    try:
        found = trust.verify(from_escaped_pem(escaped(*chain)), NOW)
    except Unauthenticated as error:
        return str(error)
    return str(found.identity["CommonName"])


def test_revoked_certificate_is_refused() -> None:
    lists = ROOT.revokes(ALICE)
    assert who(ALICE, lists=lists) == REVOKED
    assert who(BOB, lists=lists) == "bob"
    assert who(BOB, lists=lists + ROOT.revokes(BOB)) == REVOKED


def test_revoked_intermediate_takes_its_clients_along() -> None:
    assert who(DEEP, INTERMEDIATE, lists=ROOT.revokes(INTERMEDIATE)) == REVOKED
    assert who(DEEP, INTERMEDIATE, lists=INTERMEDIATE.revokes(DEEP)) == REVOKED
    assert who(DEEP, INTERMEDIATE, lists=ROOT.revokes(DEEP)) == "deep"


def test_list_of_somebody_else_says_nothing() -> None:
    impostor = root()
    assert impostor.certificate.subject == ROOT.certificate.subject
    assert who(ALICE, lists=impostor.revokes(ALICE)) == "alice"
    assert who(ALICE, lists=root("other").revokes(ALICE)) == "alice"


def test_list_that_has_ended_refuses_and_one_that_ends_is_asked_again() -> None:
    ended = ROOT.revokes(until=datetime(2026, 1, 1, tzinfo=UTC))
    assert who(ALICE, lists=ended) == OUTDATED
    end = datetime(2027, 1, 1, tzinfo=UTC)
    trust = Trust([ROOT.certificate], read_lists(ROOT.revokes(until=end).encode()))
    found = trust.verify(from_escaped_pem(ALICE.escaped), NOW)
    assert found.expires_wall_ns == int(end.timestamp()) * 10**9


def test_several_lists_are_read_and_other_text_is_not() -> None:
    lists = ROOT.revokes(ALICE) + "between\n" + INTERMEDIATE.revokes()
    assert len(read_lists(lists.encode())) == 2
    assert read_lists(b" \n") == []
    part = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    for wrong in ("text", ROOT.pem, lists.replace("MI", "AA"), ROOT.revokes(extension=part)):
        with pytest.raises(ValueError, match=r"."):
            read_lists(wrong.encode())


def test_list_of_a_secret_counts_at_once(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    gate.trust(ROOT)
    assert gate.ask(ALICE.escaped) == "alice"
    gate.put({"ca.crt": ROOT.pem, "ca.crl": ROOT.revokes(ALICE)})
    assert (gate.ask(ALICE.escaped), gate.ask(BOB.escaped)) == (REVOKED, "bob")
    gate.put({"ca.crt": ROOT.pem, "ca.crl": "nonsense"})
    assert (gate.ask(ALICE.escaped), gate.ask(BOB.escaped)) == (UNKNOWN_AUTHORITY,) * 2
    assert "secret shop/ca: not trusted: ca.crl: is no revocation list in PEM" in caplog.text
    gate.put({"ca.crt": ROOT.pem})
    assert gate.ask(ALICE.escaped) == "alice"
