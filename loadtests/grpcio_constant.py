"""A grpc.aio server that answers every unary call with the same bytes: PORT ANSWER_HEX."""

from __future__ import annotations

import asyncio
import sys

import grpc


class Constant(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    def __init__(self, answer: bytes) -> None:
        async def reply(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            return answer

        self.handler = grpc.unary_unary_rpc_method_handler(reply)

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return self.handler


async def main(port: int, answer: bytes) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Constant(answer),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), bytes.fromhex(sys.argv[2])))
