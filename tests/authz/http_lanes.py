"""Checks that call out: the full lane on the test's own event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import yaml

from tests.authz.lanes import Answer, Clocks, Lanes, check_request, parse


class CallingLanes(Lanes):
    def configure(self, spec: str, extensions: str = "", name: str = "toys") -> list[str]:
        """Put an AuthConfig (host toys.com unless given) written in YAML; gives its faults."""
        document: dict[str, Any] = {"spec": {"hosts": ["toys.com"], **yaml.safe_load(spec)}}
        if extensions:
            annotations = {"tollhouse.io/extensions": extensions}
            document["metadata"] = {"name": name, "annotations": annotations}
        faults = self.configuration.put_auth_config("shop", name, document)
        self.publish()
        return [str(fault) for fault in faults]

    async def call(self, path: str = "/toys", **headers: str) -> Answer:
        return await self.check(check_request(path, **headers).SerializeToString())

    async def check(self, data: bytes, deadline_ns: int | None = None) -> Answer:
        clocks = Clocks(generation=self.generation, deadline_ns=deadline_ns)
        return parse(await self.service.check(data, clocks), native=False)

    def secret_data(self, name: str, **data: str) -> None:
        """A Secret that entries refer to by name."""
        document = {"metadata": {"name": name}, "stringData": data}
        self.configuration.put_secret("shop", name, document)
        self.publish()


@asynccontextmanager
async def calling_lanes() -> AsyncIterator[CallingLanes]:
    lanes = CallingLanes()
    try:
        yield lanes
    finally:
        await lanes.services.close()
