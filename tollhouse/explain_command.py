"""`tollhouse explain`: one request through the AuthConfig of its host, looked at from near."""

import asyncio
import json

from _fastpath.rpc import RpcError
from tollhouse import terminal
from tollhouse.errors import StartError
from tollhouse.explain_flags import ExplainSettings
from tollhouse.explain_request import check_request_of
from tollhouse.explain_view import json_view, show
from tollhouse.explanation import explain
from tollhouse.manifests_source import unreadable


def run(settings: ExplainSettings) -> int:
    """Print the explanation; returns 0 whatever the answer is. Raises StartError."""
    for path in settings.manifests:
        reason = unreadable(str(path))
        if reason is not None:
            raise StartError(reason)
    request = check_request_of(settings)
    try:
        found = asyncio.run(
            explain(settings.manifests, request, settings.timeout_seconds, settings.outgoing)
        )
    except RpcError as error:
        raise StartError(f"the request is refused: {error.message}") from error
    if settings.json:
        print(json.dumps(json_view(found), indent=2, ensure_ascii=False))
    else:
        show(found, terminal.console())
    return 0
