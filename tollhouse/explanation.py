"""One request, decided to be looked at: what every evaluator said, and the answer."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.json_format import MessageToDict

from _fastpath.cells import Series
from _fastpath.check import CheckDecider
from _fastpath.plan import Plans
from authz.compilation import rule_spec_of
from authz.configuration import Configuration, Snapshot
from authz.http.answer import HttpAnswer, http_answer_of
from authz.opa.choice import AUTO, RegoSettings
from authz.outgoing.bounds import OutgoingBounds
from authz.outgoing.client import Outgoing
from authz.service import AuthorizationService
from authz.services import Services
from authz.step import Step
from policy.authorization import AuthorizationObjects
from policy.files import ManifestFiles
from tollhouse.local_call import LocalCall

NATIVE = "answer"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of the request.

    auth_config: None when no one has the host. lane: "fast", or why it is not. lanes: of
    evaluators, by phase and name: "fast", "remembered" (fast once an earlier request found the
    result out) or "full: why". steps: in the order in which they ended, times from `began_ns` on.
    metadata: what Envoy gets besides. skipped: the top-level `when` does not hold. problems: of the
    manifests.
    """

    auth_config: str | None
    lane: str
    lanes: Mapping[tuple[str, str], str]
    steps: tuple[Step, ...] = field(repr=False)
    began_ns: int
    ended_ns: int
    answer: HttpAnswer
    metadata: Mapping[str, Any]
    skipped: bool
    problems: tuple[str, ...]


async def explain(
    manifests: Sequence[Path], request: bytes, timeout_s: float, outgoing: OutgoingBounds
) -> Explanation:
    """Decide an encoded CheckRequest without callbacks. Raises RpcError when it is none."""
    services = Services(outgoing=Outgoing(outgoing), rego_settings=RegoSettings(AUTO))
    series, plans = Series(1), Plans(1)
    try:
        configuration = Configuration(services, series)
        objects = AuthorizationObjects(configuration)
        files = ManifestFiles(tuple(map(str, manifests)))
        await asyncio.to_thread(lambda: objects.apply(files.changes()))
        configuration.start_new()
        snapshot = configuration.snapshot()
        generation = plans.publish(None, snapshot.hosts)
        decider = CheckDecider(plans, services.identities, series)
        service = AuthorizationService(decider, services, series, 1, timeout_s)
        service.publish(generation, snapshot, 0)

        steps: list[Step] = []
        call = LocalCall(time.monotonic_ns(), time.time_ns(), generation=generation)
        config_id, verdict = await service.dry_run(request, call, steps.append)
        ended_ns = time.monotonic_ns()
        # What the evaluators remember now, they would remember of an earlier request.
        native = decider.check(request, call.mono_ns, call.wall_ns)[0] == NATIVE
        return Explanation(
            auth_config=config_id or None,
            lane=_lane(configuration, config_id, native),
            lanes=_lanes(snapshot, config_id),
            steps=tuple(steps),
            began_ns=call.mono_ns,
            ended_ns=ended_ns,
            answer=http_answer_of(verdict.answer),
            metadata=_metadata(verdict.answer),
            skipped=verdict.skipped,
            problems=tuple(map(str, objects.problems())),
        )
    finally:
        await services.close()


def _metadata(answer: bytes) -> Mapping[str, Any]:
    message = external_auth_pb2.CheckResponse.FromString(answer)
    found: Mapping[str, Any] = MessageToDict(message.dynamic_metadata)
    return found


def _lane(configuration: Configuration, config_id: str, native: bool) -> str:
    if native:
        return "fast"
    lanes = (report.lane for report in configuration.reports() if report.id == config_id)
    return next((lane for lane in lanes if lane != "fast"), "full: nothing is remembered")


def _lanes(snapshot: Snapshot, config_id: str) -> Mapping[tuple[str, str], str]:
    ready = snapshot.ready.get(config_id)
    if ready is None:
        return {}
    spec = rule_spec_of(ready.opened)
    phases = {
        "authentication": spec.authentication,
        "metadata": spec.metadata,
        "authorization": spec.authorization,
        "response": spec.success,
    }
    return {
        (phase, entry.name): f"full: {entry.foreign}"
        if entry.foreign
        else "remembered"
        if entry.remembered
        else "fast"
        for phase, entries in phases.items()
        for entry in entries
    }
