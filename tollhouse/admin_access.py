"""Who may see and change counters over HTTP: whoever brings the admin token."""

import asyncio
import hashlib
import hmac
import logging
from pathlib import Path

from aiohttp import web

from tollhouse.errors import StartError

logger = logging.getLogger(__name__)

MOST_BYTES = 4096  # of a token file


class AdminAccess:
    """Checks `Authorization: Bearer`. The file beats the text.

    The file is read for every request, so a new token counts at once; while it cannot be read,
    nobody is let in. Without a token counters may be seen by everybody and changed by nobody.
    """

    def __init__(self, token_file: Path | None, token: str | None) -> None:
        """Raises StartError when the file cannot be used."""
        self._file = token_file
        self._token = token
        if token_file is not None:
            try:
                read_token(token_file)
            except ValueError as error:
                raise StartError(f"{token_file}: no admin token: {error}") from error

    async def __call__(self, request: web.Request, *, changes: bool) -> None:
        """Raises 401 without the token, and 403 for a change where none is configured."""
        if self._file is None and self._token is None:
            if changes:
                raise web.HTTPForbidden(
                    text="counters are changed with an admin token only; this server was started"
                    " without --admin-token-file"
                )
            return
        token = await self._current()
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if token is None or scheme.lower() != "bearer" or not _equal(given.strip(), token):
            raise web.HTTPUnauthorized(
                text="this needs the admin token",
                headers={"WWW-Authenticate": 'Bearer realm="tollhouse"'},
            )

    async def _current(self) -> str | None:
        if self._file is None:
            return self._token
        try:
            return await asyncio.to_thread(read_token, self._file)
        except ValueError as error:
            logger.error("%s: no admin token: %s", self._file, error)
            return None


def read_token(path: Path) -> str:
    """The text of a token file without the space around it. Raises ValueError."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise ValueError(f"longer than {MOST_BYTES} bytes")
    try:
        token = data.decode("ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        raise ValueError("expected one line of printable ASCII text without spaces")
    return token


def _equal(given: str, token: str) -> bool:
    """In a time that tells neither how much agrees nor how long the token is."""
    return hmac.compare_digest(_digest(given), _digest(token))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
