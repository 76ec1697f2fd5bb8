"""URLs that policy authors and, through placeholders, callers have written."""

import re
from urllib.parse import quote

from yarl import URL

from authz.outgoing.errors import BadRequest

MOST_CHARACTERS = 2048
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PARTS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)"
    r"(?P<query>\?[^#]*)?(?:#.*)?",
    re.DOTALL,
)
_AUTHORITY = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:%-]*@)?[^@/\\\s%<>\"{}|^`]+")
_KEPT = "%/:@!$&'()*+,;=~[]?"  # what a path or query may hold as it is, RFC 3986 §3.3 and §3.4


def checked_url(text: str) -> URL:
    """An http or https URL to be sent as it stands, but for characters that have to be escaped.

    Dot segments and double slashes stay, the fragment goes. Raises BadRequest.
    """
    if len(text) > MOST_CHARACTERS:
        raise BadRequest(f"the URL is longer than {MOST_CHARACTERS} characters")
    if _CONTROL.search(text):
        raise BadRequest("the URL has a control character")
    parts = _PARTS.fullmatch(text)
    if parts is None or parts["scheme"].lower() not in ("http", "https"):
        raise BadRequest("the URL does not begin with http:// or https://")
    if not _AUTHORITY.fullmatch(parts["authority"]):
        raise BadRequest("the URL has no valid host")
    if _BAD_ESCAPE.search(parts["path"]):
        raise BadRequest("the URL has an escape that is none")
    try:
        path = quote(parts["path"] or "/", safe=_KEPT)
        query = quote(parts["query"] or "", safe=_KEPT)
        base = URL(f"{parts['scheme']}://{parts['authority']}/")
        url = URL(f"{str(base)[:-1]}{path}{query}", encoded=True)
        host, port = url.raw_host, url.port
    except ValueError as error:  # a UnicodeError too
        raise BadRequest("the URL is not valid") from error
    if not host or not port:
        raise BadRequest("the URL has no valid host")
    return url
