"""Callbacks: sent after every decision, without a say in it, and bounded."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from authz.callback_room import CallbackCollector, CallbackRoom
from authz.errors import EvaluatorFailed
from tests.authz.http_backend import Backend
from tests.authz.http_lanes import CallingLanes, calling_lanes


@pytest.fixture
async def lanes() -> AsyncIterator[CallingLanes]:
    async with calling_lanes() as lanes:
        lanes.secret("alice")
        yield lanes


def _spec(backend: Backend, more: str = "") -> str:
    return f"""
authentication:
  keys: {{apiKey: {{selector: {{matchLabels: {{app: toys}}}}}}}}
authorization:
  reading: {{patternMatching: {{patterns: [{{predicate: 'request.path != "/no"'}}]}}}}
response: {{success: {{headers: {{x-r: {{plain: {{value: r}}}}}}}}}}
callbacks:
  log:
    http:
      method: POST
      contentType: application/json
      url: {backend.url}/log
      bodyParameters:
        who: {{selector: auth.identity.metadata.name}}
        may: {{selector: auth.authorization}}
        got: {{selector: auth.response}}
    {more}
"""


@pytest.mark.parametrize("status", [200, 500])
async def test_callbacks_hear_of_every_decision(
    lanes: CallingLanes, backend: Backend, status: int
) -> None:
    backend.says("/log", "{not json", status=status, Content_Type="application/json")
    assert not lanes.configure(_spec(backend))
    statuses = [
        (await lanes.call("/yes", authorization="Bearer alice-key")).http_status,
        (await lanes.call("/yes")).http_status,
        (await lanes.call("/no", authorization="Bearer alice-key")).http_status,
    ]
    assert statuses == [200, 401, 403]
    assert [json.loads(seen.body) for seen in backend.seen] == [
        {"who": "alice", "may": {"reading": True}, "got": {"x-r": "r"}},
        {"who": None, "may": None, "got": None},
        {"who": "alice", "may": None, "got": None},
    ]


async def test_later_callbacks_see_answers_of_earlier_ones(
    lanes: CallingLanes, backend: Backend
) -> None:
    backend.says("/log", '{"n": 1}', Content_Type="application/json")
    spec = """
  text: {http: {url: %(url)s/text}, priority: 1}
  gone: {http: {url: "http://127.0.0.1:1/"}, priority: 1}
  last: {http: {method: POST, url: %(url)s/last, body: {selector: auth.callbacks}}, priority: 2}
"""
    backend.says("/text", "hello", Content_Type="text/plain")
    assert not lanes.configure(_spec(backend) + spec % {"url": backend.url})
    await lanes.call("/yes", authorization="Bearer alice-key")
    assert json.loads(backend.seen[-1].body) == {"log": {"n": 1}, "text": "hello"}


async def test_no_callback_for_what_does_not_apply(lanes: CallingLanes, backend: Backend) -> None:
    lanes.configure(_spec(backend, "when: [{predicate: 'false'}]"))
    await lanes.call()
    lanes.configure(_spec(backend) + "\nwhen: [{predicate: 'false'}]")
    assert (await lanes.call()).http_status == 200
    assert backend.seen == []


async def test_failures_change_nothing(lanes: CallingLanes) -> None:
    lanes.configure(
        """
callbacks:
  refused: {http: {url: "http://127.0.0.1:1/"}}
  broken: {http: {urlExpression: "request.headers['x-nope']"}}
  number: {http: {urlExpression: "1"}}
"""
    )
    assert (await lanes.call()).http_status == 200


async def test_an_asynchronous_callback_is_not_waited_for(
    lanes: CallingLanes, backend: Backend
) -> None:
    released = backend.hangs("/log")
    assert not lanes.configure(_spec(backend), "callbacks: {log: {asynchronous: true}}")
    answer = await lanes.call("/yes", authorization="Bearer alice-key")
    assert answer.http_status == 200
    await backend.asked(1)
    assert not released.is_set()
    assert json.loads(backend.seen[0].body)["who"] == "alice"
    released.set()


async def test_the_room_is_bounded() -> None:
    room = CallbackRoom(most=3, most_of_one=2)
    released = asyncio.Event()
    for config in ("a", "a", "b"):
        room.begin(config, released.wait)
    for config in ("a", "b"):
        with pytest.raises(EvaluatorFailed, match="too many callbacks"):
            room.begin(config, released.wait)
        with pytest.raises(EvaluatorFailed, match="too many callbacks"):
            await room.call(config, released.wait)
    assert room.dropped == 4
    samples = [s.value for metric in CallbackCollector(room).collect() for s in metric.samples]
    assert samples == [4]
    released.set()
    await asyncio.sleep(0.001)
    await room.call("a", released.wait)
    await room.close()


async def test_the_end_waits_for_callbacks_but_not_for_ever() -> None:
    room = CallbackRoom()
    sent = []

    async def send() -> None:
        await asyncio.sleep(0)
        sent.append("callback")

    room.begin("a", send)
    await room.close()
    assert sent == ["callback"]
    for _ in range(3):
        room.begin("a", asyncio.Event().wait)
    await room.close(patience_s=0)
    await room.call("a", _nothing)
    await room.close()


async def _nothing() -> None:
    pass


async def test_callbacks_of_an_auth_config_are_counted(lanes: CallingLanes) -> None:
    entries = "\n".join(f"  c{at}: {{http: {{url: 'http://x/'}}}}" for at in range(33))
    faults = lanes.configure(f"callbacks:\n{entries}")
    assert faults == ["spec.callbacks: expected at most 32 entries, got 33"]
