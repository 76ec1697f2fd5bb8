"""A call of Check that came another way than over gRPC."""

from dataclasses import dataclass

from _fastpath.rpc import Metadata


@dataclass
class LocalCall:
    """Its Context. With generation 0 the newest configuration decides."""

    mono_ns: int
    wall_ns: int
    peer: str = ""
    metadata: Metadata = ()
    deadline_ns: int | None = None
    generation: int = 0

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        """Nobody sees it."""
