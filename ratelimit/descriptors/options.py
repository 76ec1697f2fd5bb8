"""What the process was told about all limits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """Of the response headers that tell the limit, what remains, and the seconds until reset."""

    limit: str = "RateLimit-Limit"
    remaining: str = "RateLimit-Remaining"
    reset: str = "RateLimit-Reset"


@dataclass(frozen=True, slots=True)
class DescriptorOptions:
    """headers: None writes none. shadow: no request is refused. quota: every limit is in quota
    mode. metadata: answers carry dynamic metadata. stop_when_over: a refused request counts only
    where it was refused. near_ratio: of a limit, from which hits count as near; 0 … 1."""

    headers: HeaderNames | None = None
    shadow: bool = False
    quota: bool = False
    metadata: bool = False
    stop_when_over: bool = False
    near_ratio: float = 0.8
