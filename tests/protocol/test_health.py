"""grpc.health.v1 on either transport, with the generated client."""

import asyncio
from collections.abc import Callable

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.protocol.conftest import Serve
from tollhouse.health import Health

Connect = Callable[[str], grpc.aio.Channel]
Answer = health_pb2.HealthCheckResponse


def asked(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


@pytest.fixture
def health() -> Health:
    return Health(["some.Service"])


@pytest.fixture
async def client(serve: Serve, connect: Connect, health: Health) -> health_pb2_grpc.HealthStub:
    served = await serve(health.methods())
    return health_pb2_grpc.HealthStub(connect(served.address))


@pytest.mark.parametrize("service", ["", "some.Service"])
async def test_check_follows_what_the_program_states(
    client: health_pb2_grpc.HealthStub, health: Health, service: str
) -> None:
    assert (await client.Check(asked(service))).status == Answer.NOT_SERVING
    health.serving(True)
    assert (await client.Check(asked(service))).status == Answer.SERVING
    health.end()
    assert (await client.Check(asked(service))).status == Answer.NOT_SERVING


async def test_check_of_unknown_service_is_not_found(client: health_pb2_grpc.HealthStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.Check(asked("other.Service"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_list_names_all_services(client: health_pb2_grpc.HealthStub, health: Health) -> None:
    health.serving(True)
    statuses = (await client.List(health_pb2.HealthListRequest())).statuses
    assert {name: answer.status for name, answer in statuses.items()} == {
        "": Answer.SERVING,
        "some.Service": Answer.SERVING,
    }


async def test_watch_tells_each_change_once(
    client: health_pb2_grpc.HealthStub, health: Health
) -> None:
    call = client.Watch(asked("some.Service"))
    assert (await call.read()).status == Answer.NOT_SERVING
    health.serving(True)
    assert (await call.read()).status == Answer.SERVING
    health.serving(True)
    health.serving(False)
    assert (await call.read()).status == Answer.NOT_SERVING
    call.cancel()


async def test_watch_of_unknown_service_stays_open(client: health_pb2_grpc.HealthStub) -> None:
    call = client.Watch(asked("other.Service"))
    assert (await call.read()).status == Answer.SERVICE_UNKNOWN
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(call.read()), 0.1)
    call.cancel()


async def test_end_tells_watchers_and_ends_their_streams(
    client: health_pb2_grpc.HealthStub, health: Health
) -> None:
    health.serving(True)
    call = client.Watch(asked(""))
    assert (await call.read()).status == Answer.SERVING
    health.end()
    assert (await call.read()).status == Answer.NOT_SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_bytes_that_are_no_request_are_refused(
    serve: Serve, connect: Connect, health: Health
) -> None:
    served = await serve(health.methods())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await connect(served.address).unary_unary("/grpc.health.v1.Health/Check")(b"\x0a\x05x")
    assert caught.value.code() is grpc.StatusCode.INTERNAL
