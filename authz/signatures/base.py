"""The signature base: the text that is signed, made of the request (RFC 9421 section 2.5)."""

from collections.abc import Callable, Mapping

from authz.signatures.fields import SignatureInput

DEFAULT_PORTS = {"http": ":80", "https": ":443"}
Request = Mapping[str, object]


def signature_base(covered: SignatureInput, request: Request) -> bytes:
    """`request`: that of the authorization document. Raises ValueError for a component that the
    request does not have, or that is not known."""
    lines = [f'"{name}": {component(name, request)}' for name in covered.components]
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("a component has a line break")
    lines.append(f'"@signature-params": {covered.text}')
    return "\n".join(lines).encode()


def component(name: str, request: Request) -> str:
    """The value of a header, or of what `@name` derives from the request. Raises ValueError."""
    if name.startswith("@"):
        if name not in _DERIVED:
            raise ValueError("is not known")
        return _DERIVED[name](request)
    headers = request.get("headers")
    value = headers.get(name) if isinstance(headers, dict) else None
    if value is None and name == "host":
        value = request.get("host")
    if not isinstance(value, str):
        raise ValueError("is not there")
    return value.strip(" \t")


def _text(request: Request, name: str) -> str:
    value = request.get(name)
    return value if isinstance(value, str) else ""


def _scheme(request: Request) -> str:
    return _text(request, "scheme").lower()


def _authority(request: Request) -> str:
    """In lower case, without the port that goes without saying (RFC 9421 section 2.2.3)."""
    return _text(request, "host").lower().removesuffix(DEFAULT_PORTS.get(_scheme(request), ":"))


def _target(request: Request) -> str:
    """The path with its query, as the proxy received it."""
    return _text(request, "path").partition("#")[0]


def _path(request: Request) -> str:
    return _target(request).partition("?")[0] or "/"


def _query(request: Request) -> str:
    return "?" + _target(request).partition("?")[2]


_DERIVED: Mapping[str, Callable[[Request], str]] = {
    "@method": lambda request: _text(request, "method"),
    "@authority": _authority,
    "@scheme": _scheme,
    "@target-uri": lambda request: f"{_scheme(request)}://{_authority(request)}{_target(request)}",
    "@request-target": _target,
    "@path": _path,
    "@query": _query,
}
KNOWN = frozenset(_DERIVED)
