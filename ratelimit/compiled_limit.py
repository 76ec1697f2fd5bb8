"""A limit with its expressions compiled, ready for either lane."""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from _fastpath.limit_spec import Fail, LimitSpec, OnError
from expressions.cel import Expression
from ratelimit.limit import Limit


@dataclass(frozen=True)
class CompiledLimit:
    """conditions, variables: in the order of the limit, which both lanes evaluate in, and then the
    cost. default_fail: what a limit does that says nothing of its own."""

    limit: Limit
    conditions: tuple[Expression, ...]
    variables: tuple[Expression, ...]
    cost: Expression | None = None
    default_fail: Fail = Fail.CLOSED

    @cached_property
    def equalities(self) -> tuple[tuple[int, str, str], ...]:
        """Tests that hold whenever all conditions are true; made before anything is evaluated."""
        tests = chain.from_iterable(condition.equalities for condition in self.conditions)
        return tuple(dict.fromkeys(tests))

    @cached_property
    def evaluated(self) -> tuple[Expression, ...]:
        """The conditions that are more than equality tests."""
        return tuple(condition for condition in self.conditions if not condition.exact)

    @cached_property
    def descriptor(self) -> int:
        """The limit's home, see `LimitSpec.descriptor`."""
        expressions = self.conditions + self.variables
        return max(chain.from_iterable(e.descriptors for e in expressions), default=0)

    @cached_property
    def unbound(self) -> frozenset[str]:
        """Names that nothing gives a value, of expressions that the checker refused."""
        return frozenset().union(
            *(
                e.roots - {"descriptors", "limit"}
                for e in (*self.conditions, *self.variables)
                if e.warning
            ),
        )

    @property
    def never_applies(self) -> bool:
        """It is disabled, or reads an unbound name: as in Limitador one anywhere, even in a branch
        not taken, ends the limit.

        With another on_error the name is a failure where it is evaluated.
        """
        if not self.limit.enabled:
            return True
        return bool(self.unbound) and self.limit.on_error is OnError.SKIP

    @property
    def fail(self) -> Fail:
        """What happens when the counters cannot be reached: no refusal and no error for the sake of
        a limit that never refuses."""
        chosen = self.default_fail if self.limit.fail is None else self.limit.fail
        return chosen if self.limit.binding or chosen is Fail.LOCAL else Fail.OPEN

    @cached_property
    def refusals(self) -> tuple[str, ...]:
        """Why requests that reach this limit go to the full lane; empty when none does."""
        expressions = (*self.evaluated, *self.variables, *((self.cost,) if self.cost else ()))
        return tuple(f"{e.source}: {e.refusal}" for e in expressions if e.native is None)

    def spec(self) -> LimitSpec:
        limit = self.limit
        return LimitSpec(
            digest=limit.digest,
            quota=limit.quota,
            name=limit.name,
            id=limit.id,
            conditions=tuple(condition.native for condition in self.evaluated),
            variables=tuple(variable.native for variable in self.variables),
            equalities=self.equalities,
            descriptor=self.descriptor,
            on_error=limit.on_error,
            cost=(self.cost.native,) if self.cost else (),
            shadow=limit.shadow,
            unlimited=limit.unlimited,
            always=limit.count_refused,
            headers=limit.headers,
            priority=limit.priority,
            fail=self.fail,
            refusal=limit.refusal,
        )
