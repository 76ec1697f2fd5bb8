"""A short tour: requests through Envoy, each with the answer it should get and why."""

from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from rich.console import Console
from rich.table import Table

ALICE = {"authorization": "APIKEY alice-demo-key"}
BOB = {"authorization": "APIKEY bob-demo-key"}


@dataclass(frozen=True, slots=True)
class Step:
    """One request and the status that shows the demo works."""

    what: str
    path: str
    headers: dict[str, str]
    expected: int
    why: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back; `remaining` is the x-ratelimit-remaining header, "" without one."""

    step: Step
    status: int
    remaining: str

    @property
    def right(self) -> bool:
        return self.status == self.step.expected


STEPS = (
    Step("anyone, public page", "/about", {}, 200, "Envoy asks nobody about /about"),
    Step("no key", "/toys", {}, 401, "ext_authz: credential not found"),
    Step("wrong key", "/toys", {"authorization": "APIKEY guess"}, 401, "ext_authz: key unknown"),
    Step("alice", "/toys", ALICE, 200, "free plan: 2 requests in 10 s"),
    Step("alice, stock room", "/stock", ALICE, 403, "only admins; consumes nothing of the limit"),
    Step("alice again", "/toys", ALICE, 200, "the second of two"),
    Step("alice, third", "/toys", ALICE, 429, "ratelimit: over the limit"),
    Step("bob, stock room", "/stock", BOB, 200, "bob is an admin on the gold plan"),
)


async def walk(front: int) -> list[Seen]:
    """Send the steps one after another to Envoy on 127.0.0.1:`front`."""
    seen = []
    async with aiohttp.ClientSession() as session:
        for step in STEPS:
            headers = {"host": "toystore.localhost", **step.headers}
            async with session.get(
                f"http://127.0.0.1:{front}{step.path}", headers=headers
            ) as response:
                remaining = response.headers.get("x-ratelimit-remaining", "")
                seen.append(Seen(step, response.status, remaining))
    return seen


def show(console: Console, seen: Sequence[Seen]) -> None:
    table = Table(title="Through Envoy")
    for heading in ("request", "path", "answer", "remaining", "why"):
        table.add_column(heading, justify="right" if heading == "remaining" else "left")
    for item in seen:
        answer = f"[{'green' if item.status < 400 else 'yellow'}]{item.status}[/]"
        if not item.right:
            answer = f"[bold red]{item.status}, expected {item.step.expected}[/]"
        table.add_row(item.step.what, item.step.path, answer, item.remaining, item.step.why)
    console.print(table)


def hints(front: int, http: int) -> str:
    """What to try next: lines to copy into another terminal."""
    toys = f"http://localhost:{front}/toys"
    return f"""Try next, in another terminal:

  curl -i {toys}
  curl -i -H 'authorization: APIKEY alice-demo-key' {toys}
  for i in 1 2 3; do
    curl -so /dev/null -w '%{{http_code}}\\n' -H 'authorization: APIKEY alice-demo-key' {toys}; done
  curl -i -H 'authorization: APIKEY bob-demo-key' http://localhost:{front}/stock
  curl -s http://localhost:{http}/limits/toystore
  curl -s http://localhost:{http}/counters/toystore
  curl -s http://localhost:{http}/metrics

Edit deploy/demo/limits.yaml or deploy/demo/manifests/api-keys.yaml meanwhile: changes show at once.
Ctrl-C stops all three."""
