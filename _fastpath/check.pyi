from _fastpath.cells import Series
from _fastpath.handler import NativeHandler
from _fastpath.identity import IdentityTable
from _fastpath.plan import Plans
from _fastpath.remembered import RememberedTable
from _fastpath.throttle import Throttle

class CheckDecider:
    """Decides envoy.service.auth.v3.Authorization/Check as `rule.Rule` describes.

    Before the pipeline: malformed bytes end the call with INTERNAL, too many parts with
    RESOURCE_EXHAUSTED; no http attributes: INVALID_ARGUMENT, 400, reason INVALID_REQUEST; no plan
    published yet: UNAVAILABLE, 503, reason NOT_READY; unknown host: NOT_FOUND, 404, reason
    SERVICE_NOT_FOUND; refused host: UNAVAILABLE, 503, its reason. A rule with a `refusal` is
    deferred, and so are a request that needs more scratch memory than an I/O thread has and one
    whose Envoy metadata puts labels on its series (authz/metric_labels.py).
    Counts ("auth_server_response_status", status) for each answer.
    """

    check: NativeHandler
    def __init__(
        self,
        plans: Plans,
        identities: IdentityTable,
        series: Series,
        remembered: RememberedTable | None = None,
        throttle: Throttle | None = None,
    ) -> None: ...

NOT_READY: str
