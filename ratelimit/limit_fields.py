"""The fields of a limits file: one table that reads them, checks them and gives their JSON Schema.

The first eight are Limitador's and `on_error`; a file that has no others means what it means there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from _fastpath.calendar import Period
from _fastpath.header_spec import Refusal
from _fastpath.limit_spec import Algorithm, Fail, OnError
from expressions.cel import Context, Expression
from ratelimit.expression_shape import Cost, Expressions
from ratelimit.field_shape import (
    U64_MAX,
    Choice,
    Duration,
    Flag,
    Integer,
    OptionalText,
    Shape,
    Text,
    Zone,
)
from ratelimit.refusal_shape import Reply

T = TypeVar("T")
ALL = frozenset(Algorithm)
FREE_WINDOWS = ALL - {Algorithm.CALENDAR_WINDOW, Algorithm.CONCURRENCY}
CALENDAR = frozenset({Algorithm.CALENDAR_WINDOW})
PRIORITIES = 2**31 - 1

_COUNT = Integer(0, U64_MAX, "0 to 2^64 - 1")


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """default: what a missing field means; missing: the fault of one that must not be.

    only_for: the algorithms that know the field. window: gives the length of the window; a limit
    has exactly one such field.
    """

    name: str
    shape: Shape[T]
    default: T
    meaning: str
    missing: str | None = None
    only_for: frozenset[Algorithm] = ALL
    window: bool = False


NAMESPACE = Field("namespace", Text(), "", "The domain of the requests.", missing="is missing")
MAX_VALUE = Field("max_value", _COUNT, 0, "Hits in a window; 0 denies all.")
SECONDS = Field("seconds", _COUNT, 0, "Length of the window.", only_for=FREE_WINDOWS, window=True)
CONDITIONS = Field(
    "conditions",
    Expressions(Context.LIMIT_CONDITION),
    (),
    "CEL over descriptors and limit; all must be true for the limit to apply.",
    missing="is missing; write [] for none",
)
VARIABLES = Field(
    "variables",
    Expressions(Context.LIMIT_VARIABLE),
    (),
    "CEL over descriptors and limit; each combination of values has a counter of its own.",
    missing="is missing; write [] for none",
)
NAME = Field("name", OptionalText(), None, "Stands in headers, statuses and metrics.")
ID = Field("id", OptionalText(), None, "limit.id in conditions.")
ON_ERROR: Field[OnError] = Field(
    "on_error",
    Choice({choice.name.lower(): choice for choice in OnError}),
    OnError.SKIP,
    "What the limit does when one of its expressions fails.",
)
ALGORITHM: Field[Algorithm] = Field(
    "algorithm",
    Choice({choice.name.lower(): choice for choice in Algorithm}),
    Algorithm.FIXED_WINDOW,
    "How the limit counts.",
)
WINDOW = Field(
    "window",
    Duration(),
    0,
    "Length of the window, from 1ms on.",
    only_for=FREE_WINDOWS,
    window=True,
)
PERIOD: Field[Period] = Field(
    "period",
    Choice({choice.name.lower(): choice for choice in Period}),
    Period.DAY,
    "The calendar window.",
    only_for=CALENDAR,
    window=True,
)
TIME_ZONE = Field(
    "time_zone", Zone(), "UTC", "Where the calendar windows begin.", only_for=CALENDAR
)
LEASE = Field(
    "lease",
    Duration(),
    0,
    "After this time a slot that was not given back is free again.",
    only_for=frozenset({Algorithm.CONCURRENCY}),
    window=True,
)
BURST = Field(
    "burst",
    Integer(1, U64_MAX, "1 to 2^64 - 1"),
    0,
    "Tokens the bucket holds; as many as max_value when missing.",
    only_for=frozenset({Algorithm.TOKEN_BUCKET}),
)
UNLIMITED = Field("unlimited", Flag(), False, "Count, and never refuse; without max_value.")
SHADOW = Field("shadow", Flag(), False, "Count and report, and never refuse.")
ENABLED = Field("enabled", Flag(), True, "False keeps the limit and its counters, unused.")
PRIORITY = Field(
    "priority",
    Integer(-PRIORITIES - 1, PRIORITIES, "-2^31 to 2^31 - 1"),
    0,
    "Of several limits that refuse the one of the highest priority is reported.",
)
COST: Field[Expression | None] = Field(
    "cost", Cost(), None, "Hits that a request is charged in place of its own."
)
COUNT_REFUSED = Field(
    "count_refused", Flag(), False, "Charge requests that are refused, by any limit."
)
FAIL: Field[Fail | None] = Field(
    "fail",
    Choice({choice.name.lower(): choice for choice in Fail}),
    None,
    "What the limit does when its counters cannot be reached; the program's default when missing.",
)
HEADERS: Field[bool] = Field(
    "headers", Flag(), True, "Whether clients are told; false when shadow or unlimited."
)
REFUSAL: Field[Refusal | None] = Field(
    "refusal", Reply(), None, "What the answer carries when the request is refused for this limit."
)

FIELDS: Mapping[str, Field[Any]] = {
    field.name: field
    for field in (
        NAMESPACE,
        MAX_VALUE,
        SECONDS,
        CONDITIONS,
        VARIABLES,
        NAME,
        ID,
        ON_ERROR,
        ALGORITHM,
        WINDOW,
        PERIOD,
        TIME_ZONE,
        LEASE,
        BURST,
        UNLIMITED,
        SHADOW,
        ENABLED,
        PRIORITY,
        COST,
        COUNT_REFUSED,
        FAIL,
        HEADERS,
        REFUSAL,
    )
}
