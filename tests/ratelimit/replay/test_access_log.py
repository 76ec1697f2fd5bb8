"""Lines of access logs as gateways write them."""

from datetime import UTC, datetime

import pytest

from ratelimit.replay.access_log import read_line, time_ns

SECOND_NS = 10**9
NOON = int(datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()) * SECOND_NS

JSON = (
    '{"start_time": "2026-03-01T12:00:00.250Z", "method": "GET", "path": "/toys?page=2",'
    ' "authority": "toys.example", "response_code": 200, "user": {"id": "ann", "admin": true},'
    ' "x_forwarded_for": "-", "tags": ["a"], "upstream": null}'
)
COMBINED = (
    '198.51.100.7 - ann [01/Mar/2026:13:00:00 +0100] "POST /carts HTTP/1.1" 201 512 '
    '"https://shop.example/" "curl/8.5"'
)
COMMON = '198.51.100.7 - - [01/Mar/2026:12:00:00 +0000] "GET /toys?a=b HTTP/1.1" 200 -'
ENVOY = (
    '[2026-03-01T12:00:00.000Z] "GET /toys HTTP/2" 429 RL via_upstream - "-" 0 17 3 - '
    '"198.51.100.7" "curl/8.5" "3b6e" "toys.example" "-"'
)
OLD_ENVOY = (
    '[2026-03-01T12:00:00.000Z] "GET /toys HTTP/1.1" 200 - 0 17 3 2 '
    '"198.51.100.7" "curl/8.5" "3b6e" "toys.example" "10.0.0.1:80"'
)


def test_json_members_become_fields_with_dotted_names() -> None:
    record = read_line(JSON)
    assert record is not None
    assert record.wall_ns == NOON + SECOND_NS // 4
    assert record.fields == {
        "start_time": "2026-03-01T12:00:00.250Z",
        "method": "GET",
        "path": "/toys",
        "query": "page=2",
        "authority": "toys.example",
        "response_code": "200",
        "user.id": "ann",
        "user.admin": "true",
    }


def test_combined_log_format() -> None:
    record = read_line(COMBINED)
    assert record is not None
    assert record.wall_ns == NOON
    assert record.fields == {
        "remote_address": "198.51.100.7",
        "user": "ann",
        "method": "POST",
        "path": "/carts",
        "status": "201",
        "bytes": "512",
        "referer": "https://shop.example/",
        "user_agent": "curl/8.5",
    }


def test_common_log_format_leaves_out_what_was_not_known() -> None:
    record = read_line(COMMON)
    assert record is not None
    assert record.fields == {
        "remote_address": "198.51.100.7",
        "method": "GET",
        "path": "/toys",
        "query": "a=b",
        "status": "200",
    }


@pytest.mark.parametrize("line", [ENVOY, OLD_ENVOY])
def test_default_format_of_envoy(line: str) -> None:
    record = read_line(line)
    assert record is not None
    assert record.wall_ns == NOON
    fields = record.fields
    assert fields["method"], fields["path"] == ("GET", "/toys")
    assert fields["remote_address"] == "198.51.100.7"
    assert fields["host"] == "toys.example"
    assert fields["bytes"] == "17"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        '{"method": "GET"}',
        '{"start_time": "soon", "path": "/"}',
        '{"a":' * 5000,
        "word",
        '- - - [01/Foo/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 -',
        "\x00" * 100,
    ],
)
def test_line_without_form_or_time_is_no_record(line: str) -> None:
    assert read_line(line) is None


def test_header_full_of_quotes_takes_no_time() -> None:
    """With two readings for each part this would take longer than the universe has been there."""
    assert read_line('[2026-03-01T12:00:00Z] "GET / HTTP/1.1" 200 - ' + '"a" ' * 1000) is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T14:00:00+02:00",
        "01/Mar/2026:12:00:00 +0000",
        "1772366400",
        "1772366400.0",
        "1772366400000",
        "1772366400000000",
        "1772366400000000000",
    ],
)
def test_forms_of_a_time(text: str) -> None:
    assert time_ns(text) == NOON


BEYOND = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2500-01-01T00:00:00Z", "1e10"]


@pytest.mark.parametrize(
    "text", ["", "-", "12", "nan", "inf", "2026-03-01T12:00:00", "1e400", *BEYOND]
)
def test_no_time(text: str) -> None:
    assert time_ns(text) is None
