"""Who owns which host: first come, first served, and what becomes free goes to who waits.

A host is taken when a lookup finds another owner, so a wildcard covers the names below it; the
other way round, a name that came first keeps its place below a later wildcard.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from _fastpath.host_index import HostIndex, Refusal, normalize_host
from _fastpath.rule import Rule

Owner = Rule | Refusal
MOST_BYTES = 512  # both as HostIndex.edit takes them
MOST_LABELS = 128


def host_fault(host: str) -> str | None:
    """What is wrong with a host of an AuthConfig; anything else is a name or a pattern."""
    if len(host.encode()) > MOST_BYTES:
        return f"expected at most {MOST_BYTES} bytes"
    if host.count(".") >= MOST_LABELS:
        return f"expected at most {MOST_LABELS} labels"
    return None


@dataclass(slots=True)
class _Claim:
    turn: int
    owner: Owner
    hosts: tuple[str, ...]
    linked: set[str] = field(default_factory=set)


class HostClaims:
    """All claims in order of arrival, and the index they make. One task changes it.

    allow_subsets: a name or narrower wildcard below the wildcard of another owner may be taken.
    """

    def __init__(self, *, allow_subsets: bool = False) -> None:
        self._allow_subsets = allow_subsets
        self._holders: dict[str, str] = {}
        self._index = HostIndex()
        self._freed = False
        self._claims: dict[str, _Claim] = {}
        self._waiting: dict[str, _Claim] = {}
        self._turns = itertools.count()

    def claim(self, owner_id: str, owner: Owner, hosts: Iterable[str]) -> None:
        """Take these hosts for an owner, in place of those it had; it keeps its turn."""
        self._settle()
        wanted = tuple(dict.fromkeys(normalize_host(host) for host in hosts))
        claim = self._claims.get(owner_id)
        if claim is None:
            claim = self._claims[owner_id] = _Claim(next(self._turns), owner, wanted)
            self._link(owner_id, claim)
            return
        lost = claim.linked - set(wanted)
        self._index = self._index.edit(dict.fromkeys(claim.linked - lost, owner), remove=lost)
        self._let_go(lost)
        claim.owner, claim.hosts, claim.linked = owner, wanted, claim.linked - lost
        self._link(owner_id, claim)
        if lost:
            self._freed = True

    def release(self, owner_id: str) -> None:
        claim = self._claims.pop(owner_id, None)
        self._waiting.pop(owner_id, None)
        if claim is not None:
            self._index = self._index.edit({}, remove=claim.linked)
            self._let_go(claim.linked)
            self._freed = True

    @property
    def index(self) -> HostIndex:
        """The index of all claims up to now."""
        self._settle()
        return self._index

    def linked(self, owner_id: str) -> frozenset[str]:
        self._settle()
        return frozenset(self._claims[owner_id].linked)

    def loose(self, owner_id: str) -> dict[str, str]:
        """Hosts this owner asked for and did not get, with the id of who has them."""
        self._settle()
        claim = self._claims[owner_id]
        missing = (host for host in claim.hosts if host not in claim.linked)
        return {host: self._owner(host) or "" for host in missing}

    def taken(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Everyone who waits for a host, with `loose`, in order of arrival."""
        self._settle()
        for owner_id, _ in self._in_turn():
            yield owner_id, self.loose(owner_id)

    def _in_turn(self) -> list[tuple[str, _Claim]]:
        return sorted(self._waiting.items(), key=lambda item: item[1].turn)

    def _link(self, owner_id: str, claim: _Claim) -> None:
        for host in claim.hosts:
            if host not in claim.linked and self._owner(host) in (None, owner_id):
                self._index = self._index.edit({host: claim.owner})
                self._holders[host] = owner_id
                claim.linked.add(host)
        if len(claim.linked) < len(claim.hosts):
            self._waiting[owner_id] = claim
        else:
            self._waiting.pop(owner_id, None)

    def _owner(self, host: str) -> str | None:
        """Who stands in the way of a claim to this host, unless it is the same owner."""
        return self._holders.get(host) if self._allow_subsets else self._index.find(host)

    def _let_go(self, hosts: Iterable[str]) -> None:
        for host in hosts:
            del self._holders[host]

    def _settle(self) -> None:
        """Give freed hosts to who waits; once for many releases in a row."""
        if not self._freed:
            return
        self._freed = False
        for owner_id, claim in self._in_turn():
            self._link(owner_id, claim)
