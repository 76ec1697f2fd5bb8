"""The counter table as a dictionary: what docs/algorithms.md says, without any of its machinery.

Times are exact fractions where the table keeps remainders, and the time until a hit would fit is
searched for, not computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode, Verdict
from _fastpath.limit_spec import Algorithm, Quota

MOST = 2**64 - 1
NEVER = 2**63 - 1

Key = tuple[bytes, tuple[str, ...]]


def saturating(value: int) -> int:
    return min(max(value, 0), MOST)


def passed(clock: Clock, ns: int) -> Clock:
    return Clock(clock.mono_ns + ns, clock.wall_ns + ns)


def moved(before: Clock, after: Clock) -> int:
    """What a time of the monotonic clock becomes in another process, less the time itself."""
    return after.mono_ns - before.mono_ns - (after.wall_ns - before.wall_ns)


@dataclass
class Account:
    """One counter. `amount` below is signed; give back is negative."""

    quota: Quota  # as of the last charge

    def live(self, clock: Clock) -> bool:
        raise NotImplementedError

    def used(self, quota: Quota, clock: Clock) -> Fraction:
        raise NotImplementedError

    def reset(self, clock: Clock) -> int:
        raise NotImplementedError

    def add(self, amount: int, clock: Clock) -> None:
        raise NotImplementedError

    def restart(self, saved: Clock, after: Clock) -> None:
        """Goes on as it was when it was saved, with what the wall clock says has passed since."""
        raise NotImplementedError

    def may_be_forgotten(self, clock: Clock) -> bool:
        return not self.live(clock)


@dataclass
class Uncounted(Account):
    """What a window of no length has: a hit stands alone."""

    value: int = 0

    def live(self, clock: Clock) -> bool:
        return False

    def used(self, quota: Quota, clock: Clock) -> Fraction:
        return Fraction(self.value)

    def reset(self, clock: Clock) -> int:
        return 0

    def add(self, amount: int, clock: Clock) -> None:
        self.value = max(0, amount)


@dataclass
class FixedWindow(Account):
    value: int = 0
    end: int | None = None

    def live(self, clock: Clock) -> bool:
        return self.end is not None and self.end > clock.mono_ns

    def used(self, quota: Quota, clock: Clock) -> Fraction:
        return Fraction(self.value)

    def reset(self, clock: Clock) -> int:
        return self.quota.window_ns if self.end is None else self.end - clock.mono_ns

    def add(self, amount: int, clock: Clock) -> None:
        self.value = saturating(self.value + amount)
        if self.end is None:
            self.end = clock.mono_ns + self.quota.window_ns

    def restart(self, saved: Clock, after: Clock) -> None:
        assert self.end is not None
        self.end = min(self.end + moved(saved, after), after.mono_ns + self.quota.window_ns)


@dataclass
class WallWindow(Account):
    value: int = 0
    start: int | None = None
    end: int = 0
    mono_end: int = 0

    def whole(self, clock: Clock) -> tuple[int, int]:
        if self.quota.calendar is not None:
            return self.quota.calendar.window(clock.wall_ns)
        start = clock.wall_ns // self.quota.window_ns * self.quota.window_ns
        return start, start + self.quota.window_ns

    def live(self, clock: Clock) -> bool:
        if self.start is None or clock.wall_ns >= self.end:
            return False
        return clock.wall_ns >= self.start or clock.mono_ns < self.mono_end

    def may_be_forgotten(self, clock: Clock) -> bool:
        return clock.wall_ns >= self.end and clock.mono_ns >= self.mono_end

    def used(self, quota: Quota, clock: Clock) -> Fraction:
        return Fraction(self.value)

    def reset(self, clock: Clock) -> int:
        if self.start is None:
            return self.whole(clock)[1] - clock.wall_ns
        if clock.wall_ns < self.start:
            return self.mono_end - clock.mono_ns
        return self.end - clock.wall_ns

    def add(self, amount: int, clock: Clock) -> None:
        self.value = saturating(self.value + amount)
        if self.start is None:
            self.start, self.end = self.whole(clock)
            self.mono_end = clock.mono_ns + self.end - clock.wall_ns

    def restart(self, saved: Clock, after: Clock) -> None:
        assert self.start is not None
        length = self.end - self.start
        self.mono_end = min(self.mono_end + moved(saved, after), after.mono_ns + length)


@dataclass
class SlidingWindow(Account):
    start: int | None = None
    before: int = 0
    now: int = 0

    def rolled(self, clock: Clock) -> "SlidingWindow":
        rolled = replace(self)
        while rolled.start is not None and clock.mono_ns >= rolled.start + self.quota.window_ns:
            rolled.start += self.quota.window_ns
            rolled.before, rolled.now = rolled.now, 0
            if not rolled.before:
                rolled.start = None
        return rolled

    def live(self, clock: Clock) -> bool:
        rolled = self.rolled(clock)
        return rolled.before + rolled.now > 0

    def used(self, quota: Quota, clock: Clock) -> Fraction:
        rolled, length = self.rolled(clock), self.quota.window_ns
        if rolled.start is None:
            return Fraction(0)
        reach = Fraction(length - (clock.mono_ns - rolled.start), length)
        return Fraction(saturating(floor(rolled.before * reach) + rolled.now))

    def reset(self, clock: Clock) -> int:
        start = self.rolled(clock).start
        return self.quota.window_ns - (0 if start is None else clock.mono_ns - start)

    def add(self, amount: int, clock: Clock) -> None:
        rolled = self.rolled(clock)
        self.start = clock.mono_ns if rolled.start is None else rolled.start
        self.before = rolled.before - min(rolled.before, max(0, -amount - rolled.now))
        self.now = saturating(rolled.now + amount)

    def restart(self, saved: Clock, after: Clock) -> None:
        assert self.start is not None
        self.start = min(self.start + moved(saved, after), after.mono_ns)


@dataclass
class TokenBucket(Account):
    full: Fraction = Fraction(0)

    def missing(self, quota: Quota, clock: Clock) -> Fraction:
        """Nanoseconds to be full; what does not divide by the rate is rounded up."""
        if not quota.max_value or self.full <= clock.mono_ns:
            return Fraction(0)
        parts = ceil((self.full - clock.mono_ns) * quota.max_value)
        return Fraction(parts, quota.max_value)

    def live(self, clock: Clock) -> bool:
        return self.full > clock.mono_ns

    def used(self, quota: Quota, clock: Clock) -> Fraction:
        return self.missing(quota, clock) * quota.max_value / quota.window_ns

    def reset(self, clock: Clock) -> int:
        return ceil(self.missing(self.quota, clock))

    def add(self, amount: int, clock: Clock) -> None:
        self.full = Fraction(clock.mono_ns)
        if self.quota.max_value:
            self.full += Fraction(amount * self.quota.window_ns, self.quota.max_value)

    def restart(self, saved: Clock, after: Clock) -> None:
        self.full += moved(saved, after)


@dataclass
class Slots(Account):
    ends: dict[int, int] = field(default_factory=dict)

    @property
    def slice(self) -> int:
        return -(-self.quota.window_ns // 32)

    def taken(self, clock: Clock) -> dict[int, int]:
        return {end: n for end, n in sorted(self.ends.items()) if end > clock.mono_ns and n}

    def live(self, clock: Clock) -> bool:
        return bool(self.taken(clock))

    def used(self, quota: Quota, clock: Clock) -> Fraction:
        return Fraction(saturating(sum(self.taken(clock).values())))

    def reset(self, clock: Clock) -> int:
        taken = self.taken(clock)
        return max(taken) - clock.mono_ns if taken else self.quota.window_ns

    def add(self, amount: int, clock: Clock) -> None:
        self.ends = self.taken(clock)
        if amount > 0:
            end = -(-(clock.mono_ns + self.quota.window_ns) // self.slice) * self.slice
            self.ends[end] = saturating(self.ends.get(end, 0) + amount)
        for end in list(self.ends):
            freed = min(self.ends[end], max(0, -amount))
            self.ends[end] -= freed
            amount += freed

    def restart(self, saved: Clock, after: Clock) -> None:
        border = (saved.mono_ns // self.slice + 1) * self.slice
        first = min(border + moved(saved, after), after.mono_ns + self.quota.window_ns)
        by = -(-first // self.slice) * self.slice - border
        last = (after.mono_ns // self.slice + 33) * self.slice
        taken, self.ends = self.taken(saved), {}
        for end, count in taken.items():
            if end + first - border > after.mono_ns:
                to = min(end + by, last)
                self.ends[to] = saturating(self.ends.get(to, 0) + count)


ACCOUNTS: dict[Algorithm, type[Account]] = {
    Algorithm.FIXED_WINDOW: FixedWindow,
    Algorithm.ALIGNED_WINDOW: WallWindow,
    Algorithm.CALENDAR_WINDOW: WallWindow,
    Algorithm.SLIDING_WINDOW: SlidingWindow,
    Algorithm.TOKEN_BUCKET: TokenBucket,
    Algorithm.CONCURRENCY: Slots,
}


def new_account(quota: Quota) -> Account:
    counts = quota.window_ns > 0 or quota.calendar is not None
    return (ACCOUNTS[quota.algorithm] if counts else Uncounted)(quota)


def capacity(quota: Quota) -> int:
    if quota.algorithm is Algorithm.TOKEN_BUCKET and quota.max_value:
        return quota.burst or quota.max_value
    return quota.max_value


def charged(account: Account, quota: Quota, amount: int, clock: Clock) -> Account:
    after = replace(account, quota=quota)
    if isinstance(account, TokenBucket) and isinstance(after, TokenBucket):
        missing = account.missing(quota, clock)
        after.add(amount, clock)
        after.full = max(Fraction(clock.mono_ns), after.full + missing)
    else:
        after.add(amount, clock)
    return after


class CounterModel:
    def __init__(self) -> None:
        self.counters: dict[Key, Account] = {}

    def live(self, clock: Clock) -> dict[Key, Account]:
        return {key: account for key, account in self.counters.items() if account.live(clock)}

    def forget(self, clock: Clock) -> None:
        """What a complete sweep does."""
        for key in [k for k, account in self.counters.items() if account.may_be_forgotten(clock)]:
            del self.counters[key]

    def listed(self, clock: Clock) -> dict[Key, tuple[int, int]]:
        return {
            key: (ceil(account.used(account.quota, clock)), account.reset(clock))
            for key, account in self.live(clock).items()
        }

    def check_and_add(self, hits: Sequence[Hit], clock: Clock, mode: Mode) -> list[Verdict]:
        verdicts = [self._verdict(hit, clock, mode) for hit in hits]
        fits = all(v.fits or not hit.binding for hit, v in zip(hits, verdicts, strict=True))
        for hit in hits:
            if mode is Mode.ADD or (mode is Mode.CHECK_AND_ADD and (fits or hit.always)):
                self._charge(hit, clock)
        return verdicts

    def set(self, hit: Hit, clock: Clock) -> None:
        self.counters.pop((hit.limit_digest, hit.values), None)
        self._charge(hit, clock)

    def _account(self, hit: Hit, clock: Clock) -> Account:
        account = self.counters.get((hit.limit_digest, hit.values))
        return account if account and account.live(clock) else new_account(hit.quota)

    def _verdict(self, hit: Hit, clock: Clock, mode: Mode) -> Verdict:
        quota, look = hit.quota, mode is Mode.CHECK
        before = self._account(hit, clock)
        after = charged(before, quota, hit.delta, clock)
        fits = self._fits(hit, clock)
        shown = before if look or (hit.always and not fits) else after
        remaining = max(0, floor(capacity(quota) - shown.used(quota, clock)))
        reset = before.reset(clock)
        if isinstance(before, TokenBucket):
            reset = (charged(before, quota, 0, clock) if look or not fits else after).reset(clock)
        return Verdict(fits, remaining, reset, 0 if fits else self._retry(hit, clock))

    def _fits(self, hit: Hit, clock: Clock) -> bool:
        if hit.delta < 0:
            return True
        most = capacity(hit.quota)
        used = self._account(hit, clock).used(hit.quota, clock)
        return hit.delta <= most and used + hit.delta <= most

    def _retry(self, hit: Hit, clock: Clock) -> int:
        """Bisected, since what counts only grows less while nothing happens."""
        if hit.delta > capacity(hit.quota):
            return NEVER
        never, at = 0, 1
        while not self._fits(hit, passed(clock, at)):
            never, at = at, 2 * at
        while at - never > 1:
            middle = (at + never) // 2
            if self._fits(hit, passed(clock, middle)):
                at = middle
            else:
                never = middle
        return at

    def _charge(self, hit: Hit, clock: Clock) -> None:
        account = self._account(hit, clock)
        opens = hit.delta > 0 and not isinstance(account, Uncounted)
        if isinstance(account, TokenBucket) and not hit.quota.max_value:
            opens = False
        if hit.delta and (account.live(clock) or opens):
            key = hit.limit_digest, hit.values
            self.counters[key] = charged(account, hit.quota, hit.delta, clock)
