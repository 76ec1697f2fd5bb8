"""The limits file: a YAML list of limits in Limitador's format, with fields of ours.

Read as Limitador (serde_yaml 0.9) reads it, unknown keys are passed over. `limit_fields` is the
table of fields.
"""

from dataclasses import dataclass
from pathlib import Path

from _fastpath.limit_spec import Fail
from ratelimit import yaml_tree
from ratelimit.compiled_limit import CompiledLimit
from ratelimit.errors import LimitsFileError, Problem
from ratelimit.field_shape import Faults, kind
from ratelimit.limit_entry import read_limit
from ratelimit.yaml_tree import Node, Scalar, Sequence

MAX_FILE_BYTES = 64 << 20  # arbitrary: far beyond what anybody writes, small enough to hold


@dataclass(frozen=True, slots=True)
class LimitsFile:
    """limits: in order of the file, one per identity. warnings: in order of line. repeated: those
    without effect, because another of their identity stands in the file."""

    path: str
    limits: tuple[CompiledLimit, ...] = ()
    warnings: tuple[Problem, ...] = ()
    repeated: tuple[CompiledLimit, ...] = ()


def load(path: str, default_fail: Fail = Fail.CLOSED) -> LimitsFile:
    """Read and compile a file. Raises LimitsFileError, also for one that cannot be read.

    default_fail: what limits do that do not say it when their counters cannot be reached.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise LimitsFileError([Problem(path, 1, "", reason)]) from error
    return parse_bytes(data, path, default_fail)


def parse_bytes(data: bytes, path: str, default_fail: Fail = Fail.CLOSED) -> LimitsFile:
    """As `parse`, of a file's content."""
    if len(data) > MAX_FILE_BYTES:
        raise LimitsFileError([Problem(path, 1, "", f"is larger than {MAX_FILE_BYTES} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LimitsFileError([Problem(path, line, "", "is no UTF-8")]) from error
    return parse(text, path, default_fail)


def parse(text: str, path: str, default_fail: Fail = Fail.CLOSED) -> LimitsFile:
    """Parse and compile; raises LimitsFileError with everything that is wrong.

    Only syntax errors refuse the file, those of CEL included. Expressions that the CEL checker
    refuses, and limits that repeat the identity of an earlier one and therefore have no effect,
    become warnings. An empty file has no limits.
    """
    root = yaml_tree.read(text, path)
    if root is None or (isinstance(root, Scalar) and root.plain and not root.text):
        return LimitsFile(path)
    if not isinstance(root, Sequence):
        problem = Problem(path, root.line, "", f"{kind(root)}; expected a list of limits")
        raise LimitsFileError([problem])
    faults = Faults(path)
    limits, repeated = _distinct(root.items, faults, default_fail)
    if faults.problems:
        raise LimitsFileError(sorted(faults.problems))
    return LimitsFile(path, limits, tuple(sorted(faults.warnings)), repeated)


def _distinct(
    items: list[Node], faults: Faults, default_fail: Fail
) -> tuple[tuple[CompiledLimit, ...], tuple[CompiledLimit, ...]]:
    """The first limit of each identity, and the others; a disabled one gives way to one that is
    not."""
    found: dict[bytes, tuple[CompiledLimit, Node]] = {}
    repeated: list[CompiledLimit] = []
    for node in items:
        limit = read_limit(node, faults, default_fail)
        if limit is None:
            continue
        this = limit, node
        first = found.setdefault(limit.limit.digest, this)
        if first is this:
            continue
        counts, idle = first, this
        if limit.limit.enabled and not first[0].limit.enabled:
            found[limit.limit.digest] = counts = this
            idle = first
        message = f"the same limit stands at line {counts[1].line}; this one has no effect"
        faults.warn(idle[1], "", message)
        repeated.append(idle[0])
    return tuple(limit for limit, _ in found.values()), tuple(repeated)
