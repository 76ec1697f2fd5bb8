"""The counter table as a dictionary: what docs/counters.md says, without any of its machinery."""

from collections.abc import Sequence

from _fastpath.counters import Hit, Mode, Verdict

MOST = 2**64 - 1

Key = tuple[bytes, tuple[str, ...]]


class CounterModel:
    def __init__(self) -> None:
        self.counters: dict[Key, tuple[int, int]] = {}

    def live(self, mono_ns: int) -> dict[Key, tuple[int, int]]:
        return {key: state for key, state in self.counters.items() if state[1] > mono_ns}

    def check_and_add(self, hits: Sequence[Hit], mono_ns: int, mode: Mode) -> list[Verdict]:
        self.counters = self.live(mono_ns)
        verdicts = [self._verdict(hit, mono_ns, mode) for hit in hits]
        if mode is Mode.ADD or (mode is Mode.CHECK_AND_ADD and all(v.fits for v in verdicts)):
            for hit in hits:
                self._add(hit, mono_ns)
        return verdicts

    def _verdict(self, hit: Hit, mono_ns: int, mode: Mode) -> Verdict:
        value, expiry = self.counters.get(
            (hit.limit_digest, hit.values), (0, mono_ns + hit.window_ns)
        )
        fits = hit.delta < 0 or value + hit.delta <= hit.max_value
        shown = value if mode is Mode.CHECK else min(max(value + hit.delta, 0), MOST)
        return Verdict(fits, max(hit.max_value - shown, 0), expiry - mono_ns)

    def _add(self, hit: Hit, mono_ns: int) -> None:
        key = (hit.limit_digest, hit.values)
        if key in self.counters:
            value, expiry = self.counters[key]
            self.counters[key] = (min(max(value + hit.delta, 0), MOST), expiry)
        elif hit.delta > 0 and hit.window_ns > 0:
            self.counters[key] = (hit.delta, mono_ns + hit.window_ns)
