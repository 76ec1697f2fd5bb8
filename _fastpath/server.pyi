"""The native gRPC server. Use it from its event loop's thread only."""

from collections.abc import Sequence

from _fastpath.bounds import Bounds
from _fastpath.rpc import Method

class Server:
    def __init__(
        self, methods: Sequence[Method], *, threads: int, bounds: Bounds | None = None
    ) -> None: ...
    def listen(self, address: str) -> str:
        """Bind "HOST:PORT", "[V6]:PORT" or "unix:PATH"; returns the bound address.

        Raises `errors.BindError`.
        """

    def start(self) -> None:
        """Start the I/O threads; call it inside the event loop that runs the Python handlers."""

    async def drain(self, grace_s: float) -> None:
        """Refuse new connections and calls, let running ones finish for `grace_s` seconds, stop."""

    def stop(self) -> None:
        """End at once; calls still open are cut."""

    def stats(self) -> dict[str, int]:
        """Sums over all threads since the start, and the connections open now."""

    def thread_loads(self) -> list[int]:
        """Connections per I/O thread."""
