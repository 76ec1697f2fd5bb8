"""Listen addresses as the command line spells them."""

from dataclasses import dataclass
from typing import Self

from tollhouse.errors import UsageError

UNIX = "unix:"
MAX_UNIX_PATH_BYTES = 107  # sun_path of sockaddr_un, less its closing zero


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address, or a Unix socket when `path` is set.

    host: a name or a literal address, without brackets. port: 0 lets the system choose.
    """

    host: str = ""
    port: int = 0
    path: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read "HOST:PORT", "[V6]:PORT", ":PORT" or "unix:PATH"; None for "none".

        Without a host: all IPv4 interfaces. Raises UsageError.
        """
        if text == "none":
            return None
        if text.startswith(UNIX):
            return cls(path=_unix_path(text))
        host, colon, port = text.rpartition(":")
        if not colon:
            raise UsageError(f"{text!r} has no port: expected HOST:PORT, unix:PATH or none")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise UsageError(f"{text!r}: an IPv6 address stands in brackets, as in [::1]:8081")
        if not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise UsageError(f"{text!r}: the port must be a number from 0 to 65535")
        return cls(host=host or "0.0.0.0", port=int(port))

    def __str__(self) -> str:
        if self.path is not None:
            return f"{UNIX}{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _unix_path(text: str) -> str:
    path = text.removeprefix(UNIX)
    if not path:
        raise UsageError(f"{text!r} has no path: expected unix:PATH")
    if len(path.encode()) > MAX_UNIX_PATH_BYTES:
        raise UsageError(f"{text!r}: a socket path has at most {MAX_UNIX_PATH_BYTES} bytes")
    return path
