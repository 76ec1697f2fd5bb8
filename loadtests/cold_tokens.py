"""What a token costs that was never seen: a whole Check against PyJWT's `decode` alone.

    python -m loadtests.cold_tokens [--write docs/benchmarks.md]

The service is called in process, from the bytes of a CheckRequest to those of the answer; keys are
there already. CPU time of the process, all threads; contenders take turns, round by round, and
figures are medians over the rounds.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from envoy.service.auth.v3 import external_auth_pb2
from jwt.algorithms import get_default_algorithms

from _fastpath.cells import Series
from _fastpath.check import CheckDecider
from _fastpath.plan import Plans
from _fastpath.rpc import Metadata
from authz.configuration import Configuration
from authz.outgoing.client import Outgoing
from authz.outgoing.message import OutgoingRequest, OutgoingResponse
from authz.service import AuthorizationService
from authz.services import Services
from loadtests.page import write_part

HEADING = "## Cold tokens"
ROUNDS, TOKENS, AT_ONCE = 9, 500, 50
HOST = "toys.test"
NOW_S = int(time.time())
CLAIMS: dict[str, Any] = {
    "iss": "https://issuer.test", "sub": "john", "aud": "toys", "iat": NOW_S, "exp": NOW_S + 86400,
    "preferred_username": "john", "email": "john@toys.test", "email_verified": True,
    "realm_access": {"roles": ["member"]}, "groups": ["a", "b"], "scope": "read write",
}  # fmt: skip
KEYS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
SPEC = {
    "hosts": [HOST],
    "authentication": {"idp": {"jwt": {"jwksUrl": "https://issuer.test/keys"}}},
    "authorization": {
        "member": {
            "patternMatching": {
                "patterns": [
                    {
                        "selector": "auth.identity.realm_access.roles",
                        "operator": "incl",
                        "value": "member",
                    }
                ]
            }
        }
    },
}


class Issuer(Outgoing):
    """Answers with its key set without a network."""

    def __init__(self, keys: bytes) -> None:
        super().__init__()
        self._keys = keys

    async def send(
        self, request: OutgoingRequest, deadline: float | None = None
    ) -> OutgoingResponse:
        return OutgoingResponse(200, "OK", {}, self._keys)


class Now:
    """A Context."""

    metadata: Metadata = ()
    deadline_ns: int | None = None
    mono_ns = 1
    wall_ns = NOW_S * 10**9
    peer = "bench"

    def __init__(self, generation: int) -> None:
        self.generation = generation

    def set_trailing_metadata(self, metadata: Metadata) -> None: ...


class Subject:
    """A service with one AuthConfig, and tokens of one algorithm that it forgets every round."""

    def __init__(self, algorithm: str) -> None:
        private = KEYS[algorithm]()
        maker: Any = get_default_algorithms()[algorithm]
        public = {**json.loads(maker.to_jwk(private.public_key())), "kid": "k", "alg": algorithm}
        public.pop("key_ops", None)
        self.algorithm = algorithm
        self._key = jwt.PyJWK(public)
        self.tokens = [
            jwt.encode({**CLAIMS, "jti": str(number)}, private, algorithm, {"kid": "k"})
            for number in range(TOKENS)
        ]
        self._requests = [_check_request(token) for token in self.tokens]
        plans, series = Plans(1), Series(1)
        self._services = Services(outgoing=Issuer(json.dumps({"keys": [public]}).encode()))
        self._configuration = Configuration(self._services, series)
        if self._configuration.put_auth_config("bench", "bench", {"spec": SPEC}):
            raise SystemExit("the AuthConfig was refused")
        decider = CheckDecider(plans, self._services.identities, series, self._services.remembered)
        self._service = AuthorizationService(decider, self._services, series, 1)
        snapshot = self._configuration.snapshot()
        self._context = Now(plans.publish(None, snapshot.hosts))
        self._service.publish(self._context.generation, snapshot, 0)
        self._evaluator: Any = snapshot.ready["bench/bench"].opened.authentication[0].evaluator

    async def __aenter__(self) -> "Subject":
        self._configuration.start_new()
        answer = await self._service.check_here(self._requests[0], self._context)
        if external_auth_pb2.CheckResponse.FromString(answer).status.code:
            raise SystemExit("the token was refused")
        return self

    async def __aexit__(self, *error: object) -> None:
        self._configuration.remove_auth_config("bench", "bench")
        self._configuration.close_replaced()
        await self._services.close()

    async def decode(self) -> None:
        options: Any = {"verify_aud": False}
        for token in self.tokens:
            jwt.decode(token, self._key, [self.algorithm], options)

    async def one(self) -> None:
        self._services.remembered.drop(self._evaluator.scope)
        for request in self._requests:
            await self._service.check_here(request, self._context)

    async def many(self) -> None:
        self._services.remembered.drop(self._evaluator.scope)
        for first in range(0, TOKENS, AT_ONCE):
            some = self._requests[first : first + AT_ONCE]
            await asyncio.gather(*(self._service.check_here(one, self._context) for one in some))


def _check_request(token: str) -> bytes:
    request = external_auth_pb2.CheckRequest()
    http = request.attributes.request.http
    http.id, http.method, http.path, http.host = "1", "GET", "/toys", HOST
    http.headers.update({":authority": HOST, "authorization": f"Bearer {token}"})
    data: bytes = request.SerializeToString()
    return data


async def cpu_us(work: Callable[[], Awaitable[None]]) -> float:
    """Per token."""
    begin = time.process_time_ns()
    await work()
    return (time.process_time_ns() - begin) / 1000 / TOKENS


async def measured(algorithm: str) -> tuple[float, float, float]:
    """PyJWT's decode, a Check, a Check among others; microseconds."""
    async with Subject(algorithm) as subject:
        contenders = (subject.decode, subject.one, subject.many)
        rounds = [[await cpu_us(work) for work in contenders] for _ in range(ROUNDS)]
        decode, one, many = (statistics.median(times) for times in zip(*rounds, strict=True))
        return decode, one, many


async def table() -> list[str]:
    lines = [
        "| algorithm | PyJWT's decode, µs | Check, one | × | Check, 50 at once | × |",
        "|---|---|---|---|---|---|",
    ]
    for algorithm in KEYS:
        decode, one, many = await measured(algorithm)
        lines.append(
            f"| {algorithm} | {decode:.0f} | {one:.0f} | {one / decode:.2f}"
            f" | {many:.0f} | {many / decode:.2f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", type=Path, help="the page whose part is replaced")
    arguments = parser.parse_args()
    lines = asyncio.run(table())
    about = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} with `python -m loadtests.cold_tokens`: CPU time of"
        " a whole Check with a\ntoken never seen before and a claim pattern, against PyJWT's"
        " `decode` of the same token."
    )
    text = "\n".join([HEADING, "", about, "", *lines])
    if arguments.write is None:
        print(text)
    else:
        write_part(arguments.write, text)


if __name__ == "__main__":
    main()
