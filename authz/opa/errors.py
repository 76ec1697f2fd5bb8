"""Errors of Rego policies and their engines.

RegoError
├── PolicyRefused      the engine does not take the policy; names the line where it can
├── EvaluationFailed   the policy has no result for this input; its text may be shown to callers
├── Unsupported        OPA would have a result here that the embedded engine does not know
└── EngineUnavailable  the engine itself cannot answer now
"""


class RegoError(Exception):
    """Base of everything this package raises."""


class PolicyRefused(RegoError):
    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {message}" if line else message)


class EvaluationFailed(RegoError):
    pass


class Unsupported(RegoError):
    pass


class EngineUnavailable(RegoError):
    pass
