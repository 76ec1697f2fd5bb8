"""gRPC server reflection, v1 and v1alpha, over the services that are registered.

Both versions have the same messages, so one handler speaks for both. Schemas come from the pool of
the generated modules; that of v1 itself, which no package ships, is the v1alpha file renamed.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeAlias, TypeVar

from envoy.service.auth.v3 import external_auth_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from _fastpath.rpc import Context, Method, RpcError, Status, StreamMethod
from protos.generated import kuadrantrls_pb2

# A schema is in the pool once its module was imported.
SCHEMAS = (external_auth_pb2, rls_pb2, kuadrantrls_pb2, health_pb2, reflection_pb2)
SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")

T = TypeVar("T")

# The messages carry no types of their own.
_Request: TypeAlias = Any
_Response: TypeAlias = Any


class Reflection:
    """Lists `services` and hands out the files that define them.

    A file is sent with all it depends on, each dependency once per stream.
    """

    def __init__(
        self, services: Iterable[str], pool: descriptor_pool.DescriptorPool | None = None
    ) -> None:
        self._services = sorted({*services, *SERVICES})
        self._pool = pool or descriptor_pool.Default()
        self._v1 = _v1_pool()

    def methods(self) -> list[Method]:
        return [StreamMethod(f"/{name}/ServerReflectionInfo", self._info) for name in SERVICES]

    async def _info(self, requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
        sent: set[str] = set()
        async for data in requests:
            try:
                request = reflection_pb2.ServerReflectionRequest.FromString(data)
            except DecodeError:
                raise RpcError(
                    Status.INTERNAL, "the request is no ServerReflectionRequest"
                ) from None
            yield self._answer(request, sent).SerializeToString()

    def _answer(self, request: _Request, sent: set[str]) -> _Response:
        response = reflection_pb2.ServerReflectionResponse(
            valid_host=request.host, original_request=request
        )
        kind = request.WhichOneof("message_request")
        if kind is None:
            return _failed(response, Status.INVALID_ARGUMENT, "the request asks for nothing")
        try:
            self._fill(kind, request, response, sent)
        except KeyError:
            return _failed(response, Status.NOT_FOUND, "not found")
        return response

    def _fill(self, kind: str, request: _Request, response: _Response, sent: set[str]) -> None:
        """Answer one question; raises KeyError for what no schema knows."""
        if kind == "list_services":
            for name in self._services:
                response.list_services_response.service.add(name=name)
        elif kind == "all_extension_numbers_of_type":
            name = request.all_extension_numbers_of_type
            message = self._find(lambda pool: pool.FindMessageTypeByName(name))
            found = response.all_extension_numbers_response
            found.base_type_name = name
            numbers = {extension.number for extension in self._pool.FindAllExtensions(message)}
            found.extension_number.extend(sorted(numbers))
        else:
            file = self._find(lambda pool: _file(kind, request, pool))
            response.file_descriptor_response.file_descriptor_proto.extend(
                _with_dependencies(file, sent)
            )

    def _find(self, find: Callable[[descriptor_pool.DescriptorPool], T]) -> T:
        try:
            return find(self._pool)
        except KeyError:
            return find(self._v1)


def _file(kind: str, request: _Request, pool: descriptor_pool.DescriptorPool) -> FileDescriptor:
    if kind == "file_by_filename":
        return pool.FindFileByName(request.file_by_filename)
    if kind == "file_containing_symbol":
        return pool.FindFileContainingSymbol(request.file_containing_symbol)
    wanted = request.file_containing_extension
    message = pool.FindMessageTypeByName(wanted.containing_type)
    extension: Any = pool.FindExtensionByNumber(message, wanted.extension_number)
    file: FileDescriptor = extension.file
    return file


def _with_dependencies(file: FileDescriptor, sent: set[str]) -> list[bytes]:
    """The file first, always; then what it needs and this stream has not seen."""
    sent.add(file.name)
    files = [file.serialized_pb]
    waiting = list(file.dependencies)
    while waiting:
        needed = waiting.pop()
        if needed.name not in sent:
            sent.add(needed.name)
            files.append(needed.serialized_pb)
            waiting.extend(needed.dependencies)
    return files


def _failed(response: _Response, status: Status, message: str) -> _Response:
    response.error_response.error_code = status
    response.error_response.error_message = message
    return response


def _v1_pool() -> descriptor_pool.DescriptorPool:
    text = reflection_pb2.DESCRIPTOR.serialized_pb
    file = descriptor_pb2.FileDescriptorProto.FromString(text)
    file.name = "grpc/reflection/v1/reflection.proto"
    file.package = "grpc.reflection.v1"
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = _renamed(field.type_name)
    for service in file.service:
        for method in service.method:
            method.input_type = _renamed(method.input_type)
            method.output_type = _renamed(method.output_type)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _renamed(name: str) -> str:
    return name.replace(".grpc.reflection.v1alpha.", ".grpc.reflection.v1.")
