"""Where a gRPC server is; apart from what calls it, which needs grpcio."""

import re
from dataclasses import dataclass

from yarl import URL

DEFAULT_PORT = 443
_ENDPOINT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """insecure: without TLS."""

    host: str
    port: int
    insecure: bool

    @classmethod
    def of(cls, text: str, insecure: bool) -> "Endpoint":
        """Out of `host:port`, IPv6 in brackets. Raises ValueError."""
        found = _ENDPOINT.fullmatch(text)
        port = int((found and found[2]) or DEFAULT_PORT)
        if found is None or not 0 < port < 1 << 16:
            raise ValueError("expected host:port")
        return cls(found[1].strip("[]"), port, insecure)

    @property
    def url(self) -> URL:
        scheme = "grpc" if self.insecure else "grpcs"
        return URL.build(scheme=scheme, host=self.host, port=self.port)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
