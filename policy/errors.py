"""Errors of this package.

PolicyError
├── UnreadableManifest   a file is no YAML; nothing of it can be told apart
└── InvalidObject        one object is not what its kind asks for
"""

from policy.position import Position


class PolicyError(Exception):
    """Base; `position` says where, `field` is a dotted path inside the object or empty."""

    def __init__(self, position: Position, field: str, message: str) -> None:
        super().__init__(f"{position}: {field}: {message}" if field else f"{position}: {message}")
        self.position = position
        self.field = field
        self.message = message


class UnreadableManifest(PolicyError):
    """The whole file is refused; what it said before stays in force."""


class InvalidObject(PolicyError):
    """Only this object is refused; its last good version stays in force."""
