"""What an engine of Rego is to the evaluator."""

from collections.abc import Mapping
from typing import Protocol


class OpenPolicy(Protocol):
    """One policy, compiled by its engine."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its rules, without functions."""

    async def evaluate(self, document: Mapping[str, object], wall_ns: int) -> Mapping[str, object]:
        """The values of its rules for this input and time; undefined ones are left out.

        Raises errors of authz.opa.errors, and authz.errors.Overloaded.
        """

    def close(self) -> None:
        """It is not needed any more; from any thread."""


class Engine(Protocol):
    @property
    def replaced(self) -> int:
        """Processes of ours that were killed or ended, and had to be started again."""

    def open(self, rego: str, version: str) -> OpenPolicy:
        """version: "v0" or "v1". May take seconds; not to be called on the event loop.

        Raises PolicyRefused and EngineUnavailable.
        """

    async def close(self) -> None: ...
