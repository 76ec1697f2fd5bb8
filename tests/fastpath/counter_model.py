"""The counter table as a dictionary: what docs/counters.md says, without any of its machinery."""

from collections.abc import Sequence

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode, Verdict

MOST = 2**64 - 1
NEVER = 2**63 - 1

Key = tuple[bytes, tuple[str, ...]]


class CounterModel:
    def __init__(self) -> None:
        self.counters: dict[Key, tuple[int, int]] = {}

    def live(self, mono_ns: int) -> dict[Key, tuple[int, int]]:
        return {key: state for key, state in self.counters.items() if state[1] > mono_ns}

    def check_and_add(self, hits: Sequence[Hit], clock: Clock, mode: Mode) -> list[Verdict]:
        mono_ns = clock.mono_ns
        self.counters = self.live(mono_ns)
        verdicts = [self._verdict(hit, mono_ns, mode) for hit in hits]
        fits = all(v.fits or not hit.binding for hit, v in zip(hits, verdicts, strict=True))
        for hit in hits:
            if mode is Mode.ADD or (mode is Mode.CHECK_AND_ADD and (fits or hit.always)):
                self._add(hit, mono_ns)
        return verdicts

    def _verdict(self, hit: Hit, mono_ns: int, mode: Mode) -> Verdict:
        value, expiry = self.counters.get(
            (hit.limit_digest, hit.values), (0, mono_ns + hit.quota.window_ns)
        )
        fits = hit.delta < 0 or value + hit.delta <= hit.quota.max_value
        before = mode is Mode.CHECK or (hit.always and not fits)
        shown = value if before else min(max(value + hit.delta, 0), MOST)
        retry = 0 if fits else NEVER if hit.delta > hit.quota.max_value else expiry - mono_ns
        return Verdict(fits, max(hit.quota.max_value - shown, 0), expiry - mono_ns, retry)

    def _add(self, hit: Hit, mono_ns: int) -> None:
        key = (hit.limit_digest, hit.values)
        if key in self.counters:
            value, expiry = self.counters[key]
            self.counters[key] = (min(max(value + hit.delta, 0), MOST), expiry)
        elif hit.delta > 0 and hit.quota.window_ns > 0:
            self.counters[key] = (hit.delta, mono_ns + hit.quota.window_ns)
