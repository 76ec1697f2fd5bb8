"""What is known of a kind of evaluator before any entry asks for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from authz.entry_reading import Reading
from authz.fields import Fields
from authz.opening import Opening
from authz.value import Value


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of authz/kinds.py.

    label: `evaluator_type` of the metrics. local: waits for nobody, so it has its turn before the
    others of its priority, in order of declaration. read: from the method's own mapping to its
    spec, a frozen dataclass. open: from the spec to the evaluator; raises errors.Unavailable.
    challenge: the identifier of WWW-Authenticate; None takes that of the credential. extensions:
    options of the extensions annotation that it takes. caches: `cache` has an effect; a kind whose
    results belong to more of a request than its credential remembers them itself, or needs not to.
    cache_key: makes of the author's key for a spec one of all that its results depend on.
    """

    label: str
    local: bool
    read: Callable[[Fields, Reading], Any]
    open: Callable[[Any, Opening], Any]
    challenge: Callable[[Any], str | None] | None = None
    extensions: tuple[str, ...] = ()
    caches: bool = True
    cache_key: Callable[[Any, Value], Value] = lambda spec, key: key
