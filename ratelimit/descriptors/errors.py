"""Errors of descriptor trees.

DescriptorError
└── RequestRefused   a request that cannot be decided whatever the counters hold
"""

from ratelimit.errors import RateLimitError


class DescriptorError(RateLimitError):
    """Base."""


class RequestRefused(DescriptorError):
    """The message is what the caller is told; the original's where it has one."""


NO_DOMAIN = "rate limit domain must not be empty"
NO_DESCRIPTORS = "rate limit descriptor list must not be empty"
NO_CONFIGURATION = "no rate limit configuration loaded"
NO_UNIT = "rate limit override has no unit"
