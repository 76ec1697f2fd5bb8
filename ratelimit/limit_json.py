"""A limit as JSON: Limitador's seven fields, and of ours those that say something."""

from _fastpath.limit_spec import Algorithm
from ratelimit import limit_fields as fields
from ratelimit.limit import Limit

_PLAIN = (
    (fields.ON_ERROR, "on_error"),
    (fields.ALGORITHM, "algorithm"),
    (fields.UNLIMITED, "unlimited"),
    (fields.SHADOW, "shadow"),
    (fields.ENABLED, "enabled"),
    (fields.PRIORITY, "priority"),
    (fields.COUNT_REFUSED, "count_refused"),
    (fields.FAIL, "fail"),
)


def limit_json(limit: Limit, *, refusal: bool = False) -> dict[str, object]:
    """Field by field what a limits file would say.

    refusal: with the reply to refused requests, which may be long; a list of counters repeats the
    limit with each.
    """
    document: dict[str, object] = {
        "id": limit.id,
        "namespace": limit.namespace,
        "max_value": limit.max_value,
        "seconds": limit.seconds,
        "name": limit.name,
        "conditions": limit.conditions,
        "variables": limit.variables,
    }
    for field, attribute in _PLAIN:
        value = getattr(limit, attribute)
        if value != field.default:
            document[field.name] = field.shape.written(value)
    document.update(_window(limit))
    if limit.burst:
        document["burst"] = limit.burst
    if limit.cost is not None:
        document["cost"] = limit.cost
    if limit.headers != limit.binding:
        document["headers"] = limit.headers
    if refusal and limit.refusal is not None:
        document["refusal"] = fields.REFUSAL.shape.written(limit.refusal)
    return document


def _window(limit: Limit) -> dict[str, object]:
    if limit.algorithm is Algorithm.CALENDAR_WINDOW:
        return {
            "period": fields.PERIOD.shape.written(limit.period),
            "time_zone": limit.time_zone,
        }
    if limit.algorithm is Algorithm.CONCURRENCY:
        return {"lease": fields.LEASE.shape.written(limit.window_ns)}
    return {"window": fields.WINDOW.shape.written(limit.window_ns)} if limit.nanos else {}
