"""POST /json: ShouldRateLimit for callers without gRPC, in protobuf's JSON form."""

from collections.abc import Callable

from aiohttp import web
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf import json_format

from _fastpath.clock import Clock
from _fastpath.errors import WireError
from _fastpath.rls_codec import decode_rate_limit_request
from _fastpath.rls_message import Code
from _fastpath.rpc import RpcError
from ratelimit.descriptors.service import DescriptorService

STATUSES = {Code.OK: 200, Code.OVER_LIMIT: 429}


def route(service: DescriptorService, clock: Callable[[], Clock]) -> web.RouteDef:
    """Any method is taken, as in the original; what cannot be decided is 400."""

    async def decide(request: web.Request) -> web.Response:
        try:
            message = json_format.Parse(await request.read(), rls_pb2.RateLimitRequest())
            asked = decode_rate_limit_request(message.SerializeToString())
            data = await service.decide(asked, clock())
        except (json_format.ParseError, UnicodeDecodeError, RecursionError, WireError, RpcError):
            return web.Response(status=400, text="Bad Request\n")
        response = rls_pb2.RateLimitResponse.FromString(data)
        return web.Response(
            status=STATUSES.get(Code(response.overall_code), 500),
            body=json_format.MessageToJson(response, indent=None).encode(),
            content_type="application/json",
        )

    return web.route("*", "/json", decide)
