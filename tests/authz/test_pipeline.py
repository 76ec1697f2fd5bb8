"""What the pipeline does with its evaluators: order, concurrency, cancelling, failures, memory."""

import asyncio

import pytest

from authz.condition import Predicate
from authz.config import Authentication, Authorization, Cache, Callback, Metadata, SuccessItem
from authz.errors import Denied, EvaluatorFailed, Overloaded, Unauthenticated
from authz.evaluator import Turn
from authz.value import SelectedValue, StaticValue
from expressions.cel import Context, compile_expression
from expressions.selector import compile_selector
from tests.authz.fake_evaluators import Counted, Trial, fails, gives, hangs
from tests.authz.lanes import NOW

SECOND = 10**9
WHO = SelectedValue(compile_selector("auth.identity.n"))


def cache(selector: str, ttl_s: int = 60, failure_ttl_s: int = 0) -> Cache:
    return Cache(SelectedValue(compile_selector(selector)), ttl_s, failure_ttl_s)


async def test_first_success_ends_authentication_and_cancels_the_others() -> None:
    trial = Trial()
    trial.add(Authentication, "slow", hangs).add(Authentication, "quick", gives({"n": 1}))
    assert (await trial.ask()).code == 0
    assert trial.outcomes() == {"slow": "cancelled", "quick": "succeeded"}


async def test_local_evaluators_have_their_turn_first() -> None:
    remote = Counted()
    trial = Trial().add(Authentication, "remote", remote)
    trial.add(Authentication, "local", gives({"n": 1}), local=True)
    assert (await trial.ask()).code == 0
    assert remote.calls == 0


async def test_priorities_are_asked_one_after_the_other() -> None:
    asked: list[str] = []

    def note(name: str) -> object:
        async def behavior(turn: Turn) -> object:
            asked.append(name)
            await asyncio.sleep(0)
            asked.append(name)
            raise Unauthenticated("no")

        return behavior

    trial = Trial()
    for name, priority in (("c", 5), ("a", -1), ("b", -1)):
        trial.add(Authentication, name, note(name), priority=priority)
    answer = await trial.ask()
    assert asked == ["a", "b", "a", "b", "c", "c"]
    assert answer.reason == '{"a":"no","b":"no","c":"no"}'


async def test_all_metadata_is_waited_for_and_failures_are_left_out() -> None:
    async def late(turn: Turn) -> object:
        for _ in range(5):
            await asyncio.sleep(0)
        return {"v": 1}

    trial = Trial().add(Metadata, "late", late)
    trial.add(Metadata, "broken", fails(EvaluatorFailed("no"))).add(Metadata, "quick", gives("x"))
    seen: list[object] = []

    async def look(turn: Turn) -> object:
        auth = turn.document["auth"]
        assert isinstance(auth, dict)
        seen.append(auth["metadata"])
        return True

    trial.add(Authorization, "look", look)
    assert (await trial.ask()).code == 0
    assert seen == [{"late": {"v": 1}, "quick": "x"}]


async def test_required_metadata_that_fails_denies() -> None:
    trial = Trial().add(Metadata, "geo", fails(EvaluatorFailed("down")), required=True)
    answer = await trial.ask()
    assert (answer.http_status, answer.reason) == (403, "metadata 'geo' is required and missing")


async def test_first_denial_ends_authorization_and_cancels_the_others() -> None:
    later = Counted()
    trial = Trial().add(Authorization, "slow", hangs)
    trial.add(Authorization, "no", fails(Denied("because")))
    trial.add(Authorization, "later", later, priority=1)
    answer = await trial.ask()
    assert (answer.http_status, answer.reason, later.calls) == (403, "because", 0)
    assert trial.outcomes()["slow"] == "cancelled"


async def test_entries_do_not_see_results_of_their_own_priority() -> None:
    seen: list[object] = []

    async def look(turn: Turn) -> object:
        auth = turn.document["auth"]
        assert isinstance(auth, dict)
        seen.append(auth.get("authorization"))
        return len(seen)

    trial = Trial()
    for name, priority in (("a", 0), ("b", 0), ("c", 1)):
        trial.add(Authorization, name, look, local=True, priority=priority)
    assert (await trial.ask()).code == 0
    assert seen == [None, None, {"a": 1, "b": 2}]


async def test_item_that_fails_takes_no_other_with_it() -> None:
    trial = Trial().add(SuccessItem, "a", fails(EvaluatorFailed("no")))
    trial.add(SuccessItem, "b", gives("x")).add(SuccessItem, "c", gives("y"))
    assert (await trial.ask()).metadata == {"b": "x", "c": "y"}


@pytest.mark.parametrize("denied", [False, True])
async def test_callbacks_run_after_the_decision_and_cannot_change_it(denied: bool) -> None:
    called = Counted()
    trial = Trial().add(Callback, "tell", called)
    trial.add(Callback, "defect", fails(RuntimeError("unexpected")), priority=1)
    if denied:
        trial.add(Authorization, "no", fails(Denied("because")))
    answer = await trial.ask()
    assert (answer.http_status, called.calls) == (403 if denied else 200, 1)


async def test_dry_run_calls_nobody_back() -> None:
    called = Counted()
    trial = Trial().add(Callback, "tell", called)
    assert (await trial.ask(dry_run=True)).code == 0
    assert called.calls == 0
    assert trial.outcomes()["tell"] == "ignored"


async def test_own_deadline_ends_one_evaluator() -> None:
    trial = Trial().add(Authentication, "slow", hangs, deadline_s=0.0)
    answer = await trial.ask()
    assert (answer.http_status, answer.reason) == (401, "timed out")


async def test_overload_is_no_refusal_of_one_evaluator() -> None:
    trial = Trial().add(Metadata, "busy", fails(Overloaded()))
    with pytest.raises(Overloaded):
        await trial.ask()


@pytest.mark.parametrize(("skip", "status"), [(False, 403), (True, 200)])
async def test_failing_condition_leaves_out_nothing_required(skip: bool, status: int) -> None:
    when = (
        Predicate(compile_expression("auth.nobody.x == 1", Context.AUTHORIZATION, strict=True)),
    )
    trial = Trial(more={"skip_failed_conditions": skip})
    trial.add(Metadata, "risk", Counted(), when=when, required=True)
    answer = await trial.ask()
    assert answer.http_status == status
    assert skip or answer.reason == "metadata 'risk' is required and missing"


@pytest.mark.parametrize(("skip", "status"), [(False, 403), (True, 200)])
async def test_failing_condition_denies_unless_told_otherwise(skip: bool, status: int) -> None:
    when = (
        Predicate(compile_expression("auth.nobody.x == 1", Context.AUTHORIZATION, strict=True)),
    )
    trial = Trial(more={"skip_failed_conditions": skip})
    trial.add(Authorization, "guarded", fails(Denied("no")), when=when)
    assert (await trial.ask()).http_status == status
    top = Trial(more={"skip_failed_conditions": skip, "when": when})
    assert (await top.ask()).http_status == status


async def test_results_are_remembered_by_key_for_their_time() -> None:
    source = Counted()
    trial = Trial().add(Metadata, "m", source, cache=cache("request.path", ttl_s=10))
    trial.add(SuccessItem, "n", _metadata, local=True)
    assert [(await trial.ask(path=p)).metadata["n"] for p in ("/a", "/a", "/b")] == [1, 1, 2]
    trial.wall_ns = NOW + 10 * SECOND - 1
    assert (await trial.ask(path="/a")).metadata["n"] == 1
    trial.wall_ns = NOW + 10 * SECOND
    assert (await trial.ask(path="/a")).metadata["n"] == 3


async def _metadata(turn: Turn) -> object:
    return SelectedValue(compile_selector("auth.metadata.m.n")).resolve(turn.document)


@pytest.mark.parametrize("value", [None, 1, "1", {"a": 1}, [1]])
async def test_null_is_no_key_and_types_make_different_keys(value: object) -> None:
    source = Counted()
    key = Cache(StaticValue.of(value), 60)
    trial = Trial().add(Metadata, "m", source, cache=key)
    await trial.ask()
    await trial.ask()
    assert source.calls == (2 if value is None else 1)


async def test_identity_is_remembered_by_credential_and_not_beyond_its_end() -> None:
    ends = NOW // SECOND + 5
    source = Counted({"n": 1, "exp": ends}, {"n": 2, "exp": str(ends)}, {"n": 3}, {"n": 4})
    key = Cache(StaticValue.of("same for all"), 60)
    trial = Trial().add(Authentication, "a", source, cache=key)
    trial.add(SuccessItem, "who", _identity, local=True)
    tokens = ("Bearer x", "Bearer y", "Bearer x")
    assert [(await trial.ask(authorization=t)).metadata["who"] for t in tokens] == [1, 2, 1]
    trial.wall_ns = ends * SECOND
    assert [(await trial.ask(authorization=t)).metadata["who"] for t in tokens[:2]] == [3, 4]


async def _identity(turn: Turn) -> object:
    return WHO.resolve(turn.document)


async def test_failures_are_remembered_only_when_asked_for() -> None:
    for ttl_s, calls in ((0, 2), (5, 1)):
        source = Counted(EvaluatorFailed("down"), EvaluatorFailed("down"), {"n": 1})
        key = cache("request.path", failure_ttl_s=ttl_s)
        trial = Trial().add(Metadata, "m", source, cache=key)
        await trial.ask()
        await trial.ask()
        assert (source.calls, trial.outcomes()["m"]) == (calls, "denied")
        trial.wall_ns = NOW + 5 * SECOND
        await trial.ask()
        assert source.calls == calls + 1


async def test_memory_outlives_a_reload_of_an_equal_entry_only() -> None:
    source = Counted()
    trial = Trial()
    for text, calls in ((b"same", 1), (b"same", 1), (b"other", 2)):
        trial.entries.clear()
        trial.add(Metadata, "m", source, cache=cache("request.path"), fingerprint=text)
        trial.reload()
        await trial.ask()
        assert source.calls == calls
    assert len(trial.services.remembered) == 1


async def test_equal_calls_at_once_are_made_once() -> None:
    source = Counted()

    async def slow(turn: Turn) -> object:
        await asyncio.sleep(0)
        return await source(turn)

    trial = Trial().add(Metadata, "m", slow, cache=cache("request.path"))
    trial.reload()
    await asyncio.gather(*(trial.ask() for _ in range(5)))
    assert source.calls == 1
