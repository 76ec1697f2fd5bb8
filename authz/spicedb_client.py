"""The evaluator of authorization `spicedb` (authz/evaluators/spicedb.py)."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import cast

import grpc.aio
from authzed.api.v1.core_pb2 import ObjectReference, SubjectReference
from authzed.api.v1.permission_service_pb2 import CheckPermissionRequest, CheckPermissionResponse
from authzed.api.v1.permission_service_pb2_grpc import PermissionsServiceStub

from authz.errors import Denied
from authz.evaluator import AuthorizationEvaluator, Turn
from authz.evaluators.spicedb import SpiceDb, SpiceDbObject
from authz.outgoing.errors import OutgoingError
from authz.outgoing.grpc_channels import GrpcChannels
from authz.resolution import resolved_text
from authz.value import Value

TIMEOUT_S = 5.0
LONGEST_REASON = 256
HAS_PERMISSION = CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION
_EXPLAINED = {
    grpc.StatusCode.INVALID_ARGUMENT: "InvalidArgument",
    grpc.StatusCode.FAILED_PRECONDITION: "FailedPrecondition",
    grpc.StatusCode.NOT_FOUND: "NotFound",
}


@dataclass(frozen=True, slots=True)
class SpiceDbAuthorization(AuthorizationEvaluator):
    spec: SpiceDb
    channels: GrpcChannels = field(repr=False)
    preshared_key: str = field(repr=False)

    async def authorize(self, turn: Turn) -> object:
        question = CheckPermissionRequest(
            resource=_object(self.spec.resource, turn),
            subject=SubjectReference(object=_object(self.spec.subject, turn)),
            permission=_text(self.spec.permission, turn),
        )
        answer = await self._ask(question, turn)
        if answer.permissionship != HAS_PERMISSION:
            raise Denied(_refusal(answer))
        result: dict[str, object] = {"permissionship": float(answer.permissionship)}
        if answer.HasField("checked_at"):
            result["checked_at"] = {"token": answer.checked_at.token}
        return result

    async def _ask(self, question: CheckPermissionRequest, turn: Turn) -> CheckPermissionResponse:
        metadata = (("authorization", f"Bearer {self.preshared_key}"),)

        async def check(channel: grpc.aio.Channel) -> CheckPermissionResponse:
            call = PermissionsServiceStub(channel).CheckPermission(
                question, metadata=metadata if self.preshared_key else None
            )
            return await cast(Awaitable[CheckPermissionResponse], call)

        try:
            return await self.channels.call(self.spec.endpoint, check, TIMEOUT_S, turn.deadline)
        except OutgoingError as error:
            raise Denied(f"SpiceDB could not be asked: {error}") from error
        except grpc.aio.AioRpcError as error:
            raise Denied(_explanation(error)) from error


def _object(wanted: SpiceDbObject, turn: Turn) -> ObjectReference:
    return ObjectReference(object_type=_text(wanted.kind, turn), object_id=_text(wanted.name, turn))


def _text(value: Value, turn: Turn) -> str:
    return resolved_text(value, turn.document, Denied)


def _refusal(answer: CheckPermissionResponse) -> str:
    name: str = CheckPermissionResponse.Permissionship.Name(answer.permissionship)
    return f"{name};token={answer.checked_at.token}" if answer.HasField("checked_at") else name


def _explanation(error: grpc.aio.AioRpcError) -> str:
    """What SpiceDB says of a question that it does not understand; else the code alone, for the
    texts of connections tell addresses."""
    name = _EXPLAINED.get(error.code())
    if name is None:
        return f"SpiceDB could not be asked: {error.code().name}"
    details = (error.details() or "")[:LONGEST_REASON]
    return f"rpc error: code = {name} desc = {details}"
