"""Our own server with a constant answer, no decision behind it: PORT THREADS ANSWER_HEX."""

import asyncio
import sys

from _fastpath.constant import ConstantAnswer
from _fastpath.rpc import Context, UnaryMethod
from _fastpath.server import Server
from loadtests.paths import CHECK, RLS


async def never(request: bytes, context: Context) -> bytes:
    raise AssertionError("the native handler answers everything")


async def main(port: int, threads: int, answer: bytes) -> None:
    native = ConstantAnswer(answer, threads)
    methods = [UnaryMethod(path, never, native) for path in (RLS, CHECK)]
    server = Server(methods, threads=threads)
    server.listen(f"127.0.0.1:{port}")
    server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])))
