"""Where a shop's records belong (SPEC 1): a record elsewhere would split the shop's story between two workers.

Producers choose the partition from the key, and not all of them in the same way: the Java client and aiokafka hash
with murmur2, librdkafka with CRC-32 unless told otherwise. What was chosen is checked here, once for each shop that
is new to a partition.
"""

import zlib
from collections.abc import Callable
from functools import lru_cache

from aiokafka.partitioner import murmur2  # type: ignore[import-untyped]

_HASHES: dict[str, Callable[[bytes], int]] = {
    "murmur2": lambda key: murmur2(key) & 0x7FFF_FFFF,
    "crc32": zlib.crc32,
}

PARTITIONERS = (*_HASHES, "any")
"""What the setting may be; `any` is not checked."""


def place(partitioner: str, shop: str, partitions: int) -> int:
    """The partition of a shop's records where producers hash so."""
    return _HASHES[partitioner](shop.encode()) % partitions


def misplaced(partitioner: str, partition: int, partitions: int) -> Callable[[str], str | None] | None:
    """Says of a shop why its records do not belong in a partition, None if they do; None where it is not checked."""
    if partitioner == "any":
        return None

    @lru_cache(4_096)
    def wrong(shop: str) -> str | None:
        right = place(partitioner, shop, partitions)
        if right == partition:
            return None
        return (
            f"the records of this shop belong in partition {right} by {partitioner} of the key, not in {partition}; "
            "give its producers the shop as the key and this partitioner (librdkafka: partitioner=murmur2), or "
            "choose theirs in the setting `partitioner` (murmur2, crc32, any)"
        )

    return wrong
