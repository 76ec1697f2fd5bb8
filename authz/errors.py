"""Errors of this package.

AuthzError
├── InvalidAuthConfig   an AuthConfig asks for something wrong or not supported; lists every fault
└── Unauthenticated     an authentication entry did not succeed; for the next one to try
"""

from dataclasses import dataclass

Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """`spec.hosts[1]`; a name with dots stands in brackets."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif "." in step or "/" in step:
            text += f"[{step!r}]"
        else:
            text += f".{step}" if text else step
    return text


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong, at `path` inside the object."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.message}"


class AuthzError(Exception):
    """Base of everything this package raises."""


class InvalidAuthConfig(AuthzError):
    """`faults` is not empty and in the order of the document."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


class Unauthenticated(AuthzError):
    """Its text is the reason that the caller reads; it quotes nothing but names."""
