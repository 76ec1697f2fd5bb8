"""Authorization `patternMatching`: granted when all patterns hold."""

from dataclasses import dataclass

from _fastpath.rule import CONDITION_FAILED, UNAUTHORIZED
from authz.condition import Condition, holds
from authz.entry_reading import Reading
from authz.errors import Denied
from authz.evaluator import AuthorizationEvaluator, Turn
from authz.fields import Fields
from authz.opening import Opening
from expressions.errors import EvaluationError


@dataclass(frozen=True, slots=True)
class PatternMatching:
    patterns: tuple[Condition, ...]


def read_pattern_matching(fields: Fields, reading: Reading) -> PatternMatching:
    fields.known("patterns")
    if not fields.has("patterns"):
        fields.fault("is required", "patterns")
    return PatternMatching(reading.conditions(fields, "patterns"))


class PatternAuthorization(AuthorizationEvaluator):
    def __init__(self, patterns: tuple[Condition, ...]) -> None:
        self._patterns = patterns

    async def authorize(self, turn: Turn) -> object:
        try:
            granted = holds(self._patterns, turn.document)
        except EvaluationError as error:
            raise Denied(CONDITION_FAILED) from error
        if not granted:
            raise Denied(UNAUTHORIZED)
        return True


def open_pattern_matching(spec: PatternMatching, opening: Opening) -> PatternAuthorization:
    return PatternAuthorization(spec.patterns)
