"""Reading plain data field by field, collecting every fault with its path.

A reader gives the value, or a harmless default after noting a fault: nothing that was read counts
once there are faults.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.errors import Fault, Path


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping at `path`. `faults` is shared by all readers of one object."""

    data: Mapping[str, Any]
    path: Path
    faults: list[Fault] = field(default_factory=list)

    def fault(self, message: str, *steps: str | int) -> None:
        self.faults.append(Fault((*self.path, *steps), message))

    def known(self, *names: str, missing: tuple[str, ...] = ()) -> None:
        """Fault every key that is neither of these; `missing` ones are known but not built yet."""
        for key in self.data:
            if key in missing:
                self.fault("is not supported yet", str(key))
            elif key not in names:
                self.fault(f"is not a field here, expected one of {', '.join(names)}", str(key))

    def has(self, name: str) -> bool:
        return self.data.get(name) is not None

    def _typed(self, name: str, kind: type | tuple[type, ...], what: str) -> Any:
        value = self.data.get(name)
        if value is None or (isinstance(value, kind) and not _is_stray_bool(value, kind)):
            return value
        self.fault(f"expected {what}, got {_kind_of(value)}", name)
        return None

    def text(self, name: str, default: str = "") -> str:
        value = self._typed(name, str, "a string")
        return default if value is None else value

    def required_text(self, name: str) -> str:
        if not self.has(name):
            self.fault("is required", name)
        return self.text(name)

    def integer(self, name: str, default: int = 0) -> int:
        """Of 64 bits, as in a custom resource: a document may hold any number of digits."""
        value = self._typed(name, int, "an integer")
        if value is not None and not -(2**63) <= value < 2**63:
            self.fault("expected an integer of 64 bits", name)
            return default
        return default if value is None else value

    def boolean(self, name: str) -> bool:
        return bool(self._typed(name, bool, "true or false"))

    def group(self, name: str) -> "Fields":
        """The mapping under `name`; an empty one when it is absent."""
        value = self.data.get(name)
        if value is not None and not isinstance(value, dict):
            value = self._typed(name, dict, "a mapping")
        return Fields(value or {}, (*self.path, name), self.faults)

    def groups(self, name: str) -> Iterator[tuple[str, "Fields"]]:
        """The named mappings of a mapping, as declared."""
        outer = self.group(name)
        for key in outer.data:
            if outer.data[key] is None:
                yield key, Fields({}, (*outer.path, key), self.faults)
            else:
                yield key, outer.group(key)

    def items(self, name: str) -> list["Fields"]:
        """The mappings of a list."""
        found = []
        for index, value in enumerate(self._typed(name, list, "a list") or ()):
            if isinstance(value, dict):
                found.append(Fields(value, (*self.path, name, index), self.faults))
            else:
                self.fault(f"expected a mapping, got {_kind_of(value)}", name, index)
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        found = []
        for index, value in enumerate(self._typed(name, list, "a list") or ()):
            if isinstance(value, str):
                found.append(value)
            else:
                self.fault(f"expected a string, got {_kind_of(value)}", name, index)
        return tuple(found)

    def one_of(self, *names: str) -> str | None:
        """Which of these is given; anything but exactly one is a fault."""
        given = [name for name in names if name in self.data]
        if len(given) == 1:
            return given[0]
        self.fault(f"expected exactly one of {', '.join(names)}")
        return None


def _is_stray_bool(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, bool) and kind is int


def _kind_of(value: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "a list" if isinstance(value, list) else "a mapping")
