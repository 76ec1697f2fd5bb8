"""The full lane's decision over the limits that apply, and the answer made of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from _fastpath.clock import Clock
from _fastpath.counters import Hit, Mode, Verdict
from _fastpath.header_spec import NEVER_NS, HeaderSpec
from _fastpath.limit_spec import Fail
from _fastpath.rls_message import Code, CurrentLimit, RateLimitResponse, Status
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.headers import Headers, ShownLimit, rate_limit_headers
from ratelimit.selection import Entries, Selection, select
from ratelimit.store import CounterStore

REFUSED = Verdict(fits=False, remaining=0, reset_ns=0, retry_ns=NEVER_NS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One limit that applied, with what its counter was asked and said; hit None: it was not."""

    limit: CompiledLimit
    verdict: Verdict
    hit: Hit | None = None

    @property
    def restrictiveness(self) -> tuple[int, bool, bytes, bytes]:
        """Ascending: what is reported first."""
        limit = self.limit.limit
        name = (limit.name or "").encode()
        return self.verdict.remaining, self.verdict.fits, name, limit.digest


@dataclass(frozen=True, slots=True)
class Decision:
    """outcomes: from the most restrictive. failed: limits of which an expression failed."""

    outcomes: tuple[Outcome, ...]
    failed: tuple[CompiledLimit, ...]

    @property
    def over_limit(self) -> bool:
        return any(not outcome.verdict.fits for outcome in self.outcomes)

    @property
    def limited_by(self) -> str:
        """Name of the most restrictive limit that does not fit, "" if it has none."""
        for outcome in self.outcomes:
            if not outcome.verdict.fits:
                return outcome.limit.limit.name or ""
        return ""

    def headers(self, spec: HeaderSpec) -> Headers:
        shown = [ShownLimit(o.limit.limit, o.verdict, not o.verdict.fits) for o in self.outcomes]
        return rate_limit_headers(shown, spec)

    def response(
        self, descriptors: int, *, headers: HeaderSpec, statuses: bool
    ) -> RateLimitResponse:
        return RateLimitResponse(
            code=Code.OVER_LIMIT if self.over_limit else Code.OK,
            statuses=self._statuses(descriptors) if statuses else (),
            response_headers=self.headers(headers),
        )

    def _statuses(self, descriptors: int) -> tuple[Status, ...]:
        found: dict[int, Status] = {}
        for outcome in self.outcomes:
            limit = outcome.limit.limit
            home = min(outcome.limit.descriptor, descriptors - 1)
            found.setdefault(
                home,
                Status(
                    code=Code.OK if outcome.verdict.fits else Code.OVER_LIMIT,
                    limit=CurrentLimit(limit.max_value, limit.window_ns, limit.name or ""),
                    remaining=outcome.verdict.remaining,
                    reset_ns=outcome.verdict.reset_ns,
                ),
            )
        return tuple(found.get(index, Status()) for index in range(descriptors))


async def decide(
    limits: Iterable[CompiledLimit],
    descriptors: Sequence[Entries],
    hits: Callable[[int], int],
    mode: Mode,
    store: CounterStore,
    clock: Clock,
) -> Decision:
    """Select the limits, all of one namespace, then ask and charge their counters as one step.

    hits: signed hits of the descriptor with this index. Limits that refuse by on_error deny what
    would charge or look, and nothing is charged then. Raises StoreUnavailable.
    """
    selection = select(limits, descriptors)
    refusing = [] if mode is Mode.ADD else selection.refusing
    if refusing:
        mode = Mode.CHECK
    fails = [Fail.CLOSED] * len(selection.applying)
    namespace = selection.applying[0].limit.limit.namespace if selection.applying else ""
    asked = _hits(selection, hits)
    verdicts = await store.decide(namespace, asked, fails, mode, clock)
    outcomes = [
        Outcome(selected.limit, verdict, hit)
        for selected, verdict, hit in zip(selection.applying, verdicts, asked, strict=True)
        if verdict is not None
    ]
    outcomes += [Outcome(limit, REFUSED) for limit in refusing]
    outcomes.sort(key=lambda outcome: outcome.restrictiveness)
    return Decision(tuple(outcomes), tuple(selection.failed))


def _hits(selection: Selection, hits: Callable[[int], int]) -> list[Hit]:
    return [
        Hit(
            limit_digest=selected.limit.limit.digest,
            quota=selected.limit.limit.quota,
            values=selected.values,
            delta=hits(selected.limit.descriptor),
        )
        for selected in selection.applying
    ]
