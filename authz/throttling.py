"""Attempts to authenticate in the full lane: who has failed too often has to wait."""

from collections.abc import Mapping
from typing import Any

from _fastpath.check_codec import CheckRequest
from _fastpath.clock import Clock
from _fastpath.throttle import Suspects, Throttle
from authz import answers
from authz.answers import Verdict
from authz.config import AuthConfig, Authentication
from authz.evaluators.api_key import ApiKey


class Attempts:
    """Those of one request; `throttle` is None where the process has none."""

    def __init__(
        self,
        throttle: Throttle | None,
        config: AuthConfig,
        request: CheckRequest,
        attributes: Mapping[str, Any],
        clock: Clock,
    ) -> None:
        self._throttle = throttle
        self._clock = clock
        if throttle is not None:
            presented = (_presented(entry, request) for entry in config.authentication)
            credentials = tuple(found for found in presented if found is not None)
            self._suspects = Suspects(
                config.id, attributes["source"].get("address", ""), credentials
            )

    def refused(self) -> Verdict | None:
        """The answer to a request that has to wait."""
        if self._throttle is None:
            return None
        blocked = self._throttle.blocked(self._suspects, self._clock)
        return None if blocked is None else answers.throttled(*blocked)

    def failed(self) -> None:
        if self._throttle is not None:
            self._throttle.failed(self._suspects, self._clock)


def _presented(entry: Authentication, request: CheckRequest) -> bytes | None:
    """What the request has for this entry: the id that goes with its key, or the credential."""
    if not entry.takes_credential:
        return None
    credential = request.credential(entry.credential.place, entry.credential.name)
    app_id = entry.spec.app_id if isinstance(entry.spec, ApiKey) else None
    if credential is None or app_id is None:
        return credential
    return request.credential(app_id.place, app_id.name)
