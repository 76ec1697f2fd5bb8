"""h2spec, the HTTP/2 conformance suite, against the native transport."""

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.protocol.programs import H2SPEC, go_program
from tests.tollhouse.server_process import serving

# These apply only while the stream is open: when its answer left before the frame arrived, which
# depends on timing, the frame is for a closed stream and may be passed over (RFC 9113 5.1).
OVERTAKEN = {
    (
        "http2/6.9",
        "Sends a WINDOW_UPDATE frame with a flow control window increment of 0 on a stream",
    ),
    (
        "http2/6.9.1",
        "Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1"
        " on a stream",
    ),
}

# h2spec copies the bytes of an unexpected frame into its report, where XML 1.0 forbids them.
FORBIDDEN_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Case = tuple[str, str]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[Case, str | None]:
    """What h2spec says of each case: None for passed, else why not."""
    program = go_program(H2SPEC)
    file = tmp_path_factory.mktemp("h2spec") / "report.xml"
    with serving("--transport", "native") as server:
        host, _, port = server.grpc.rpartition(":")
        subprocess.run(
            [program, "--strict", "-h", host, "-p", port, "-o", "3", "-j", file],
            capture_output=True,
            timeout=300,
            check=False,
        )
    return cases(file)


def cases(file: Path) -> dict[Case, str | None]:
    found = {}
    text = FORBIDDEN_IN_XML.sub("\ufffd", file.read_text(encoding="utf-8", errors="replace"))
    for case in ElementTree.fromstring(text).iter("testcase"):
        wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
        why = None if wrong is None else "".join(wrong.itertext()) or "failed"
        found[case.get("package", ""), case.get("classname", "")] = why
    return found


@pytest.mark.slow
def test_every_case_passes(report: dict[Case, str | None]) -> None:
    assert len(report) > 140
    assert report.keys() >= OVERTAKEN
    assert not {case: text for case, text in report.items() if text and case not in OVERTAKEN}


def test_a_report_with_bytes_that_xml_forbids_is_read(tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    file.write_bytes(
        b'<testsuites><testsuite><testcase package="http2/6.9" classname="Sends x">'
        b"<failure>GOAWAY \x00\x1f \xff</failure></testcase></testsuite></testsuites>"
    )
    assert cases(file) == {("http2/6.9", "Sends x"): "GOAWAY \ufffd\ufffd \ufffd"}
