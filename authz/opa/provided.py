"""Built-ins that the embedded engine computes itself, each as OPA's reference describes it.

Arguments and results are JSON values; a set arrives as a list. None of them looks at anything but
its arguments.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus, unquote_to_bytes

from _fastpath.regex import Regex
from authz.opa.errors import Unsupported
from authz.opa.provided_text import (
    format_int,
    glob_match,
    is_semver,
    semver_compare,
    sprintf,
    to_number,
)
from authz.opa.provided_time import clock, date, duration_ns, rfc3339_ns, weekday

MOST_CHARACTERS = 1024 * 1024
MAPPED_BITS = 96  # of an IPv6 address before the IPv4 address inside it
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Function = Callable[..., object]


class Undefined(Exception):
    """The call has no value; what asks for it is undefined too."""


def provide(name: str, arguments: list[object], wall_ns: int) -> object:
    """Raises Undefined, also for arguments of the wrong type, and Unsupported."""
    if name == "time.now_ns":
        return wall_ns
    try:
        return FUNCTIONS[name](*arguments)
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise Undefined(name) from error


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError("expected a string")
    return text.encode()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("expected a string")
    return value


def _read(data: bytes) -> str:
    return data.decode(errors="replace")


def _base64_decode(text: object) -> str:
    return _read(base64.b64decode(_bytes(text), validate=True))


def _base64_is_valid(text: object) -> bool:
    try:
        _base64_decode(text)
    except binascii.Error:
        return False
    return True


def _url_decode(text: object) -> bytes:
    data = _bytes(text).rstrip(b"=")
    if b"+" in data or b"/" in data:
        raise ValueError("not of the URL alphabet")
    return base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)


def _digest(name: str) -> Function:
    return lambda text: hashlib.new(name, _bytes(text), usedforsecurity=False).hexdigest()


def _mac(name: str) -> Function:
    return lambda text, key: hmac.new(_bytes(key), _bytes(text), name).hexdigest()


def _marshal(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _unmarshal(data: str | bytes) -> object:
    return json.loads(data, parse_constant=_no_json)


def _no_json(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _is_json(text: object) -> bool:
    try:
        _unmarshal(_text(text))
    except ValueError:
        return False
    return True


def _jwt_decode(token: object) -> list[object]:
    """[header, payload, signature in hex]; nothing is verified."""
    header, payload, signature = _text(token).split(".")
    return [
        _object(_url_decode(header)),
        _object(_url_decode(payload)),
        _url_decode(signature).hex(),
    ]


def _object(data: bytes) -> Mapping[str, object]:
    value = _unmarshal(data)
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    return value


def _network(text: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if "/" not in _text(text) or "." in _text(text).partition("/")[2]:
        raise ValueError("expected an address and a prefix length")
    network = ipaddress.ip_network(_text(text), strict=False)
    inner = _inner_ipv4(network.network_address)
    if inner is None or network.prefixlen < MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((inner, network.prefixlen - MAPPED_BITS))


def _inner_ipv4(address: Address) -> ipaddress.IPv4Address | None:
    """An IPv4 address inside an IPv6 address counts as what it is, as Go has it."""
    return address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None


def _cidr_contains(cidr: object, other: object) -> bool:
    outer = _network(cidr)
    if "/" in _text(other):
        inner = _network(other)
        if inner.version != outer.version or inner.prefixlen < outer.prefixlen:
            return False
        return inner.network_address in outer
    address = ipaddress.ip_address(_text(other))
    return (_inner_ipv4(address) or address) in outer


def _cidr_is_valid(text: object) -> bool:
    try:
        _network(text)
    except ValueError:
        return False
    return True


def _regex_is_valid(pattern: object) -> bool:
    try:
        Regex(_text(pattern))
    except ValueError:
        return False
    return True


def _unescape(text: object) -> str:
    data = _text(text)
    for at, character in enumerate(data):
        if character == "%":
            int(data[at + 1 : at + 3].ljust(2, "x"), 16)
    return _read(unquote_to_bytes(data.replace("+", " ")))


def _any_number(_: object, most: object) -> int:
    if not isinstance(most, int):
        raise TypeError("expected a whole number")
    return secrets.randbelow(abs(most)) if most else 0


def _each(change: Callable[[str], str], text: object) -> str:
    """Character by character, as Go does: `ß` stays what it is."""
    changed = ((change(one), one) for one in _text(text))
    return "".join(new if len(new) == 1 else old for new, old in changed)


def _list(values: object) -> list[object]:
    if not isinstance(values, list):
        raise TypeError("expected a list")
    return values


def _sorted(values: object) -> list[object]:
    return sorted(_list(values), key=_rank)


def _rank(value: object) -> tuple[int, object]:
    """Rego's order of scalars."""
    if value is None:
        return 0, 0
    if isinstance(value, bool):
        return 1, value
    if isinstance(value, int | float):
        return 2, value
    if isinstance(value, str):
        return 3, value
    raise Unsupported("sort() of arrays or objects")


def _comparison(_: object, __: object) -> object:
    raise Unsupported("order of arrays, objects and sets")


FUNCTIONS: Mapping[str, Function] = {
    "all": lambda values: all(value is True for value in _list(values)),
    "any": lambda values: any(value is True for value in _list(values)),
    "base64.decode": _base64_decode,
    "base64.encode": lambda text: base64.b64encode(_bytes(text)).decode(),
    "base64.is_valid": _base64_is_valid,
    "base64url.decode": lambda text: _read(_url_decode(text)),
    "base64url.encode": lambda text: base64.urlsafe_b64encode(_bytes(text)).decode(),
    "base64url.encode_no_pad": lambda text: (
        base64.urlsafe_b64encode(_bytes(text)).decode().rstrip("=")
    ),
    "comparison": _comparison,
    "crypto.hmac.equal": lambda a, b: hmac.compare_digest(_bytes(a), _bytes(b)),
    "crypto.hmac.md5": _mac("md5"),
    "crypto.hmac.sha1": _mac("sha1"),
    "crypto.hmac.sha256": _mac("sha256"),
    "crypto.hmac.sha512": _mac("sha512"),
    "crypto.md5": _digest("md5"),
    "crypto.sha1": _digest("sha1"),
    "crypto.sha256": _digest("sha256"),
    "format_int": format_int,
    "glob.match": glob_match,
    "hex.decode": lambda text: _read(binascii.unhexlify(_bytes(text))),
    "hex.encode": lambda text: _bytes(text).hex(),
    "io.jwt.decode": _jwt_decode,
    "json.is_valid": _is_json,
    "json.marshal": _marshal,
    "json.unmarshal": lambda text: _unmarshal(_text(text)),
    "lower": lambda text: _each(str.lower, text),
    "max": lambda values: _sorted(values)[-1],
    "min": lambda values: _sorted(values)[0],
    "net.cidr_contains": _cidr_contains,
    "net.cidr_intersects": lambda a, b: _network(a).overlaps(_network(b)),
    "net.cidr_is_valid": _cidr_is_valid,
    "rand.intn": _any_number,
    "re_match": lambda pattern, text: Regex(_text(pattern)).search(_text(text)),
    "regex.is_valid": _regex_is_valid,
    "regex.match": lambda pattern, text: Regex(_text(pattern)).search(_text(text)),
    "semver.compare": semver_compare,
    "semver.is_valid": is_semver,
    "sort": _sorted,
    "sprintf": sprintf,
    "time.clock": clock,
    "time.date": date,
    "time.parse_duration_ns": duration_ns,
    "time.parse_rfc3339_ns": rfc3339_ns,
    "time.weekday": weekday,
    "to_number": to_number,
    "trim_space": lambda text: _text(text).strip(),
    "upper": lambda text: _each(str.upper, text),
    "urlquery.decode": _unescape,
    "urlquery.encode": lambda text: quote_plus(_text(text), safe="~"),
    "uuid.rfc4122": lambda _: str(uuid.uuid4()),
}
