"""Carries batches of decisions to Redis and their replies back, whatever the topology.

One task per node sends (`node.py`); here batches are taken from whoever gathers them and their
groups go to the node of their slot. Another task asks the topology anew when a node says that
things have moved, or is lost.
"""

import asyncio
import logging
import os
import random
from contextlib import suppress

from redis.exceptions import AskError, MovedError

from ratelimit.redis.batch import Batches
from ratelimit.redis.fault import Fault, RedisFault
from ratelimit.redis.health import Health
from ratelimit.redis.link import Link
from ratelimit.redis.node import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, Node, Parcel
from ratelimit.redis.settings import Address, RedisSettings, TopologyKind
from ratelimit.redis.topology import Topology, topology

LOG = logging.getLogger(__name__)
MOST_PER_BATCH = 256
"""Decisions. Redis does nothing else meanwhile: about two milliseconds."""
MOST_AT_ONCE = 16
"""Batches taken before other work of the event loop has its turn."""
LONGEST_PAUSE_SECONDS = 0.002
"""How long nodes that have nothing to do let decisions gather because another one is busy."""


class Engine:
    """Between `start` and `stop` on one event loop. Before and after, decisions wait."""

    def __init__(self, settings: RedisSettings, batches: Batches, health: Health) -> None:
        self.health = health
        self._settings = settings
        self._batches = batches
        self.topology: Topology = topology(settings)
        self._cluster = settings.parsed().kind is TopologyKind.CLUSTER
        self._nodes: dict[Address, Node] = {}
        self._tasks: dict[Address, asyncio.Task[None]] = {}
        self._stale = asyncio.Event()
        self._topology_task: asyncio.Task[None] | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._stopped = False

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._stale.set()
        self._topology_task = loop.create_task(self._follow_topology(), name="redis-topology")
        loop.add_reader(self._batches.fileno(), self._arrived)

    async def stop(self) -> None:
        """Fail what is on its way or waits, and close all connections."""
        self._stopped = True
        asyncio.get_running_loop().remove_reader(self._batches.fileno())
        if self._pause is not None:
            self._pause.cancel()
        tasks = [*self._tasks.values()]
        if self._topology_task is not None:
            tasks.append(self._topology_task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def busy(self) -> bool:
        """Whether a node that is up has something to send or to wait for."""
        return any(node.up and not node.idle for node in self._nodes.values())

    def _arrived(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._batches.fileno(), 8)
        if all(node.idle or not node.up for node in self._nodes.values()):
            self._pump()
        elif self._cluster:
            self._pump_later(LONGEST_PAUSE_SECONDS)

    def _pump_later(self, seconds: float) -> None:
        if self._pause is None and not self._stopped:
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(seconds, self._paused)

    def _paused(self) -> None:
        self._pause = None
        self._pump()

    def _pump(self) -> None:
        """Take what waits while a node has nothing to do or is away, which fails it."""
        turns = 0
        while not self._nodes or any(node.idle or not node.up for node in self._nodes.values()):
            turns += 1
            if turns > MOST_AT_ONCE:
                # Callers that ask again as soon as they are failed must not hold the loop.
                self._pump_later(0)
                return
            batch = self._batches.take(MOST_PER_BATCH)
            if batch is None:
                return
            for index in range(len(batch.groups)):
                self._place(Parcel(batch, index))

    def _place(self, parcel: Parcel) -> None:
        address = self.topology.place(parcel.group.tag)
        node = self._nodes.get(address) if address is not None else None
        if node is None:
            parcel.fail(Fault.DOWN)
        else:
            node.offer(parcel)

    def _redirect(self, parcel: Parcel, error: AskError) -> None:
        address = Address(error.host, error.port)
        if isinstance(error, MovedError):
            self.topology.moved(parcel.group.tag, address)
            self._stale.set()
        self._node(address).offer(parcel)

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes[address] = Node(
                lambda: Link(self._settings, address),
                self.health,
                self._settings.timeout_seconds,
                self._pump,
                self._redirect,
                self._stale.set,
            )
            self._tasks[address] = asyncio.get_running_loop().create_task(
                node.run(), name=f"redis-{address}"
            )
        return node

    async def _follow_topology(self) -> None:
        """Asks again when something is stale: one question at a time, ever more slowly."""
        delay = FIRST_DELAY_SECONDS
        name = self._settings.parsed().kind.value
        while True:
            await self._stale.wait()
            self._stale.clear()
            fault = await self._refresh()
            if fault is not None:
                self.health.failed(name, fault)
                self._stale.set()
                delay = min(delay * 2, LONGEST_DELAY_SECONDS)
            else:
                self.health.forget(name)
                delay = FIRST_DELAY_SECONDS
                self._adopt()
            self._pump()
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))

    async def _refresh(self) -> RedisFault | None:
        """Returns what went wrong."""
        try:
            await self.topology.refresh()
        except RedisFault as fault:
            return fault
        except Exception as error:
            LOG.exception("Redis: a defect; asking the topology again")
            return RedisFault(Fault.CONNECTION, type(error).__name__)
        return None

    def _adopt(self) -> None:
        masters = set(self.topology.masters)
        for address in masters:
            self._node(address)
        for address in set(self._nodes) - masters:
            del self._nodes[address]
            self._tasks.pop(address).cancel()
