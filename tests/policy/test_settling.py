"""When a burst of changes counts as over; times in milliseconds here."""

import pytest

from policy.settling import Settling

MS = 10**6


@pytest.fixture
def settling() -> Settling:
    return Settling(
        quiet_ns=10 * MS, longest_ns=30 * MS, open_quiet_ns=500 * MS, open_longest_ns=2000 * MS
    )


def due_ms(settling: Settling) -> float | None:
    due = settling.due_ns()
    return None if due is None else due / MS


def test_no_change_is_never_due(settling: Settling) -> None:
    assert settling.due_ns() is None


def test_one_change_waits_for_quiet(settling: Settling) -> None:
    settling.changed(100 * MS)
    assert due_ms(settling) == 110


def test_steady_changes_wait_no_longer_than_the_bound(settling: Settling) -> None:
    for moment in range(100, 160, 5):
        settling.changed(moment * MS)
    assert due_ms(settling) == 130


def test_written_file_is_waited_for_until_closed(settling: Settling) -> None:
    settling.written("a", 100 * MS)
    assert due_ms(settling) == 600
    settling.closed("a", 300 * MS)
    assert due_ms(settling) == 130


def test_file_that_stays_open_is_read_in_the_end(settling: Settling) -> None:
    for moment in range(100, 3000, 100):
        settling.written("log", moment * MS)
    assert due_ms(settling) == 2100


def test_reading_begins_a_new_burst(settling: Settling) -> None:
    settling.written("a", 100 * MS)
    settling.read()
    assert settling.due_ns() is None
    settling.changed(900 * MS)
    assert due_ms(settling) == 910
