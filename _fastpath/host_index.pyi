from collections.abc import Iterable, Mapping

from _fastpath.handler import Unit

class Owner(Unit):
    """What hosts belong to: a rule.Rule or a Refusal."""

    @property
    def id(self) -> str:
        """`namespace/name` of the AuthConfig."""

class Refusal(Owner):
    """Owner of hosts whose AuthConfig was refused and never valid: requests answer 503.

    `reason` reaches the client as X-Ext-Auth-Reason.
    """

    @property
    def reason(self) -> str: ...
    def __init__(self, id: str, reason: str) -> None: ...

class HostIndex(Unit):
    """Immutable map from host patterns to rules; an edit shares all it does not touch.

    Patterns: `name`, `name:port`, `*.suffix` (also with port), `*`. A `*` elsewhere is literal.
    Patterns and looked-up hosts are normalized by `normalize_host`.

    A lookup tries, and the first hit wins: the host as it is; the host without port; `*.` patterns
    from the longest suffix to the shortest, the host with port first, then without; `*`. `*.a.com`
    also matches `a.com` itself and any depth below. `*` matches everything, the empty host too.
    """

    def __init__(self) -> None: ...
    def edit(self, put: Mapping[str, Owner], remove: Iterable[str] = ()) -> HostIndex:
        """A new index: first `remove`, then `put`. Costs the change, not the whole.

        Unknown patterns in `remove` are ignored. Raises ValueError for a pattern longer than 512
        bytes or with more than 128 labels.
        """

    def find(self, host: str) -> str | None:
        """The `id` of the rule or refusal that owns `host`, by the lookup a request gets."""

    def __len__(self) -> int: ...

def normalize_host(host: str) -> str:
    """ASCII lower case, without one trailing dot (also before a port). Brackets stay."""
