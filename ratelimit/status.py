"""What GET /status tells: Limitador's four fields, and what is wrong with the limits."""

from datetime import datetime

from ratelimit.service import RateLimitService

MOST_LISTED = 100  # of each kind; the counts beside tell how many there are


def status(service: RateLimitService) -> dict[str, object]:
    """problems: why the newest file was refused, while it is. limit_errors: failed evaluations of
    each limit since the start; on_error says what came of them. full_lane: limits whose requests
    the native lane hands over, with the reason."""
    active = service.active
    limits = active.current.by_digest
    deferred = [compiled for compiled in limits.values() if compiled.refusals]
    errors = [
        (limits[key[2]].limit, count)
        for key, count in service.decider.totals().items()
        if key[0] == "limit_errors" and isinstance(key[2], bytes) and key[2] in limits
    ]
    return {
        "started_at": _timestamp(active.started_at),
        "config_applied_at": _timestamp(active.applied_at),
        "config_version": active.version,
        "config_err_since": active.errors_since,
        "limits": len(limits),
        "problems": [str(problem) for problem in active.problems[:MOST_LISTED]],
        "warnings": [str(warning) for warning in active.current.warnings[:MOST_LISTED]],
        "warnings_total": len(active.current.warnings),
        "limit_errors": [
            {
                "namespace": limit.namespace,
                "name": limit.name,
                "conditions": limit.conditions,
                "variables": limit.variables,
                "on_error": limit.on_error.name.lower(),
                "errors": count,
            }
            for limit, count in errors[:MOST_LISTED]
        ],
        "limit_errors_total": len(errors),
        "full_lane": [
            {
                "namespace": compiled.limit.namespace,
                "name": compiled.limit.name,
                "reasons": compiled.refusals,
            }
            for compiled in deferred[:MOST_LISTED]
        ],
        "full_lane_total": len(deferred),
    }


def _timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC without a zone, as Limitador writes it."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")
