"""Client certificates: which of a chain is the client's, and what makes it trusted."""

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from authz.certificates.presented import (
    INVALID,
    MOST_CERTIFICATES,
    Presented,
    from_client_cert,
    from_escaped_pem,
    from_xfcc,
)
from authz.certificates.subject import subject_of
from authz.certificates.trust import (
    IS_AUTHORITY,
    UNKNOWN_AUTHORITY,
    WRONG_USAGE,
    Trust,
    read_bundle,
)
from authz.errors import Unauthenticated
from tests.authz.pki import CLIENT, SERVER, Issued, escaped, key_usage, root

NOW = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()) * 10**9
PAST = datetime(2025, 1, 1, tzinfo=UTC)
ROOT = root()
INTERMEDIATE = ROOT.issue("intermediate", authority=True)
LEAF = ROOT.issue("alice", "ACME", extensions=[CLIENT])
DEEP = INTERMEDIATE.issue("deep", "ACME", extensions=[CLIENT])


def who(presented: Presented, *roots: Issued, now: int = NOW) -> str:
    """The common name, or the reason of the refusal."""
    try:
        trusted = Trust([r.certificate for r in roots or (ROOT,)]).verify(presented, now)
    except Unauthenticated as error:
        return str(error)
    return str(trusted.identity["CommonName"])


def reason(read: Callable[[str], object], text: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        read(text)
    return str(caught.value)


# ---- which certificate is the client's


def test_first_certificate_is_the_clients_wherever_it_comes_from() -> None:
    assert who(from_escaped_pem(escaped(LEAF))) == "alice"
    assert who(from_escaped_pem(escaped(LEAF, ROOT))) == "alice"
    assert who(from_xfcc(f'Chain="{escaped(LEAF, ROOT)}"')) == "alice"
    assert who(from_client_cert(LEAF.byte_sequence, ROOT.byte_sequence)) == "alice"


@pytest.mark.parametrize("stranger", [root("mallory", authority=False), root("mallory")])
def test_appended_certificate_does_not_become_the_client(stranger: Issued) -> None:
    for appended in (ROOT, LEAF, INTERMEDIATE):
        assert who(from_escaped_pem(escaped(stranger, appended))) == UNKNOWN_AUTHORITY
        assert who(from_xfcc(f'Chain="{escaped(stranger, appended)}"')) == UNKNOWN_AUTHORITY
        cert, chain = stranger.byte_sequence, appended.byte_sequence
        assert who(from_client_cert(cert, chain)) == UNKNOWN_AUTHORITY
    xfcc = f'Cert="{stranger.escaped}";Chain="{LEAF.escaped}"'
    assert who(from_xfcc(xfcc)) == UNKNOWN_AUTHORITY


def test_authority_is_no_client() -> None:
    assert who(from_escaped_pem(ROOT.escaped)) == IS_AUTHORITY
    assert who(from_escaped_pem(INTERMEDIATE.escaped)) == IS_AUTHORITY
    assert who(from_escaped_pem(escaped(ROOT, LEAF))) == IS_AUTHORITY


# ---- X-Forwarded-Client-Cert


def test_xfcc_is_read_as_envoy_writes_it() -> None:
    for header in (
        f'By=spiffe://a;Hash=abc;Cert="{LEAF.escaped}";Subject="CN=x,O=\\"A;B\\",C=GB";URI=',
        f"Cert={LEAF.escaped}",
        f'cert="{LEAF.escaped}"; Chain="{DEEP.escaped}"',
        f'Hash=a ; CERT = "{LEAF.escaped}" ,Hash=b;Cert="{DEEP.escaped}"',
        f'Subject="CN=\\"Cert={DEEP.escaped}\\"";Cert="{LEAF.escaped}"',
        f',Cert="{LEAF.escaped}"',
    ):
        assert who(from_xfcc(header)) == "alice", header


def test_xfcc_chain_beside_cert_leads_to_the_root() -> None:
    assert who(from_xfcc(f"Cert={DEEP.escaped}")) == UNKNOWN_AUTHORITY
    chain = escaped(DEEP, INTERMEDIATE)
    assert who(from_xfcc(f"Cert={DEEP.escaped};Chain={chain}")) == "deep"
    assert who(from_xfcc(f'Chain="{chain}"')) == "deep"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "XFCC header is empty"),
        ("By=x;Hash=y", "client certificate not found in XFCC header"),
        (",", "client certificate not found in XFCC header"),
        (f"Hash=a,Cert={LEAF.escaped}", "client certificate not found in XFCC header"),
        (f"Cert=;Chain=,Cert={LEAF.escaped}", "client certificate not found in XFCC header"),
        (f'Cert="{LEAF.escaped}', "XFCC header has a quote without end"),
        (";" * 64, "XFCC header has too many pairs in one element"),
        (f"Cert={LEAF.escaped};cert=x", "XFCC header has more than one Cert in one element"),
        (
            'Cert="%ZZ"',
            "failed to URL-decode certificate from XFCC header: invalid URL escape \"%ZZ\"",
        ),
        ("Cert=%2", 'failed to URL-decode certificate from XFCC header: invalid URL escape "%2"'),
    ],
)  # fmt: skip
def test_xfcc_without_a_certificate_says_why(header: str, expected: str) -> None:
    prefix = "failed to extract certificate from XFCC: "
    assert reason(from_xfcc, header) == prefix + expected


# ---- RFC 9440


def test_client_cert_may_have_spaces_around_and_a_chain() -> None:
    assert who(from_client_cert(f"  {LEAF.byte_sequence}\t")) == "alice"
    chain = f"{INTERMEDIATE.byte_sequence} , {ROOT.byte_sequence}"
    assert who(from_client_cert(DEEP.byte_sequence, chain)) == "deep"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "missing colon delimiters"),
        ("abc:", "missing colon delimiters"),
        (":abc", "missing colon delimiters"),
        (":", "empty certificate in Client-Cert header"),
        ("::", "empty certificate in Client-Cert header"),
        (": :", "empty certificate in Client-Cert header"),
        (":a*b:", "failed to base64 decode certificate: illegal base64 data"),
        (f"{LEAF.byte_sequence}, {LEAF.byte_sequence}", "failed to base64 decode certificate"),
    ],
)
def test_client_cert_that_is_none_says_why(header: str, expected: str) -> None:
    found = reason(from_client_cert, header)
    assert found.startswith("failed to extract certificate from Client-Cert header: ")
    assert expected in found


def test_client_cert_of_other_bytes_is_invalid() -> None:
    assert reason(from_client_cert, f":{base64.b64encode(b'no DER').decode()}:") == INVALID


# ---- PEM


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "%zz",
        LEAF.pem if "+" in LEAF.pem else "+",
        LEAF.escaped.replace("MII", "AAA"),
        LEAF.escaped.replace("CERTIFICATE", "PUBLIC%20KEY"),
        escaped(LEAF) + escaped(ROOT).replace("MII", "AAA"),
        escaped(LEAF, *[ROOT] * MOST_CERTIFICATES),
    ],
)
def test_text_that_is_no_certificate_is_invalid(text: str) -> None:
    assert reason(from_escaped_pem, text) == INVALID


def test_bundle_keeps_what_can_be_read() -> None:
    broken = ROOT.pem.replace("MII", "AAA")
    found, unreadable = read_bundle(f"# old\n{LEAF.pem}{broken}\n{ROOT.pem}".encode())
    assert (found, unreadable) == ([LEAF.certificate, ROOT.certificate], 1)
    assert read_bundle(b"") == ([], 0)


# ---- trust


def test_any_certificate_of_the_trusted_ones_counts() -> None:
    other = root("other")
    for roots in ((ROOT, other), (other, ROOT)):
        assert who(from_escaped_pem(LEAF.escaped), *roots) == "alice"
    assert who(from_escaped_pem(LEAF.escaped), other) == UNKNOWN_AUTHORITY
    with pytest.raises(Unauthenticated, match=UNKNOWN_AUTHORITY):
        Trust([]).verify(from_escaped_pem(LEAF.escaped), NOW)


def test_same_name_with_another_key_is_not_the_same_authority() -> None:
    impostor = root().issue("alice", "ACME", extensions=[CLIENT])
    assert who(from_escaped_pem(impostor.escaped)) == UNKNOWN_AUTHORITY


def test_intermediate_may_be_trusted_itself() -> None:
    assert who(from_escaped_pem(DEEP.escaped), INTERMEDIATE) == "deep"


def test_trusted_leaf_needs_nobody() -> None:
    pinned = root("self", authority=False, extensions=[CLIENT])
    assert who(from_escaped_pem(pinned.escaped), pinned) == "self"
    assert who(from_escaped_pem(pinned.escaped), ROOT) == UNKNOWN_AUTHORITY


@pytest.mark.parametrize(
    ("extensions", "expected"),
    [
        ([CLIENT], "x"),
        ([], "x"),
        ([SERVER], WRONG_USAGE),
        ([x509.ExtendedKeyUsage([x509.ObjectIdentifier("2.5.29.37.0")])], "x"),
        ([x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"")], UNKNOWN_AUTHORITY),
    ],
)
def test_extensions_of_the_client(extensions: Sequence[x509.ExtensionType], expected: str) -> None:
    assert who(from_escaped_pem(ROOT.issue("x", extensions=extensions).escaped)) == expected


SIGNS, SIGNS_NOT = key_usage(signs_certificates=True), key_usage(signs_certificates=False)


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        (ROOT.issue("between", authority=True), "x"),
        (ROOT.issue("between", authority=True, extensions=[SIGNS, CLIENT]), "x"),
        (ROOT.issue("between"), UNKNOWN_AUTHORITY),
        (ROOT.issue("between", authority=True, extensions=[SIGNS_NOT]), UNKNOWN_AUTHORITY),
        (ROOT.issue("between", authority=True, extensions=[SERVER]), UNKNOWN_AUTHORITY),
        (ROOT.issue("between", authority=True, until=PAST), UNKNOWN_AUTHORITY),
    ],
)
def test_intermediate_must_be_an_authority_for_clients(between: Issued, expected: str) -> None:
    leaf = between.issue("x", extensions=[CLIENT])
    assert who(from_escaped_pem(escaped(leaf, between))) == expected


def test_path_length_of_an_authority_holds() -> None:
    short = root("short", path_length=0)
    between = short.issue("between", authority=True)
    leaf = between.issue("x", extensions=[CLIENT])
    assert who(from_escaped_pem(escaped(leaf, between)), short) == UNKNOWN_AUTHORITY


def test_names_an_authority_may_not_vouch_for_are_refused() -> None:
    allowed = x509.NameConstraints([x509.DNSName("shop.test")], None)
    narrow = root("narrow", extensions=[allowed])
    for dns, expected in (("a.shop.test", "x"), ("evil.test", UNKNOWN_AUTHORITY)):
        names = x509.SubjectAlternativeName([x509.DNSName(dns)])
        leaf = narrow.issue("x", extensions=[CLIENT, names])
        assert who(from_escaped_pem(leaf.escaped), narrow) == expected


def test_client_may_have_an_ed25519_key() -> None:
    leaf = ROOT.issue("ed", extensions=[CLIENT], key=ed25519.Ed25519PrivateKey.generate())
    assert who(from_escaped_pem(leaf.escaped)) == "ed"


def test_validity_is_judged_by_the_clock_of_the_request() -> None:
    end = datetime(2026, 7, 1, tzinfo=UTC)
    short = ROOT.issue("short", until=end)
    presented = from_escaped_pem(short.escaped)
    ends_ns = int(end.timestamp()) * 10**9
    assert Trust([ROOT.certificate]).verify(presented, NOW).expires_wall_ns == ends_ns
    prefix = "x509: certificate has expired or is not yet valid: current time "
    assert who(presented, now=ends_ns) == "short"
    after = f"{prefix}2026-07-01T00:00:01Z is after 2026-07-01T00:00:00Z"
    assert who(presented, now=ends_ns + 10**9) == after
    assert who(presented, now=0) == f"{prefix}1970-01-01T00:00:00Z is before 2020-01-01T00:00:00Z"


def test_trust_ends_with_the_first_certificate_of_the_path() -> None:
    end = datetime(2027, 1, 1, tzinfo=UTC)
    between = ROOT.issue("between", authority=True, until=end)
    presented = from_escaped_pem(escaped(between.issue("x"), between))
    found = Trust([ROOT.certificate]).verify(presented, NOW)
    assert found.expires_wall_ns == int(end.timestamp()) * 10**9


def test_certificates_that_vouch_for_each_other_end_soon() -> None:
    """Without a bound on signatures tried, paths through them would be without number."""
    ring = root("ring")
    many = [ring.issue("ring", authority=True, key=ring.key) for _ in range(8)]
    presented = from_escaped_pem(escaped(ring.issue("x"), *many))
    assert who(presented) == UNKNOWN_AUTHORITY


# ---- the identity


def test_subject_has_every_attribute() -> None:
    subject = subject_of(ROOT.issue("zoë", "One", "Two").certificate)
    assert subject["Organization"] == ["One", "Two"]
    assert (subject["CommonName"], subject["SerialNumber"]) == ("zoë", "")
    assert (subject["Country"], subject["ExtraNames"]) == (None, None)
    assert subject["Names"] == [
        {"Type": [2.0, 5.0, 4.0, 10.0], "Value": "One"},
        {"Type": [2.0, 5.0, 4.0, 10.0], "Value": "Two"},
        {"Type": [2.0, 5.0, 4.0, 3.0], "Value": "zoë"},
    ]


# ---- hostile text


@given(st.text(max_size=200) | st.text(alphabet='Cert=hain";,\\%3D :', max_size=200))
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    for read in (from_escaped_pem, from_xfcc, from_client_cert):
        with pytest.raises(Unauthenticated):
            read(text)


def test_serial_number_that_is_not_positive_is_refused() -> None:
    der = bytearray(base64.b64decode(LEAF.byte_sequence[1:-1]))
    der[14] ^= 0x80
    with pytest.raises(Unauthenticated, match=INVALID):
        from_client_cert(f":{base64.b64encode(bytes(der)).decode()}:")


@given(st.data())
def test_changed_certificate_is_refused_or_the_same(data: st.DataObject) -> None:
    der = bytearray(base64.b64decode(LEAF.byte_sequence[1:-1]))
    der[data.draw(st.integers(0, len(der) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    text = f":{base64.b64encode(bytes(der)).decode()}:"
    try:
        assert who(from_client_cert(text)) != "alice"
    except Unauthenticated as error:
        assert str(error) == INVALID
