"""What tests of this folder share."""

import pytest

from tests.authz.lanes import Lanes


@pytest.fixture
def lanes() -> Lanes:
    """Both lanes with the keys of alice, who is gold, and of bob."""
    lanes = Lanes()
    lanes.secret("alice", tier="gold")
    lanes.secret("bob")
    return lanes
