"""The full lane's decision over the limits that apply, and the answer made of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode, Verdict
from _fastpath.header_spec import NEVER_NS, HeaderSpec, Refusal
from _fastpath.limit_spec import Algorithm
from _fastpath.rls_message import Code, CurrentLimit, RateLimitResponse, Status
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.headers import Headers, ShownLimit, rate_limit_headers
from ratelimit.limit import Limit
from ratelimit.selection import (
    MOST_GIVEN_BACK,
    Entries,
    Hits,
    Selected,
    Selection,
    select,
)
from ratelimit.store import CounterStore

MOST_REMAINING = 2**32 - 1  # what a status can tell
NO_REFUSAL = Refusal()
REFUSED = Verdict(fits=False, remaining=0, reset_ns=0, retry_ns=NEVER_NS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One limit that applied, with what its counter was asked and said; hit None: it was not."""

    limit: CompiledLimit
    verdict: Verdict
    hit: Hit | None = None

    @property
    def refuses(self) -> bool:
        return self.limit.limit.binding and not self.verdict.fits

    @property
    def restrictiveness(self) -> tuple[int, int, int, bytes, bytes]:
        """Ascending: what is reported first."""
        limit = self.limit.limit
        rank = 3 if limit.unlimited else 2 if limit.shadow else int(self.verdict.fits)
        priority = limit.priority if rank == 0 else 0
        name = (limit.name or "").encode()
        return rank, -priority, self.verdict.remaining, name, limit.digest


@dataclass(frozen=True, slots=True)
class Decision:
    """outcomes: from the most restrictive. failed: limits of which an expression failed.
    shadowed: limits that would have refused but for `shadow`."""

    outcomes: tuple[Outcome, ...]
    failed: tuple[CompiledLimit, ...]
    shadowed: tuple[CompiledLimit, ...]

    @property
    def over_limit(self) -> bool:
        return self.refusing is not None

    @property
    def refusing(self) -> Limit | None:
        """The limit that a refusal is told by: the most restrictive of those that refuse."""
        found = (outcome.limit.limit for outcome in self.outcomes if outcome.refuses)
        return next(found, None)

    @property
    def limited_by(self) -> str:
        """Name of the limit that a refusal is told by, "" if it has none."""
        return (self.refusing and self.refusing.name) or ""

    def headers(self, spec: HeaderSpec) -> Headers:
        told = (o for o in self.outcomes if o.limit.limit.headers)
        return rate_limit_headers(
            [ShownLimit(o.limit.limit, o.verdict, o.refuses) for o in told], spec
        )

    def response(
        self, descriptors: int, *, headers: HeaderSpec, statuses: bool
    ) -> RateLimitResponse:
        refusing = self.refusing
        refusal = (refusing and refusing.refusal) or NO_REFUSAL
        return RateLimitResponse(
            code=Code.OVER_LIMIT if refusing else Code.OK,
            statuses=self._statuses(descriptors) if statuses else (),
            response_headers=self.headers(headers) + refusal.headers,
            raw_body=refusal.body,
            dynamic_metadata=refusal.metadata,
        )

    def _statuses(self, descriptors: int) -> tuple[Status, ...]:
        """The limit of a status is the first of its home that clients are told of."""
        refused: set[int] = set()
        told: dict[int, Outcome] = {}
        for outcome in self.outcomes:
            home = min(outcome.limit.descriptor, descriptors - 1)
            if outcome.refuses:
                refused.add(home)
            if outcome.limit.limit.headers:
                told.setdefault(home, outcome)
        return tuple(
            _status(Code.OVER_LIMIT if index in refused else Code.OK, told.get(index))
            for index in range(descriptors)
        )


def _status(code: Code, told: Outcome | None) -> Status:
    if told is None:
        return Status(code)
    limit = told.limit.limit
    if limit.unlimited:
        return Status(code, remaining=MOST_REMAINING)
    return Status(
        code=code,
        limit=CurrentLimit(limit.max_value, limit.window_ns, limit.name or ""),
        remaining=told.verdict.remaining,
        reset_ns=told.verdict.reset_ns,
    )


async def decide(
    limits: Iterable[CompiledLimit],
    descriptors: Sequence[Entries],
    hits: Hits,
    mode: Mode,
    store: CounterStore,
    clock: Clock,
) -> Decision:
    """Select the limits, all of one namespace, and settle. Raises StoreUnavailable."""
    return await settle(select(limits, descriptors, hits), mode, store, clock)


async def settle(selection: Selection, mode: Mode, store: CounterStore, clock: Clock) -> Decision:
    """Ask and charge the counters of the selected limits as one step.

    Limits that refuse by on_error deny what would charge or look, and nothing is charged then.
    Raises StoreUnavailable.
    """
    unable = [] if mode is Mode.ADD else selection.refusing
    refusing = [limit for limit in unable if limit.limit.binding]
    asked = _hits(selection, releasing=mode is Mode.ADD)
    if refusing:
        mode = Mode.CHECK
    fails = [selected.limit.fail for selected in selection.applying]
    namespace = selection.applying[0].limit.limit.namespace if selection.applying else ""
    verdicts = await store.decide(namespace, asked, fails, mode, clock)
    outcomes = [
        Outcome(selected.limit, verdict, hit)
        for selected, verdict, hit in zip(selection.applying, verdicts, asked, strict=True)
        if verdict is not None
    ]
    outcomes += [Outcome(limit, REFUSED) for limit in refusing]
    outcomes.sort(key=lambda outcome: outcome.restrictiveness)
    shadowed = [limit for limit in unable if limit.limit.shadow]
    if mode is not Mode.ADD:
        shadowed += [o.limit for o in outcomes if o.limit.limit.shadow and not o.verdict.fits]
    return Decision(tuple(outcomes), tuple(selection.failed), tuple(shadowed))


def _hits(selection: Selection, *, releasing: bool) -> list[Hit]:
    """releasing: hits of a concurrency limit tell the end of what took its slots."""
    return [
        Hit(
            limit_digest=selected.limit.limit.digest,
            quota=selected.limit.limit.quota,
            values=selected.values,
            delta=_released(selected) if releasing else selected.delta,
            binding=selected.limit.limit.binding,
            always=selected.limit.limit.count_refused,
        )
        for selected in selection.applying
    ]


def _released(selected: Selected) -> int:
    if selected.limit.limit.algorithm is not Algorithm.CONCURRENCY:
        return selected.delta
    return max(-selected.delta, -MOST_GIVEN_BACK)
