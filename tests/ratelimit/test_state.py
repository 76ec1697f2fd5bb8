"""Counters kept in a file: what a restart, a crash, and a bad file or disk leave of them."""

import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from _fastpath.calendar import Calendar, Period
from _fastpath.clock import Clock
from _fastpath.counters import Counter, CounterTable, Hit, Mode
from _fastpath.limit_spec import Algorithm, Quota
from ratelimit.state import CounterState, StatefulStore

SECOND = 1_000_000_000
WALL = 1_800_000_000 * SECOND
DAY = 86_400 * SECOND
D, OTHER = b"d" * 16, b"o" * 16
FIXED = Quota(Algorithm.FIXED_WINDOW, 10, 60 * SECOND)


class World:
    """A machine whose clocks a test moves; CLOCK_MONOTONIC begins anew with each process."""

    def __init__(self, path: Path, *digests: bytes) -> None:
        self.path = path
        self.wall = WALL
        self.boot = WALL
        self.begin(*digests)

    def clock(self) -> Clock:
        return Clock(self.wall - self.boot, self.wall)

    def begin(self, *digests: bytes) -> int:
        """A new process; returns the counters restored."""
        self.boot = self.wall - 7 * SECOND
        self.table = CounterTable()
        self.state = CounterState(self.path, self.table, self.clock)
        return self.state.restore(digests or (D,))

    def hit(self, user: str, delta: int = 1, quota: Quota = FIXED, digest: bytes = D) -> None:
        self.table.check_and_add([Hit(digest, quota, (user,), delta)], self.clock(), Mode.ADD)

    def values(self) -> dict[str, int]:
        return {counter.values[0]: counter.value for counter in everything(self)}


def everything(world: World) -> list[Counter]:
    return listed(world.table, world.clock())


def listed(table: CounterTable, clock: Clock) -> list[Counter]:
    cursor, found = table.list(None, clock)
    while cursor:
        cursor, more = table.list(None, clock, cursor)
        found += more
    return sorted(found)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state.db")


def test_restart_keeps_windows(world: World) -> None:
    world.hit("ann", 3)
    world.hit("bob", 4)
    world.wall += 20 * SECOND
    world.state.stop()
    world.wall += 15 * SECOND
    assert world.begin() == 2
    assert world.values() == {"ann": 3, "bob": 4}
    assert {counter.reset_ns for counter in everything(world)} == {25 * SECOND}
    world.state.stop()
    world.wall += 25 * SECOND
    assert world.begin() == 0


def test_crash_loses_what_came_after_the_last_flush(world: World) -> None:
    world.hit("ann", 3)
    world.state.flush()
    world.hit("ann", 2)
    world.hit("bob", 1)
    crash(world)
    world.begin()
    assert world.values() == {"ann": 3}


def crash(world: World) -> None:
    """What a dead process leaves: the file as it is, without its lock."""
    file = world.state._file
    if file is not None:
        file._connection.close()
        world.state._file = None


def test_limits_that_are_gone_are_not_restored_and_leave_the_file(world: World) -> None:
    world.hit("ann")
    world.hit("ann", digest=OTHER)
    world.state.stop()
    assert world.begin(D) == 1
    world.state.stop()
    assert world.begin(D, OTHER) == 1


async def test_what_is_removed_leaves_the_file(world: World) -> None:
    store = StatefulStore(world.table, world.clock, world.state)
    for user in ("ann", "bob"):
        world.hit(user)
        world.hit(user, digest=OTHER)
    world.state.flush()
    assert await store.reset("ns", D, ("ann",))
    assert await store.remove([OTHER]) == 2
    await store.set("ns", D, FIXED, ("carl",), 7)
    world.hit("ann", 2)
    world.state.flush()
    crash(world)
    world.begin(D, OTHER)
    assert world.values() == {"ann": 2, "bob": 1, "carl": 7}


def test_expired_rows_leave_the_file(world: World) -> None:
    for number in range(100):
        world.hit(f"user {number}")
    world.state.flush()
    world.wall += 61 * SECOND
    world.hit("ann")
    world.state.flush()
    crash(world)
    with sqlite3.connect(world.path) as connection:
        assert connection.execute("SELECT count(*) FROM counters").fetchone() == (1,)
    connection.close()


def garbage(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)


def torn(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 64):
        data[at] ^= 0xFF
    path.write_bytes(data)


def foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (a)")
    connection.close()


def newer(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def unreadable_row(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE counters SET state = x'ff00'")
    connection.close()


@pytest.mark.parametrize("damage", [garbage, torn, foreign, newer, unreadable_row])
def test_damaged_file_is_set_aside(
    world: World, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(2000):
        world.hit(f"user {number}")
    world.state.stop()
    damage(world.path)
    with caplog.at_level(logging.WARNING):
        world.begin()
    (aside,) = world.path.parent.glob("state.db.damaged-*")
    assert aside.name == "state.db.damaged-20270115T080000Z"
    assert f"it is now {aside}" in caplog.text
    assert "Traceback" not in caplog.text
    world.hit("ann")
    world.state.stop()
    world.begin()
    assert world.values()["ann"] == 1


def test_damage_while_running_is_set_aside_too(world: World) -> None:
    world.hit("ann", 3)
    world.state.flush()
    crash(world)
    garbage(world.path)
    world.hit("bob", 4)
    world.state.flush()
    assert list(world.path.parent.glob("state.db.damaged-*"))
    world.state.flush()
    crash(world)
    world.begin()
    assert world.values() == {"bob": 4}


def test_disk_that_is_full_costs_nothing_but_a_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.hit("ann", 3)
    world.state.flush()
    file = world.state._file
    assert file is not None
    (pages,) = file._connection.execute("PRAGMA page_count").fetchone()
    file._connection.execute(f"PRAGMA max_page_count = {pages}")
    with caplog.at_level(logging.INFO):
        for number in range(3000):
            world.hit(f"user {number}")
        world.state.flush()
        world.hit("ann", 2)
        world.state.flush()
        assert len(caplog.records) == 1
        assert "counting goes on in memory" in caplog.text
        assert (world.state.failures, world.state.unwritten) == (2, 3001)
        file._connection.execute("PRAGMA max_page_count = 1000000")
        world.state.flush()
        assert "written again" in caplog.text
    assert world.state.unwritten == 0
    crash(world)
    assert world.begin() == 3001
    assert world.values()["ann"] == 5


def test_path_that_cannot_be_opened_costs_nothing_but_a_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.state.stop()
    world.path.unlink()
    world.path.mkdir()
    world.begin()
    world.hit("ann")
    world.state.flush()
    world.state.stop()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert world.values() == {"ann": 1}


def test_file_of_another_process_is_left_alone(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ratelimit.state_file.BUSY_SECONDS", 0.01)
    world.hit("ann", 3)
    world.state.flush()
    table = CounterTable()
    second = CounterState(world.path, table, world.clock)
    assert second.restore([D]) == 0
    assert "locked" in caplog.text
    second.stop()
    world.state.stop()
    assert world.begin() == 1


def test_thread_writes_and_ends(tmp_path: Path) -> None:
    world = World(tmp_path / "state.db")
    state = CounterState(tmp_path / "threaded.db", world.table, world.clock, 0.001)
    state.restore([D])
    state.start()
    world.hit("ann", 3)
    state.stop()
    assert state.written == 1
    after = CounterState(tmp_path / "threaded.db", CounterTable(), world.clock)
    assert after.restore([D]) == 1
    after.stop()


def test_calls_in_flight_keep_their_slots_until_the_lease_ends(world: World) -> None:
    lease = Quota(Algorithm.CONCURRENCY, 4, 32 * SECOND)
    world.wall += 123_456_789
    world.hit("ann", 3, lease)
    (before,) = everything(world)
    world.state.stop()
    world.wall += 10 * SECOND
    world.begin()
    (after,) = everything(world)
    assert after.value == 3
    # Leases end on a grid of a 32nd of their length, rounded up before and after.
    assert 0 <= after.reset_ns - (before.reset_ns - 10 * SECOND) <= 2 * SECOND
    world.wall += 24 * SECOND
    assert everything(world) == []


QUOTAS = {
    bytes([number]) * 16: quota
    for number, quota in enumerate(
        (
            FIXED,
            Quota(Algorithm.FIXED_WINDOW, 3, 500_000_000),
            Quota(Algorithm.ALIGNED_WINDOW, 10, 60 * SECOND),
            Quota(Algorithm.CALENDAR_WINDOW, 10, DAY, calendar=Calendar(Period.DAY, "Asia/Tokyo")),
            Quota(Algorithm.SLIDING_WINDOW, 10, 7 * SECOND),
            Quota(Algorithm.TOKEN_BUCKET, 7, 10 * SECOND, burst=12),
        )
    )
}
hits = st.tuples(
    st.just("hit"),
    st.sampled_from(sorted(QUOTAS)),
    st.sampled_from(["a", "b", "x" * 1100]),
    st.integers(0, 6),
)
waits = st.tuples(st.just("wait"), st.integers(0, 40 * SECOND) | st.integers(0, DAY))
others = st.sampled_from([("flush",), ("restart",), ("crash",)])


@settings(max_examples=30)
@given(st.lists(hits | waits | others, max_size=20))
def test_restart_is_as_if_the_process_had_never_ended(steps: list[tuple[object, ...]]) -> None:
    """The model is a table that lives through restarts; a crash takes it back to the last flush."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder) / "state.db", *QUOTAS)
        boot = world.boot
        done: list[tuple[Hit, int]] = []
        kept = 0
        for step, *given_ in steps:
            if step == "hit":
                digest, user, delta = given_
                assert isinstance(digest, bytes)
                hit = Hit(digest, QUOTAS[digest], (str(user),), int(str(delta)))
                world.table.check_and_add([hit], world.clock(), Mode.CHECK_AND_ADD)
                done.append((hit, world.wall))
            elif step == "wait":
                world.wall += int(str(given_[0]))
            elif step == "flush":
                world.state.flush()
                kept = len(done)
            else:
                if step == "restart":
                    world.state.stop()
                    kept = len(done)
                else:
                    crash(world)
                    del done[kept:]
                world.begin(*QUOTAS)
            assert everything(world) == modeled(done, world.wall, boot)
        world.state.stop()


def modeled(done: list[tuple[Hit, int]], wall: int, boot: int) -> list[Counter]:
    table = CounterTable()
    for hit, moment in done:
        table.check_and_add([hit], Clock(moment - boot, moment), Mode.CHECK_AND_ADD)
    return listed(table, Clock(wall - boot, wall))


def test_end_leaves_one_file(world: World) -> None:
    world.hit("ann")
    world.state.stop()
    assert os.listdir(world.path.parent) == ["state.db"]


def test_file_and_its_log_are_for_their_owner_alone(world: World) -> None:
    world.hit("ann")
    world.state.flush()
    modes = {path.name: path.stat().st_mode & 0o777 for path in world.path.parent.iterdir()}
    assert modes == {"state.db": 0o600, "state.db-wal": 0o600}
    world.state.stop()
