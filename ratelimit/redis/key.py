"""The Redis key of a counter: which slot it lives in, and whose it is."""

import struct
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from _fastpath.counters import counter_key
from _fastpath.limit_spec import namespace_tag

PREFIX = b"th:{"
_MASK = 2**64 - 1


class HashTag(Enum):
    """What of a key decides its slot in a Cluster."""

    NAMESPACE = "namespace"
    """All counters of a domain share a slot, so that every decision is one atomic step."""
    KEY = "key"
    """Each counter has its own; a decision over several counters is several steps."""


class RedisKey(NamedTuple):
    """tag: the hash tag. text: the key as Redis knows it, the tag included."""

    tag: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class KeyParts:
    """Whose counter a key is. values: as kept, long ones with their digest."""

    limit_digest: bytes
    values: tuple[str, ...]


def redis_key(
    namespace: str, limit_digest: bytes, values: tuple[str, ...], hash_tag: HashTag
) -> RedisKey:
    packed = counter_key(limit_digest, values)[len(limit_digest) :]
    tag = namespace_tag(namespace)
    if hash_tag is HashTag.KEY:
        tag += b".%016x" % siphash(limit_digest + packed)
    return RedisKey(tag, PREFIX + tag + b"}:" + limit_digest.hex().encode() + b":" + packed)


def key_parts(text: bytes) -> KeyParts | None:
    """None for a key that is no counter of ours."""
    end = text.find(b"}:", len(PREFIX))
    if not text.startswith(PREFIX) or end < 0:
        return None
    digits, packed = text[end + 2 : end + 34], text[end + 35 :]
    try:
        limit_digest = bytes.fromhex(digits.decode())
        values = _values(packed)
    except (ValueError, struct.error):
        return None
    if len(limit_digest) != 16 or text[end + 34 : end + 35] != b":":
        return None
    return KeyParts(limit_digest, values)


def _values(packed: bytes) -> tuple[str, ...]:
    values = []
    at = 0
    while at < len(packed):
        (size,) = struct.unpack_from("<I", packed, at)
        if at + 4 + size > len(packed):
            raise ValueError("a value is cut off")
        values.append(packed[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return tuple(values)


def siphash(data: bytes) -> int:
    """SipHash-1-3 as `_fastpath/siphash.hpp`, with the key 0 that all processes share."""
    state = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]
    whole = len(data) // 8 * 8
    for (word,) in struct.iter_unpack("<Q", data[:whole]):
        _absorb(state, word)
    _absorb(state, int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    state[2] ^= 0xFF
    for _ in range(3):
        _round(state)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _absorb(state: list[int], word: int) -> None:
    state[3] ^= word
    _round(state)
    state[0] ^= word


def _round(state: list[int]) -> None:
    a, b, c, d = state
    a = (a + b) & _MASK
    b = _rotate(b, 13) ^ a
    a = _rotate(a, 32)
    c = (c + d) & _MASK
    d = _rotate(d, 16) ^ c
    a = (a + d) & _MASK
    d = _rotate(d, 21) ^ a
    c = (c + b) & _MASK
    b = _rotate(b, 17) ^ c
    c = _rotate(c, 32)
    state[:] = a, b, c, d


def _rotate(x: int, by: int) -> int:
    return (x << by | x >> (64 - by)) & _MASK
