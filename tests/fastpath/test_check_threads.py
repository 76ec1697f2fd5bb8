"""I/O threads decide while keys come and go and plans are swapped: no torn answer, no late one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from envoy.service.auth.v3 import external_auth_pb2

from _fastpath.cells import Series
from _fastpath.check import CheckDecider
from _fastpath.check_codec import encode_check_response
from _fastpath.document import NativeDocument
from _fastpath.host_index import HostIndex
from _fastpath.identity import IdentityTable
from _fastpath.plan import Plans
from _fastpath.remembered import RememberedTable
from _fastpath.rpc import Context, RpcError, Status, UnaryMethod
from _fastpath.rule import Rule, rule
from _fastpath.rule_spec import Authentication, Remembered, RuleSpec, SuccessItem, Target
from _fastpath.server import Server
from tests.fastpath import check_model as model

PATH = "/envoy.service.auth.v3.Authorization/Check"
THREADS = 3
CONNECTIONS = 6
KEYS = 20


async def refuse(request: bytes, context: Context) -> bytes:
    raise RpcError(Status.INTERNAL, "nothing here needs the full lane")


async def unauthenticated(request: bytes, context: Context) -> bytes:
    return encode_check_response(Status.UNAUTHENTICATED, http_status=401)


def user(key: str, version: int) -> NativeDocument:
    """An identity whose parts must be seen together."""
    return NativeDocument({"name": key, "copy": [key, version, version]})


def request(key: str) -> bytes:
    message = external_auth_pb2.CheckRequest()
    message.attributes.request.http.host = "a.test"
    message.attributes.request.http.headers["authorization"] = f"Bearer {key}"
    return bytes(message.SerializeToString())


class Live:
    """A server with one rule, its keys, and what changes them.

    remembered: keys are results of another lane, of which the table holds half; the others are
    unauthenticated there.
    """

    def __init__(self, *, remembered: bool = False) -> None:
        self.series, self.plans, self.identities = Series(THREADS), Plans(THREADS), IdentityTable()
        self.hosts = HostIndex()
        self.table = RememberedTable(KEYS // 2)
        self.scope = self.table.scope()
        self.remembered = remembered
        self.decider = CheckDecider(self.plans, self.identities, self.series, self.table)

    def compiled(self) -> Rule:
        plain = model.selector("auth", "identity").native
        who = SuccessItem(name="who", key="who", target=Target.DYNAMIC_METADATA, plain=plain)
        entry = Authentication(name="k", challenge="Bearer", key_set=0)
        if self.remembered:
            known = Remembered(self.scope)
            entry = Authentication(name="k", challenge="Bearer", remembered=known)
        return rule(RuleSpec("ns", "n", authentication=(entry,), success=(who,)), self.series)

    def publish(self) -> None:
        self.hosts = self.hosts.edit({"a.test": self.compiled()})
        self.plans.publish(None, self.hosts)

    @asynccontextmanager
    async def channels(self) -> AsyncIterator[list[grpc.aio.Channel]]:
        otherwise = unauthenticated if self.remembered else refuse
        server = Server([UnaryMethod(PATH, otherwise, self.decider.check)], threads=THREADS)
        address = server.listen("127.0.0.1:0")
        server.start()
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.aio.insecure_channel(address, options) for _ in range(CONNECTIONS)]
        try:
            yield channels
        finally:
            for channel in channels:
                await channel.close()
            server.stop()


async def ask(channel: grpc.aio.Channel, key: str) -> external_auth_pb2.CheckResponse:
    answer = await channel.unary_unary(PATH)(request(key), timeout=60)
    return external_auth_pb2.CheckResponse.FromString(answer)


async def ask_often(channel: grpc.aio.Channel, calls: int) -> list[str]:
    """Complaints about answers."""
    keys = [f"key-{number % KEYS}" for number in range(calls)]
    complaints = []
    for key, answer in zip(
        keys, await asyncio.gather(*(ask(channel, key) for key in keys)), strict=True
    ):
        if answer.status.code == 16:
            continue
        who = answer.dynamic_metadata["who"]
        name, first, second = who["copy"]
        if answer.status.code or who["name"] != key or name != key or first != second:
            complaints.append(str(answer))
    return complaints


async def test_answers_are_whole_while_keys_and_plans_change() -> None:
    live = Live()
    live.publish()
    async with live.channels() as channels:
        asking = asyncio.gather(*(ask_often(channel, 300) for channel in channels))
        version = 0
        while not asking.done():
            version += 1
            key = f"key-{version % KEYS}"
            digest = live.identities.put(0, key.encode(), user(key, version))
            if version % 3 == 0:
                live.identities.revoke(digest)
            if version % 5 == 0:
                live.publish()
                live.identities.collect()
            await asyncio.sleep(0)
        assert [complaint for batch in await asking for complaint in batch] == []


async def test_answers_are_whole_while_results_make_room_for_others() -> None:
    live = Live(remembered=True)
    live.publish()
    async with live.channels() as channels:
        asking = asyncio.gather(*(ask_often(channel, 300) for channel in channels))
        version = 0
        while not asking.done():
            version += 1
            key = f"key-{version % KEYS}"
            live.table.put(live.scope, key.encode(), user(key, version), 1 << 62)
            if version % 50 == 0:
                live.table.drop(live.scope)
                live.identities.collect()
            await asyncio.sleep(0)
        assert [complaint for batch in await asking for complaint in batch] == []


async def test_revoked_key_is_refused_by_the_next_request_on_every_connection() -> None:
    live = Live()
    live.publish()
    async with live.channels() as channels:
        for version in range(5):
            digest = live.identities.put(0, b"key-0", user("key-0", version))
            answers = await asyncio.gather(*(ask(channel, "key-0") for channel in channels))
            assert [answer.status.code for answer in answers] == [0] * CONNECTIONS
            live.identities.revoke(digest)
            answers = await asyncio.gather(*(ask(channel, "key-0") for channel in channels))
            assert [answer.status.code for answer in answers] == [16] * CONNECTIONS
