"""A short, repeatable stretch of the fuzz harness."""

from itertools import islice

import pytest

from tests.fuzz.mutation import inputs
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_mutated_message_is_refused_exactly_when_protobuf_refuses(target: Target) -> None:
    for data in islice(inputs(target.seeds(), 20261121), 4000):
        target.run(data)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_length_of_six_bytes_is_refused(target: Target) -> None:
    target.run(bytes.fromhex("0a808080808000"))
