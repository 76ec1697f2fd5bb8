from typing import Literal

class Unit: ...

class NativeHandler:
    def __call__(
        self, request: bytes, mono_ns: int, wall_ns: int
    ) -> tuple[Literal["answer", "deferred", "suspended"], bytes, int, str, int]: ...
    async def decide(
        self, request: bytes, mono_ns: int, wall_ns: int
    ) -> tuple[Literal["answer", "deferred"], bytes, int, str, int]: ...
