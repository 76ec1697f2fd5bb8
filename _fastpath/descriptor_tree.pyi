"""The descriptors of one domain, compiled for the native lane."""

from collections.abc import Sequence

from _fastpath.cells import Series
from _fastpath.descriptor_spec import DescriptorSpec
from _fastpath.handler import Unit

def descriptor_tree(
    nodes: Sequence[DescriptorSpec], override_digests: Sequence[bytes], series: Series
) -> Unit:
    """Compile a domain's descriptors; `limit_index.limit_set` takes the result as its tree.

    override_digests: of the counters of limits that come with a request, one per RateLimitUnit, 0
    to 7. Registers ("descriptor_limit", statistics, i) in `series` for each of the STATISTICS of
    a limit. Raises ValueError for a digest that is not 16 bytes and numbers out of range.
    """
