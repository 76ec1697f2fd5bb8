"""What `rule.rule` compiles: one AuthConfig as plain data, every expression already compiled.

The order of tuples is meaning, not presentation: it is the order of declaration, and both lanes
evaluate and answer in it. The native side keeps no reference to these objects.
"""

from dataclasses import dataclass
from enum import IntEnum

from _fastpath.document import NativeDocument
from _fastpath.program import NativeProgram


class Place(IntEnum):
    """Where a credential is carried; `Credential.name` says under which name."""

    AUTHORIZATION_HEADER = 0
    CUSTOM_HEADER = 1
    QUERY_STRING = 2
    COOKIE = 3


@dataclass(frozen=True, slots=True)
class Credential:
    """AUTHORIZATION_HEADER: name is the prefix ("Bearer"), compared with case, one space follows.

    CUSTOM_HEADER: the name is compared in lower case, the whole value is the credential.
    QUERY_STRING: first value of the parameter after percent and plus decoding; an empty value, a
    malformed pair and a pair holding ";" do not count. COOKIE: first `name=` after splitting at
    ";" and trimming; the value is taken as it stands.
    """

    place: Place = Place.AUTHORIZATION_HEADER
    name: str = "Bearer"


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when every item is; from the left, the first item that is false or fails decides."""

    items: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """False when every item is; from the left, the first item that is true or fails decides."""

    items: tuple["Condition", ...]


Condition = NativeProgram | AllOf | AnyOf
"""A program whose result is a boolean (anything else is an evaluation error), or a group.

At most 64 groups deep.
"""

ValueSource = NativeProgram | NativeDocument
"""A selector or expression, or a static value."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """`key_set` is an id of `IdentityTable.key_set`; None means anonymous.

    `challenge` is the identifier of the WWW-Authenticate header: prefix, header, parameter or
    cookie name, `Bearer` for anonymous.
    """

    name: str
    challenge: str
    key_set: int | None = None
    credential: Credential = Credential()
    priority: int = 0
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Authorization:
    """A patternMatching entry: granted when all `patterns` are true."""

    name: str
    patterns: tuple[Condition, ...]
    priority: int = 0
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Denial:
    """A custom denial; None and 0 keep the default of that part.

    `headers`, when not None, replace the challenge headers. A part that fails to resolve, or
    resolves to null, is the empty string.
    """

    code: int = 0
    message: ValueSource | None = None
    body: ValueSource | None = None
    headers: tuple[tuple[str, ValueSource], ...] | None = None


class Target(IntEnum):
    """Where a success item goes."""

    HEADER = 0
    DYNAMIC_METADATA = 1


@dataclass(frozen=True, slots=True)
class SuccessItem:
    """Exactly one of `plain` and `json` (properties by name, as declared) is given."""

    name: str
    key: str
    target: Target
    plain: ValueSource | None = None
    json: tuple[tuple[str, ValueSource], ...] | None = None
    priority: int = 0
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One AuthConfig. `authentication` holds at least one entry unless `refusal` is set.

    refusal: why requests for this AuthConfig go to the full lane; None compiles it. With a refusal
    the other parts are not read.
    """

    namespace: str
    name: str
    when: tuple[Condition, ...] = ()
    authentication: tuple[Authentication, ...] = ()
    authorization: tuple[Authorization, ...] = ()
    unauthenticated: Denial = Denial()
    unauthorized: Denial = Denial()
    success: tuple[SuccessItem, ...] = ()
    refusal: str | None = None
