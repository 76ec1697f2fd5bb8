"""What alone kept the native lane from deciding, found out for it.

A request that was deferred for its token is decided natively once the token is verified, for a
fraction of what the pipeline costs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from authz.configuration import Ready
from authz.errors import Unauthenticated
from authz.evaluation import Item
from authz.evaluator import Turn
from authz.evaluators.jwt import JwtIdentity


@dataclass(frozen=True, slots=True)
class Evidence:
    """remembered: the native lane knows more now than before. refused: by entry, what the pipeline
    need not find out again."""

    remembered: bool = False
    refused: Mapping[str, Unauthenticated] = field(default_factory=dict)


NOTHING = Evidence()


def token_items(ready: Ready) -> Sequence[Item]:
    """The jwt entries by priority when nothing else can have kept the native lane from deciding,
    and nobody is to be told of each entry; else none."""
    if ready.lane != "fast":
        return ()
    tokens = []
    for item in ready.opened.entries:
        entry = item.entry
        if entry.metrics or entry.cache is not None or entry.deadline_s is not None:
            return ()
        if not entry.kind.local:
            if not isinstance(item.evaluator, JwtIdentity) or entry.when:
                return ()
            tokens.append(item)
    return sorted(tokens, key=lambda item: item.entry.priority)


async def verified_token(items: Sequence[Item], turn: Turn) -> Evidence:
    """Verify the first token that the request has for one of these entries. Raises Overloaded."""
    for item in items:
        place = item.entry.credential
        credential = turn.request.credential(place.place, place.name)
        if credential is None:
            continue
        if item.evaluator.verifier.remembers(credential, turn.wall_ns):
            return NOTHING
        try:
            await item.evaluator.identify(turn, credential)
        except Unauthenticated as error:
            return Evidence(refused={item.entry.name: error})
        return Evidence(remembered=True)
    return NOTHING
