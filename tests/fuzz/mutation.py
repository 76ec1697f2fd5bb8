"""Deterministic mutation of protobuf messages: the same seed number gives the same inputs."""

import random
from collections.abc import Iterator, Sequence

MAX_SIZE = 64 * 1024
# Varints at the edges of their types, an overlong one and one that never ends.
VARINTS = (
    b"\x00",
    b"\x7f",
    b"\x80\x01",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x08",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
    b"\xff" * 11,
)
TEXTS = (b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbf\xbd", b"\x00", b"%zz", b"*")


def mutate(message: bytes, others: Sequence[bytes], dice: random.Random) -> bytes:
    """One to eight random edits; mostly one, so that many messages still parse."""
    data = bytearray(message)
    for _ in range(dice.choice((1, 1, 1, 1, 2, 2, 3, 8))):
        edit(data, others, dice)
    return bytes(data[:MAX_SIZE])


def edit(data: bytearray, others: Sequence[bytes], dice: random.Random) -> None:
    at = dice.randrange(len(data) + 1)
    end = min(len(data), at + dice.choice((1, 2, 4, 8, 32, 256)))
    match dice.randrange(9):
        case 0 if at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        case 1 if at < len(data):
            data[at] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = data[at:end] * dice.choice((1, 2, 50))
        case 4:
            data[at:at] = dice.choice(VARINTS)
        case 5:
            data[at : at + 1] = dice.choice(VARINTS)
        case 6:
            data[at:at] = dice.choice(TEXTS)
        case 7:
            other = dice.choice(others)
            start = dice.randrange(len(other) + 1)
            data[at:end] = other[start : start + dice.choice((4, 16, 64, 512))]
        case _:
            del data[at:]


def inputs(seeds: Sequence[bytes], number: int) -> Iterator[bytes]:
    """The seeds themselves, then mutations without end."""
    dice = random.Random(number)
    yield from seeds
    while True:
        yield mutate(dice.choice(seeds), seeds, dice)
