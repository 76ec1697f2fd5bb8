"""Authorization by SpiceDB: its protocol in this process, and the real server."""

import asyncio
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from authzed.api.v1.core_pb2 import (
    ObjectReference,
    Relationship,
    RelationshipUpdate,
    SubjectReference,
)
from authzed.api.v1.permission_service_pb2 import WriteRelationshipsRequest
from authzed.api.v1.permission_service_pb2_grpc import PermissionsServiceStub
from authzed.api.v1.schema_service_pb2 import WriteSchemaRequest
from authzed.api.v1.schema_service_pb2_grpc import SchemaServiceStub
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from _fastpath.check_codec import decode_check_request
from authz.config import AuthConfig
from authz.errors import Denied, InvalidAuthConfig
from authz.evaluator import Turn
from authz.evaluators.spicedb import SpiceDb, open_spicedb
from authz.opening import Opening
from authz.outgoing.bounds import Destinations, OutgoingBounds
from authz.outgoing.client import Outgoing
from authz.outgoing.endpoint import Endpoint
from authz.reading import read_auth_config
from authz.secret import read_secret
from authz.services import Services
from tests.authz.lanes import Clocks, Lanes, check_request, parse
from tests.authz.pki import SERVER, root
from tests.authz.spicedb_servers import KEY, spicedb_inside, spicedb_process

SCHEMA = """
definition blog/user {}
definition blog/post {
    relation reader: blog/user
    relation writer: blog/user
    permission read = reader + writer
    permission write = writer
}
"""


def read(**spicedb: Any) -> AuthConfig:
    method = {
        "endpoint": "127.0.0.1:1",
        "insecure": True,
        "subject": {"kind": {"value": "user"}, "name": {"selector": "request.headers.user"}},
        "resource": {
            "kind": {"value": "post"},
            "name": {"expression": "request.path.substring(1)"},
        },
        "permission": {"value": "read"},
        **spicedb,
    }
    spec = {"hosts": ["a.test"], "authorization": {"perm": {"spicedb": method}}}
    return read_auth_config("shop", "posts", {"spec": spec})


class Asker:
    """The evaluator of one AuthConfig, and the channels that it uses."""

    def __init__(self, endpoint: str, bounds: OutgoingBounds | None = None, **spicedb: Any) -> None:
        self.outgoing = Outgoing(bounds)
        self.services = Services(outgoing=self.outgoing)
        document = {"metadata": {"name": "key"}, "stringData": {"token": KEY}}
        self.services.secrets.put(read_secret("shop", "key", document))
        reference = {"sharedSecretRef": {"name": "key", "key": "token"}}
        config = read(endpoint=endpoint, **{**reference, **spicedb})
        spec = config.authorization[0].spec
        assert isinstance(spec, SpiceDb)
        opening = Opening("shop/posts", "shop", "perm", self.services, {})
        self.evaluator = open_spicedb(spec, opening)

    async def ask(self, user: str, post: str, deadline: float | None = None) -> object:
        """The result, or the reason of the denial."""
        turn = Turn(
            decode_check_request(b"", 0, 0),
            {"request": {"headers": {"user": user}, "path": f"/{post}"}},
            mono_ns=0,
            wall_ns=0,
            deadline=deadline,
            identified=None,
            workers=self.services.workers,
        )
        try:
            return await self.evaluator.authorize(turn)
        except Denied as error:
            return str(error)

    async def __aenter__(self) -> "Asker":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.services.close()


async def test_permission_is_asked_for_and_its_answer_kept() -> None:
    async with spicedb_inside() as server, Asker(server.endpoint) as asker:
        server.granted = {"post:p1#read@user:emilia"}
        server.conditional = {"post:p2#read@user:emilia"}
        granted = {"checked_at": {"token": "t1"}, "permissionship": 2.0}
        assert await asker.ask("emilia", "p1") == granted
        assert await asker.ask("beatrice", "p1") == "PERMISSIONSHIP_NO_PERMISSION;token=t1"
        conditional = "PERMISSIONSHIP_CONDITIONAL_PERMISSION;token=t1"
        assert await asker.ask("emilia", "p2") == conditional
    assert server.asked[1] == "post:p1#read@user:beatrice"
    assert set(server.authorizations) == {f"Bearer {KEY}"}
    assert KEY not in repr(asker.evaluator)


async def test_connection_is_kept_and_shared() -> None:
    async with spicedb_inside() as server, Asker(server.endpoint) as asker:
        await asyncio.gather(*(asker.ask("emilia", f"p{n}") for n in range(20)))
        assert await asker.ask("emilia", "p1")
    assert (len(server.asked), len(server.peers)) == (21, 1)
    assert asker.outgoing.outcomes == {"answered": 21}


async def test_without_a_secret_no_authorization_is_sent() -> None:
    async with spicedb_inside() as server:
        async with Asker(server.endpoint, sharedSecretRef=None) as asker:
            await asker.ask("emilia", "p1")
    assert server.authorizations == [None]


async def test_server_that_went_is_found_again() -> None:
    async with spicedb_inside() as first, Asker(first.endpoint) as asker:
        await asker.ask("emilia", "p1")
    reason = "SpiceDB could not be asked: the connection failed"
    assert await asker.ask("emilia", "p1") == reason
    assert asker.outgoing.outcomes["connection_failed"] == 1
    port = int(first.endpoint.rpartition(":")[2])
    async with spicedb_inside(port=port) as second:
        second.granted = {"post:p1#read@user:emilia"}
        assert isinstance(await asker.ask("emilia", "p1"), dict)
    await asker.services.close()


async def test_call_that_fails_leaves_others_on_the_connection_alone() -> None:
    async with spicedb_inside() as server, Asker(server.endpoint) as asker:
        server.granted = {"post:p1#read@user:emilia"}
        server.held = asyncio.Event()
        first = asyncio.create_task(asker.ask("emilia", "p1"))
        await asyncio.wait_for(server.arrived.wait(), 5)
        held, server.held = server.held, None
        server.failure = grpc.StatusCode.UNAVAILABLE, "busy"
        assert await asker.ask("emilia", "p2") == (
            "SpiceDB could not be asked: the connection failed"
        )
        server.failure = None
        held.set()
        assert isinstance(await first, dict)


async def test_channel_that_is_closed_fails_its_calls() -> None:
    async with spicedb_inside() as server, Asker(server.endpoint) as asker:
        server.held = asyncio.Event()
        call = asyncio.create_task(asker.ask("emilia", "p1"))
        await asyncio.wait_for(server.arrived.wait(), 5)
        await asker.services.grpc.close()
        assert await call == "SpiceDB could not be asked: the connection failed"
        server.held.set()


async def test_deadline_of_the_caller_ends_the_call() -> None:
    async with spicedb_inside() as server, Asker(server.endpoint) as asker:
        server.held = asyncio.Event()
        deadline = asyncio.get_running_loop().time() + 0.05
        reason = "SpiceDB could not be asked: no answer in time"
        assert await asker.ask("emilia", "p1", deadline) == reason
        server.held.set()


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (
            (grpc.StatusCode.FAILED_PRECONDITION, "object definition `post` not found"),
            "rpc error: code = FailedPrecondition desc = object definition `post` not found",
        ),
        ((grpc.StatusCode.INVALID_ARGUMENT, "x" * 5000), "x" * 256),
        (
            (grpc.StatusCode.UNAUTHENTICATED, "bad key preshared"),
            "SpiceDB could not be asked: UNAUTHENTICATED",
        ),
        (
            (grpc.StatusCode.UNAVAILABLE, "dial 10.0.0.7"),
            "SpiceDB could not be asked: the connection failed",
        ),
    ],
)
async def test_error_of_the_server_denies_without_telling_more_than_the_question(
    failure: tuple[grpc.StatusCode, str], reason: str
) -> None:
    async with spicedb_inside() as server, Asker(server.endpoint) as asker:
        server.failure = failure
        found = await asker.ask("emilia", "p1")
    assert isinstance(found, str)
    assert found.endswith(reason)
    assert len(found) < 400


async def test_value_that_cannot_be_resolved_denies_without_a_question() -> None:
    async with spicedb_inside() as server:
        async with Asker(server.endpoint, permission={"expression": "request.nothing"}) as asker:
            assert await asker.ask("emilia", "p1") == "no such key: nothing"
    assert server.asked == []


async def test_denied_destinations_are_not_connected_to() -> None:
    denied = Destinations(denied_networks=(ip_network("127.0.0.0/8"),))
    async with spicedb_inside() as server:
        bounds = OutgoingBounds(allowed=denied)
        async with Asker(server.endpoint.replace("127.0.0.1", "localhost"), bounds) as asker:
            reason = "SpiceDB could not be asked: the destination is not allowed"
            assert await asker.ask("emilia", "p1") == reason
    assert server.asked == []


@pytest.mark.parametrize("trusted", [True, False])
async def test_tls_server_must_be_of_a_trusted_authority(trusted: bool, tmp_path: Path) -> None:
    authority = root()
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    issued = authority.issue("localhost", extensions=[SERVER, names])
    key = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    credentials = grpc.ssl_server_credentials([(key, issued.pem.encode())])
    (tmp_path / "ca.pem").write_text(authority.pem)
    bounds = OutgoingBounds(ca_file=tmp_path / "ca.pem" if trusted else None)
    async with spicedb_inside(credentials) as server:
        server.granted = {"post:p1#read@user:emilia"}
        endpoint = server.endpoint.replace("127.0.0.1", "localhost")
        async with Asker(endpoint, bounds, insecure=False) as asker:
            found = await asker.ask("emilia", "p1")
    assert isinstance(found, dict) == trusted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spicedb:50051", ("spicedb", 50051)),
        ("[::1]:50051", ("::1", 50051)),
        ("grpc.authzed.com", ("grpc.authzed.com", 443)),
    ],
)
def test_endpoint_is_a_host_and_a_port(text: str, expected: tuple[str, int]) -> None:
    endpoint = Endpoint.of(text, insecure=True)
    assert (endpoint.host, endpoint.port) == expected


@pytest.mark.parametrize(
    "text",
    ["", "http://spicedb:1", "spicedb:", "spicedb:x", "spicedb:99999", "a b:1", "u@a:1", "a:1/x"],
)
def test_other_endpoints_are_refused_with_their_path(text: str) -> None:
    with pytest.raises(InvalidAuthConfig) as caught:
        read(endpoint=text)
    assert "spec.authorization.perm.spicedb.endpoint: " in str(caught.value)


# ---- the real server

GUIDE: dict[str, Any] = {
    "authentication": {
        "blog-users": {
            "apiKey": {"selector": {"matchLabels": {"app": "toys"}}},
            "credentials": {"authorizationHeader": {"prefix": "APIKEY"}},
        }
    },
    "authorization": {
        "authzed": {
            "spicedb": {
                "insecure": True,
                "sharedSecretRef": {"name": "spicedb", "key": "grpc-preshared-key"},
                "subject": {
                    "kind": {"value": "blog/user"},
                    "name": {"selector": "auth.identity.metadata.labels.username"},
                },
                "resource": {
                    "kind": {"value": "blog/post"},
                    "name": {"selector": 'request.path.@extract:{"sep":"/","pos":2}'},
                },
                "permission": {
                    "selector": 'request.method.@replace:{"old":"GET","new":"read"}'
                    '.@replace:{"old":"POST","new":"write"}'
                },
            }
        }
    },
}


@pytest.mark.slow
async def test_guide_with_the_real_server() -> None:
    lanes = Lanes()
    for user in ("emilia", "beatrice"):
        lanes.secret(user, username=user)
    preshared = {"metadata": {"name": "spicedb"}, "stringData": {"grpc-preshared-key": KEY}}
    lanes.configuration.put_secret("shop", "spicedb", preshared)

    async def ask(user: str, method: str) -> tuple[int, str | None]:
        key = f"APIKEY {user}-key"
        request = check_request("/posts/1", "toys.com", method, authorization=key)
        clocks = Clocks(generation=lanes.generation)
        raw = await lanes.service.check(request.SerializeToString(), clocks)
        answer = parse(raw, native=False)
        return answer.http_status, answer.reason

    async with spicedb_process() as endpoint:
        await _write(endpoint, writer="emilia", reader="beatrice")
        GUIDE["authorization"]["authzed"]["spicedb"]["endpoint"] = endpoint
        assert lanes.config(**GUIDE) == []
        assert [await ask("emilia", method) for method in ("GET", "POST")] == [(200, None)] * 2
        assert await ask("beatrice", "GET") == (200, None)
        status, reason = await ask("beatrice", "POST")
        assert (status, str(reason)[:32]) == (403, "PERMISSIONSHIP_NO_PERMISSION;tok")
        status, reason = await ask("beatrice", "DELETE")
        expected = "rpc error: code = InvalidArgument desc = invalid CheckPermissionRequest"
        assert (status, str(reason)[: len(expected)]) == (403, expected)
        async with Asker(endpoint, sharedSecretRef=None) as stranger:
            refused = "SpiceDB could not be asked: UNAUTHENTICATED"
            assert await stranger.ask("emilia", "1") == refused
    await lanes.services.close()


async def _write(endpoint: str, **readers: str) -> None:
    """The guide's schema, and who may do what with the first post."""
    metadata = (("authorization", f"Bearer {KEY}"),)
    updates = [
        RelationshipUpdate(
            operation=RelationshipUpdate.OPERATION_TOUCH,
            relationship=Relationship(
                resource=ObjectReference(object_type="blog/post", object_id="1"),
                relation=relation,
                subject=SubjectReference(
                    object=ObjectReference(object_type="blog/user", object_id=user)
                ),
            ),
        )
        for relation, user in readers.items()
    ]
    async with grpc.aio.insecure_channel(endpoint) as channel:
        schema = SchemaServiceStub(channel)
        await schema.WriteSchema(WriteSchemaRequest(schema=SCHEMA), metadata=metadata)
        permissions = PermissionsServiceStub(channel)
        request = WriteRelationshipsRequest(updates=updates)
        await permissions.WriteRelationships(request, metadata=metadata)
