"""Keys: whose they are can be read from them, and what is no key of ours is told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from _fastpath.counters import counter_key
from ratelimit.redis.key import HashTag, KeyParts, key_parts, redis_key, siphash

LIMIT = b"sixteen-bytes-id"
VALUES = st.lists(st.text(max_size=20), max_size=4).map(tuple)


@given(namespace=st.text(), values=VALUES, hash_tag=st.sampled_from(HashTag))
def test_key_tells_whose_it_is(namespace: str, values: tuple[str, ...], hash_tag: HashTag) -> None:
    key = redis_key(namespace, LIMIT, values, hash_tag)
    assert key_parts(key.text) == KeyParts(LIMIT, values)
    assert key_slot(key.text) == key_slot(key.tag)


def test_long_value_is_cut_as_in_memory() -> None:
    key = redis_key("n", LIMIT, ("ä" * 5000,), HashTag.NAMESPACE)
    assert key.text.endswith(counter_key(LIMIT, ("ä" * 5000,))[16:])
    assert len(key.text) < 1200
    assert redis_key("n", LIMIT, ("ä" * 5001,), HashTag.NAMESPACE) != key


def test_tag_of_a_key_is_its_own() -> None:
    one, other = (redis_key("n", LIMIT, (value,), HashTag.KEY) for value in ("a", "b"))
    assert one.tag != other.tag
    assert one.tag[:16] == other.tag[:16]


def test_siphash_gives_the_known_answer() -> None:
    # SipHash-1-3 of nothing and of 0 … 14, with key 0, from the C++ of _fastpath/siphash.hpp.
    assert siphash(b"") == 0xD1FBA762150C532C
    assert len({siphash(bytes(range(n))) for n in range(64)}) == 64


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"th:{",
        b"other",
        b"th:{0123456789abcdef}:",
        b"th:{0123456789abcdef}:" + b"0" * 31,
        b"th:{0123456789abcdef}:" + b"g" * 32 + b":",
        b"th:{0123456789abcdef}:" + b"0" * 32 + b":\xff\xff\xff\xff",
        b"th:{0123456789abcdef}:" + b"0" * 32 + b":\x01\x00\x00\x00\xff",
        b"th:{0123456789abcdef}:" + b"0" * 32 + b":\x01",
        b"th:r:0b2f",
    ],
)
def test_foreign_key_is_told_apart(text: bytes) -> None:
    assert key_parts(text) is None
