"""Server CPU time per authorization: kinds of identity and rule, and sizes of the configuration.

    python -m loadtests.authorization [--rounds 5] [--seconds 1] [--write docs/benchmarks.md]

As `loadtests.bench` measures, but every ratio is to the answer to one API key. Tokens are verified
once and then known; `loadtests.cold_tokens` has those that are not.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from loadtests.bench import CONSTANT_CHECK, Sample, Shape, measure, spread
from loadtests.contenders import HOST, Contender, auth_config, check_request, key_secrets, stream
from loadtests.page import write_part
from loadtests.paths import CHECK

ONE_KEY = "API key"
SHAPES = (Shape(4, 32, 1), Shape(4, 1, 1))
API_KEYS = {
    "keys": {
        "apiKey": {"selector": {"matchLabels": {"app": "bench"}}},
        "credentials": {"authorizationHeader": {"prefix": "APIKEY"}},
    }
}
CLAIM = [{"selector": "auth.identity.tier", "operator": "eq", "value": "gold"}]
CEL = [{"predicate": "auth.identity.tier == 'gold' && 'admin' in auth.identity.realm.roles"}]
REGO = 'allow { input.auth.identity.tier == "gold" }'
# Has no native program, so all of the AuthConfig is decided in the full lane.
NOT_NATIVE = [{"selector": "request.method.@case:upper", "operator": "eq", "value": "GET"}]


class Issuer:
    """One RSA key, its set over HTTP, and a token that it signed."""

    def __init__(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self.keys = json.dumps({"keys": [public | {"kid": "bench", "alg": "RS256"}]}).encode()
        now = int(time.time())
        claims = {
            "iss": "https://issuer.test", "sub": "john", "aud": "toys", "iat": now,
            "exp": now + 86400, "email": "john@toys.test", "email_verified": True,
            "realm": {"roles": ["member", "admin"]}, "scope": "read write", "tier": "gold",
        }  # fmt: skip
        self.token = jwt.encode(claims, key, "RS256", {"kid": "bench"})

    @contextmanager
    def listening(self) -> Iterator[str]:
        """The URL of the key set."""
        keys = self.keys

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(keys)))
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}/keys"
            server.shutdown()
            thread.join()


def contenders(keys_url: str, token: str) -> list[Contender]:
    by_key = check_request()
    by_token = check_request(f"Bearer {token}")
    tokens = {"tokens": {"jwt": {"jwksUrl": keys_url}}}

    def tollhouse(name: str, documents: list[dict[str, Any]], request: bytes) -> Contender:
        return Contender(name, "tollhouse", CHECK, request, b"", manifests=stream(documents))

    def checked(name: str, **rule: Any) -> Contender:
        config = auth_config("bench", HOST, authentication=tokens, authorization={"rule": rule})
        return tollhouse(name, [config], by_token)

    keyed = auth_config("bench", HOST, authentication=API_KEYS)
    others = [
        auth_config(f"other-{n}", f"host-{n}.example.com", authentication=API_KEYS)
        for n in range(9_999)
    ]
    full = auth_config("bench", HOST, authentication=API_KEYS, when=NOT_NATIVE)
    return [
        Contender("our server, constant", "native", CHECK, by_key, CONSTANT_CHECK),
        tollhouse(ONE_KEY, [keyed, *key_secrets(1)], by_key),
        tollhouse("API key, one of 100,000", [keyed, *key_secrets(100_000)], by_key),
        tollhouse("API key, one of 10,000 AuthConfigs", [keyed, *others, *key_secrets(1)], by_key),
        checked("known token, claim pattern", patternMatching={"patterns": CLAIM}),
        checked("known token, CEL", patternMatching={"patterns": CEL}),
        checked("known token, inline Rego", opa={"rego": REGO}),
        tollhouse("API key, full lane", [full, *key_secrets(1)], by_key),
    ]


def table(shape: Shape, samples: dict[str, list[Sample]]) -> list[str]:
    costs = {name: [sample.cpu_us for sample in taken] for name, taken in samples.items()}
    lines = [f"### Kinds of authorization, {shape}", ""]
    lines += ["| decision | CPU µs per request | × API key | spread |", "|---|---|---|---|"]
    for name, taken in costs.items():
        # Medians of the rounds' ratios: what else the machine does weighs on both of a round.
        ratio = statistics.median(a / b for a, b in zip(taken, costs[ONE_KEY], strict=True))
        noise = spread(samples[name])
        lines.append(f"| {name} | {statistics.median(taken):.1f} | {ratio:.2f} | {noise:.0%} |")
    return [*lines, ""]


def part(lines: list[str], options: argparse.Namespace) -> str:
    day = datetime.now(UTC).date().isoformat()
    how = f"python -m loadtests.authorization --rounds {options.rounds}"
    return f"""## Kinds of authorization

User and system time of the server, with its child processes, per answered request, transport
included; *× API key* is the median of the rounds' ratios to one API key. The tokens (RS256)
were verified by an earlier request. *Full lane* is the same AuthConfig with a top-level condition
that has no native program.

Measured {day} on {os.cpu_count()} CPUs with `{how} --seconds {options.seconds:g}`.

""" + "\n".join(lines)


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one round")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this page")
    options = parser.parse_args(words)
    # Unwinds, so that the servers are stopped.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    issuer = Issuer()
    lines: list[str] = []
    with issuer.listening() as keys_url:
        compared = contenders(keys_url, issuer.token)
        for shape in SHAPES:
            made = table(shape, measure(compared, shape, options.rounds, options.seconds))
            print("\n".join(made), flush=True)
            lines += made
    if options.write:
        write_part(options.write, part(lines, options))


if __name__ == "__main__":
    main(sys.argv[1:])
