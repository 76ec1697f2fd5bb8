"""Server reflection, both versions, on either transport."""

from collections.abc import Callable
from typing import Any

import grpc.aio
import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.protocol.conftest import Serve
from tollhouse.reflection import SERVICES, Reflection

Connect = Callable[[str], grpc.aio.Channel]
Ask = Callable[..., Any]

RLS = "envoy.service.ratelimit.v3.RateLimitService"
AUTHZ = "envoy.service.auth.v3.Authorization"
KUADRANT = "kuadrant.service.ratelimit.v1.RateLimitService"


@pytest.fixture(params=SERVICES)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def ask(serve: Serve, connect: Connect, version: str) -> Ask:
    served = await serve(Reflection([RLS, AUTHZ]).methods())
    info = connect(served.address).stream_stream(
        f"/{version}/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )

    async def answers(*questions: dict[str, Any]) -> list[Any]:
        call = info()
        found = []
        for question in questions:
            await call.write(reflection_pb2.ServerReflectionRequest(host="h", **question))
            found.append(await call.read())
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        return found

    return answers


def files(answer: Any) -> list[descriptor_pb2.FileDescriptorProto]:
    return [
        descriptor_pb2.FileDescriptorProto.FromString(data)
        for data in answer.file_descriptor_response.file_descriptor_proto
    ]


async def test_services_are_listed(ask: Ask) -> None:
    (answer,) = await ask({"list_services": ""})
    names = [service.name for service in answer.list_services_response.service]
    assert names == sorted([RLS, AUTHZ, *SERVICES])
    assert answer.valid_host == "h"
    assert answer.original_request.HasField("list_services")


@pytest.mark.parametrize("symbol", [RLS, AUTHZ, KUADRANT, "grpc.health.v1.Health", *SERVICES])
async def test_symbol_comes_with_everything_it_needs(ask: Ask, symbol: str) -> None:
    (answer,) = await ask({"file_containing_symbol": symbol})
    found = files(answer)
    service = symbol.rpartition(".")[2]
    assert service in [s.name for s in found[0].service]
    names = {file.name for file in found}
    assert {needed for file in found for needed in file.dependency} <= names


async def test_file_is_found_by_name_and_dependencies_sent_once(ask: Ask) -> None:
    name = "envoy/service/ratelimit/v3/rls.proto"
    first, second = await ask({"file_by_filename": name}, {"file_by_filename": name})
    assert files(first)[0].name == files(second)[0].name == name
    assert len(files(first)) > 1
    assert len(files(second)) == 1


async def test_extensions_of_a_type_are_told(ask: Ask) -> None:
    options = "google.protobuf.MessageOptions"
    (numbers,) = await ask({"all_extension_numbers_of_type": options})
    found = numbers.all_extension_numbers_response
    assert found.base_type_name == options
    number = found.extension_number[0]
    wanted = reflection_pb2.ExtensionRequest(containing_type=options, extension_number=number)
    (answer,) = await ask({"file_containing_extension": wanted})
    assert number in [extension.number for extension in files(answer)[0].extension]


@pytest.mark.parametrize(
    "question",
    [
        {"file_by_filename": "no/such.proto"},
        {"file_containing_symbol": "no.such.Symbol"},
        {"all_extension_numbers_of_type": "no.such.Message"},
        {
            "file_containing_extension": reflection_pb2.ExtensionRequest(
                containing_type="google.protobuf.MessageOptions", extension_number=77
            )
        },
    ],
)
async def test_unknown_name_is_not_found_and_the_stream_lives(
    ask: Ask, question: dict[str, Any]
) -> None:
    unknown, known = await ask(question, {"list_services": ""})
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert known.list_services_response.service


async def test_question_about_nothing_is_invalid(ask: Ask) -> None:
    (answer,) = await ask({})
    assert answer.error_response.error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
