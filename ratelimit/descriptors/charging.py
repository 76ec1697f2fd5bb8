"""Asks and charges the counters of one request."""

from collections.abc import Sequence
from dataclasses import dataclass

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode, Verdict
from _fastpath.limit_spec import Fail
from ratelimit.descriptors.limit import counter_digest
from ratelimit.descriptors.weighing import Weighed
from ratelimit.store import CounterStore


async def charge(
    domain: str, weighed: Sequence[Weighed], store: CounterStore, clock: Clock, *, stop: bool
) -> list[Verdict | None]:
    """One verdict per descriptor, None where nothing is counted.

    Every counter is charged whatever the others say. With `stop`, once one does not fit, only those
    that do not fit are charged. Of a hit that does not fit `remaining` is what was left when it
    came. A counter that several descriptors name is charged by them in turn. Raises what the store
    does, and then the counters may have been charged.
    """
    verdicts: list[Verdict | None] = [None] * len(weighed)
    for indices in _rounds(weighed):
        hits = [_hit(domain, weighed[i]) for i in indices]
        decide = _stopping if stop else _counting
        found = await decide(_Ask(domain, store, clock), hits)
        for index, verdict in zip(indices, found, strict=True):
            verdicts[index] = verdict
    return verdicts


def _rounds(weighed: Sequence[Weighed]) -> list[list[int]]:
    """Indices of the descriptors that count, no counter twice in a round."""
    rounds: list[list[int]] = []
    seen: dict[tuple[int, tuple[str, ...]], int] = {}
    for index, each in enumerate(weighed):
        if each.match is None:
            continue
        counter = each.match.limit.window_ns, each.match.values
        turn = seen.get(counter, 0)
        seen[counter] = turn + 1
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(index)
    return rounds


def _hit(domain: str, weighed: Weighed) -> Hit:
    assert weighed.match is not None
    limit = weighed.match.limit
    digest = counter_digest(domain, limit.window_ns)
    # What is given back is given back whatever other limits say.
    return Hit(digest, limit.quota, weighed.match.values, weighed.hits, always=weighed.hits < 0)


@dataclass(frozen=True, slots=True)
class _Ask:
    """One decision of the store about hits of this domain."""

    domain: str
    store: CounterStore
    clock: Clock

    async def __call__(self, hits: Sequence[Hit]) -> list[Verdict | None]:
        fails = [Fail.ERROR] * len(hits)
        return list(
            await self.store.decide(self.domain, hits, fails, Mode.CHECK_AND_ADD, self.clock)
        )


async def _counting(ask: _Ask, hits: Sequence[Hit]) -> list[Verdict | None]:
    return await ask([hit._replace(binding=False, always=True) for hit in hits])


async def _stopping(ask: _Ask, hits: Sequence[Hit]) -> list[Verdict | None]:
    """First all or none; when that charged none, those that did not fit."""
    verdicts = await ask(hits)
    over = [i for i, verdict in enumerate(verdicts) if verdict is not None and not verdict.fits]
    if not over:
        return verdicts
    charged = iter(await _counting(ask, [hits[i] for i in over]))
    return [
        next(charged) if i in over else _uncharged(verdict, hits[i].delta)
        for i, verdict in enumerate(verdicts)
    ]


def _uncharged(verdict: Verdict | None, delta: int) -> Verdict | None:
    """What a counter says that its hits left alone, unless they gave back."""
    if verdict is None or delta < 0:
        return verdict
    return verdict._replace(remaining=max(verdict.remaining + delta, 0))
