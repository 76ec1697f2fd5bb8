"""Labels of the request counters by the operator's expressions, in the native lane.

A label is left out of a sample when its expression fails, finds nothing or gives no string, number,
boolean or null. The default expression gives a map: its entries from string to string become
labels, in order of arrival and before the others, unless the name is no label name
([a-zA-Z_][a-zA-Z0-9_]*, not two leading underscores), is one of `reserved` or belongs to a label of
its own. Values keep their first 256 bytes.
"""

from collections.abc import Sequence

from _fastpath.handler import Unit

RESERVED: frozenset[str]
"""Labels that the counters have already."""

def label_set(
    labels: Sequence[tuple[str, Unit | None]], defaults: Unit | None, native: bool
) -> Unit:
    """What a plan holds. native False, or an expression without a program: requests with these
    labels go to the full lane. Raises ValueError for a name that is no label name."""

def is_label_name(name: str) -> bool: ...
def pack_labels(labels: Sequence[tuple[str, str]]) -> bytes:
    """The text under which a sample's labels are filed; values are cut as the native lane does."""

def unpack_labels(text: bytes) -> tuple[tuple[str, str], ...]: ...
