"""TLS of an HTTP listener: a certificate that is read again when its files change."""

import asyncio
import logging
import ssl
from collections.abc import Sequence

from tollhouse.errors import StartError
from tollhouse.settings import TlsFiles

logger = logging.getLogger(__name__)


class ServerTls:
    """A source of configuration, see reloading.Source. `context` is for the listener.

    TLS 1.2 and later. With client CAs a peer may show a certificate of theirs or none; any other
    ends its handshake.
    """

    def __init__(self, files: TlsFiles, alpn: Sequence[str] = ("http/1.1",)) -> None:
        """alpn: protocols that are offered, the best first (RFC 7301)."""
        self._files = files
        self._alpn = list(alpn)
        self.paths = files.paths
        self._read: list[bytes] = []
        self._current = self.context = _made(files, self._alpn)
        # A context forgets no CA, so each handshake is handed the one of the newest files.
        self.context.sni_callback = self._hand_over

    async def start(self) -> None:
        """Raises StartError."""
        try:
            await asyncio.to_thread(self._load)
        except (OSError, ValueError) as error:
            raise StartError(f"{self._files.certificate}: {_reason(error)}") from error

    async def refresh(self) -> None:
        """New connections get what is in the files now, or still what was, if that is unusable."""
        try:
            if await asyncio.to_thread(self._load):
                logger.info("%s: taken over", self._files.certificate)
        except (OSError, ValueError) as error:
            logger.error("%s: not taken over: %s", self._files.certificate, _reason(error))

    def _load(self) -> bool:
        """Whether the files were different from what was read before."""
        read = [path.read_bytes() for path in self.paths]
        if read == self._read:
            return False
        context = _made(self._files, self._alpn)
        # No password: OpenSSL would ask for one on the terminal.
        context.load_cert_chain(self._files.certificate, self._files.key, password=lambda: b"")
        if self._files.client_ca is not None:
            context.load_verify_locations(self._files.client_ca)
        self._current, self._read = context, read
        return True

    def _hand_over(self, peer: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        peer.context = self._current


def _made(files: TlsFiles, alpn: list[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(alpn)
    # A resumed session would keep a certificate whose CA is gone.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    if files.client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return "the certificate, its key or the client CAs are no PEM that goes together"
    return getattr(error, "strerror", None) or str(error)
