"""Errors of this package.

AuthzError
├── InvalidAuthConfig   an AuthConfig asks for something wrong or not supported; lists every fault
├── Unavailable         an entry of an AuthConfig lacks something now, such as its Secret
├── Overloaded          too much work waits; the request is answered 503
└── Refusal             an evaluator's answer is no
    ├── Unauthenticated an authentication entry did not succeed; for the next one to try
    ├── Denied          an authorization entry does not grant
    └── EvaluatorFailed any other entry has no result; most go without it
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
    """`faults` is not empty and in the order of the document. `secrets`: namespace and name of
    those whose change may mend it."""

    def __init__(
        self, faults: tuple[Fault, ...], secrets: frozenset[tuple[str, str]] = frozenset()
    ) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults
        self.secrets = secrets


class Unavailable(AuthzError):
    """Its text is a fault's message."""


class Overloaded(AuthzError):
    """Raised at once instead of waiting."""

    def __init__(self) -> None:
        super().__init__("too many requests are waiting")


class Refusal(AuthzError):
    """Its text is the reason that the caller may read: no secrets, no tokens."""


class Unauthenticated(Refusal):
    pass


class Denied(Refusal):
    pass


class EvaluatorFailed(Refusal):
    pass
