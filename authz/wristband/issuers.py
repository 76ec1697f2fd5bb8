"""The wristband issuers among the AuthConfigs in force."""

from authz.configuration import Snapshot
from authz.evaluators.wristband import Wristband
from authz.wristband.discovery import Discovery


def find_discovery(snapshot: Snapshot, config_id: str, entry: str) -> Discovery | None:
    """The documents of a success item; of two items with one name the first that issues."""
    ready = snapshot.ready.get(config_id)
    for item in ready.opened.success if ready is not None else ():
        if item.entry.name == entry and isinstance(item.evaluator, Wristband):
            return item.evaluator.discovery
    return None


def has_issuers(snapshot: Snapshot) -> bool:
    return any(
        isinstance(item.evaluator, Wristband)
        for ready in snapshot.ready.values()
        for item in ready.opened.success
    )
