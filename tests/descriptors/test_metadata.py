"""Dynamic metadata of answers."""

from google.protobuf import json_format

from ratelimit.descriptors.metadata import merged
from ratelimit.descriptors.options import DescriptorOptions
from tests.descriptors.host import Host, Response, descriptor

TREE = """\
domain: d
descriptors:
- key: a
  detailed_metric: true
  metadata: {m: one, deep: {x: 1}}
  rate_limit: &five {unit: hour, requests_per_unit: 5}
- key: v
  value_to_metric: true
  descriptors:
  - {key: w, metadata: {m: two, deep: {y: 2}}, rate_limit: *five}
"""


def told(response: Response) -> dict[str, object]:
    return json_format.MessageToDict(response.dynamic_metadata)


def host() -> Host:
    made = Host(True, DescriptorOptions(metadata=True))
    made.load(TREE)
    return made


def test_metadata_is_kept_whatever_the_statistics_are_called() -> None:
    """The original loses it here (recorded as a defect)."""
    assert told(host().should("d", descriptor({"a": "x"})))["metadata"] == {
        "m": "one",
        "deep": {"x": 1},
    }
    assert told(host().should("d", descriptor({"v": "x", "w": "y"})))["metadata"] == {
        "m": "two",
        "deep": {"y": 2},
    }


def test_one_answer_leaves_nothing_for_the_next() -> None:
    """The original merges into the configuration itself."""
    one = host()
    both = told(one.should("d", descriptor({"a": "x"}), descriptor({"v": "x", "w": "y"})))
    assert both["metadata"] == {"m": "one", "deep": {"x": 1, "y": 2}}
    again = told(one.should("d", descriptor({"a": "x"})))
    assert again["metadata"] == {"m": "one", "deep": {"x": 1}}


def test_what_was_asked_is_told() -> None:
    response = host().should("d", descriptor({"k": "x", "l": ""}, hits=0, limit=(7, "DAY")), hits=3)
    assert told(response) == {
        "domain": "d",
        "hitsAddend": 3,
        "descriptors": [
            {"entries": ["k=x", "l="], "hitsAddend": 0, "limit": "requests_per_unit:7 unit:DAY"}
        ],
    }


def test_merging_keeps_what_came_first() -> None:
    assert merged({"a": 1, "b": {"c": 1}}, {"a": {"d": 2}, "b": {"c": 2, "e": 3}, "f": 4}) == {
        "a": 1,
        "b": {"c": 1, "e": 3},
        "f": 4,
    }
