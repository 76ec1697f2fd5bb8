"""Errors of this package.

RateLimitError
└── ReplayError         nothing can be replayed: an unreadable log, an unusable mapping
"""

from ratelimit.errors import RateLimitError


class ReplayError(RateLimitError):
    """The run cannot be made; its text says why and what to do."""
