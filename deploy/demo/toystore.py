"""The sample upstream: a toy shop that knows nothing of keys, roles or limits."""

import argparse

from aiohttp import web

TOYS = ("robot", "kite", "yo-yo")


async def about(request: web.Request) -> web.Response:
    return web.json_response({"shop": "toystore", "open": True})


async def toys(request: web.Request) -> web.Response:
    return web.json_response({"toys": TOYS, "user": request.headers.get("x-toystore-user")})


async def stock(request: web.Request) -> web.Response:
    return web.json_response({toy: 10 * len(toy) for toy in TOYS})


def application() -> web.Application:
    app = web.Application()
    app.add_routes(
        [web.get("/about", about), web.route("*", "/toys", toys), web.get("/stock", stock)]
    )
    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=18080)
    web.run_app(
        application(), host="127.0.0.1", port=parser.parse_args().port, print=None, access_log=None
    )


if __name__ == "__main__":
    main()
