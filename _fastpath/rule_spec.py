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
    PEER_CERTIFICATE = 4
    CERTIFICATE_HEADER = 5


@dataclass(frozen=True, slots=True)
class Credential:
    """AUTHORIZATION_HEADER: name is the prefix ("Bearer"), compared with case, one space follows.

    CUSTOM_HEADER: the name is compared in lower case, the whole value is the credential.
    QUERY_STRING: first value of the parameter after percent and plus decoding; an empty value, a
    malformed pair and a pair holding ";" do not count. COOKIE: first `name=` after splitting at
    ";" and trimming; the value is taken as it stands. PEER_CERTIFICATE: `source.certificate`.
    CERTIFICATE_HEADER: as CUSTOM_HEADER. These two are never missing but empty instead: what there
    is to say of a certificate that is not there depends on where it should have been.
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
class Remembered:
    """Results of earlier requests, in a scope of `remembered.RememberedTable`.

    They stand under `remembered.result_key` of the value of `key`; with None, the results are
    those of verified credentials and stand under the credential itself.
    """

    scope: int
    key: ValueSource | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What entries of all phases have.

    waits: its result comes from elsewhere, so it has its turn after those of its priority that do
    not wait. remembered: all that the native lane can know of its result; a result that is not
    remembered is left to the full lane. foreign: why this entry is left to the full lane, which
    decides when it is its turn; one that waits does not keep others that wait from theirs. metrics:
    its `evaluator_type`, or "" for an entry without series of its own.
    """

    name: str
    priority: int = 0
    when: tuple[Condition, ...] = ()
    waits: bool = False
    remembered: Remembered | None = None
    foreign: str = ""
    metrics: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication(Entry):
    """At most one of `key_set` (an id of `IdentityTable.key_set`), `plain`, `remembered` and
    `foreign` is given; none of them means anonymous.

    `challenge` is the identifier of the WWW-Authenticate header: prefix, header, parameter or
    cookie name, `Bearer` for anonymous. `takes_credential`: whether what stands there is tried, so
    that a failure counts in a `throttle.Throttle`. `app_id`: where the id is that an API key comes
    with, if it has to. `defaults` and `overrides` extend the identity, the first only where it has
    no such member.
    """

    challenge: str
    key_set: int | None = None
    plain: ValueSource | None = None
    credential: Credential = Credential()
    takes_credential: bool = False
    app_id: Credential | None = None
    defaults: tuple[tuple[str, ValueSource], ...] = ()
    overrides: tuple[tuple[str, ValueSource], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata(Entry):
    """`remembered` under a key, or `foreign`. required: a request must not go on without it, so
    the full lane words what a failing `when` means."""

    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization(Entry):
    """A patternMatching entry, granted when all `patterns` are true, unless it is `remembered` or
    `foreign`."""

    patterns: tuple[Condition, ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessItem(Entry):
    """Exactly one of `plain`, `json` (properties by name, as declared), `remembered` and `foreign`
    is given. as_json: a header is JSON whatever the value, as it is with `json`."""

    key: str
    target: Target
    plain: ValueSource | None = None
    json: tuple[tuple[str, ValueSource], ...] | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One AuthConfig. `authentication` holds at least one entry unless `refusal` is set.

    refusal: why requests for this AuthConfig go to the full lane; None compiles it. With a refusal
    the other parts are not read. skip_failed_conditions: a `when` that fails counts as false.
    throttled: whether the process throttles failed authentications, which needs series.
    """

    namespace: str
    name: str
    when: tuple[Condition, ...] = ()
    authentication: tuple[Authentication, ...] = ()
    metadata: tuple[Metadata, ...] = ()
    authorization: tuple[Authorization, ...] = ()
    unauthenticated: Denial = Denial()
    unauthorized: Denial = Denial()
    success: tuple[SuccessItem, ...] = ()
    refusal: str | None = None
    skip_failed_conditions: bool = False
    throttled: bool = False
