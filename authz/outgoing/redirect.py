"""Where a redirect leads, and what goes along."""

from dataclasses import dataclass, field
from urllib.parse import urljoin

from multidict import CIMultiDict
from yarl import URL

from authz.outgoing.errors import BadRequest, RedirectRefused
from authz.outgoing.message import OutgoingResponse
from authz.outgoing.url import checked_url

_REDIRECTS = (301, 302, 303, 307, 308)
_HARMLESS = frozenset({"accept", "accept-encoding", "content-type"})


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of a call."""

    method: str
    url: URL = field(repr=False)
    headers: CIMultiDict[str] = field(repr=False)
    body: bytes | None = field(repr=False)


def next_hop(hop: Hop, response: OutgoingResponse, left: int) -> Hop | None:
    """The request that a redirect asks for (RFC 9110 §15.4), or None when it asks for none.

    Another origin gets nothing but what describes the body: any other header may be a credential.
    Raises RedirectRefused with none `left` or from https to http, and BadRequest.
    """
    location = response.headers.get("location")
    if response.status not in _REDIRECTS or not location:
        return None
    if left <= 0:
        raise RedirectRefused
    url = _target(hop.url, location)
    if hop.url.scheme == "https" and url.scheme != "https":
        raise RedirectRefused
    headers = CIMultiDict(hop.headers)
    if url.origin() != hop.url.origin():
        headers = CIMultiDict(
            (name, value) for name, value in headers.items() if name.lower() in _HARMLESS
        )
    if hop.body is None:
        headers.pop("Content-Type", None)  # GETs of metadata have one all the same
    if response.status in (307, 308) or hop.method in ("GET", "HEAD"):
        return Hop(hop.method, url, headers, hop.body)
    headers.pop("Content-Type", None)
    return Hop("GET", url, headers, None)


def _target(url: URL, location: str) -> URL:
    try:
        return checked_url(urljoin(str(url.with_user(None)), location)).with_user(None)
    except ValueError as error:
        raise BadRequest("the URL is not valid") from error
