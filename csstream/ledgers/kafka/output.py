"""What a step looks like as records: which topics, how large, cut into batches; and the form of a dead letter."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from operator import attrgetter
from time import time_ns
from typing import Any, NamedTuple, TypeAlias

from aiokafka.producer.message_accumulator import BatchBuilder  # type: ignore[import-untyped]

from csstream.core.alert import Alert
from csstream.core.engine import DeadLetter
from csstream.core.facts import AnyFact

BATCH_OVERHEAD = 61
RECORD_OVERHEAD = 40
LARGEST_BYTES = 1_048_588
"""Largest record batch of a topic where nothing else is set (Kafka's own default)."""

_HEADER_OVERHEAD = 10

ERROR_BYTES = 8_192
"""Most of a dead letter's error text."""


@dataclass(frozen=True)
class Outputs:
    """The topics of a step; None where the driver has no such output."""

    tables: str = "cs.tables"
    facts: str | None = "cs.facts"
    alerts: str | None = "cs.alerts"
    dead_letters: str | None = "cs.dead-letters"
    scoreboard: str | None = None

    def names(self) -> list[str]:
        """Those that there are."""
        all_ = (self.tables, self.facts, self.alerts, self.dead_letters, self.scoreboard)
        return [name for name in all_ if name]


Headers: TypeAlias = list[tuple[str, bytes | None]]

PLAIN: Headers = []
"""The headers of most records."""


class Output(NamedTuple):
    """One record to be sent; any such triple is one."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    def size(self) -> int:
        """Bytes that it takes in a batch, at most."""
        size = len(self.key or b"") + len(self.value or b"") + RECORD_OVERHEAD
        for name, value in self.headers:
            size += len(name) * 3 + len(value or b"") + _HEADER_OVERHEAD
        return size


Records: TypeAlias = Iterable[tuple[bytes | None, bytes | None, Headers]]
"""What goes to one topic, in order. It is made while it is put into batches: thousands of records that are made first
have left the processor's cache when they are wanted."""


def plain(rows: Mapping[bytes, bytes | None]) -> Records:
    """Rows or documents as records."""
    return zip(rows.keys(), rows.values(), repeat(PLAIN))


def of_shops(
    found: Sequence[AnyFact] | Sequence[Alert], encode: Callable[[Any], bytes], last: Headers
) -> Records:
    """Facts or alerts as records, with the shop as key; the last one has headers."""
    shops = map(str.encode, map(attrgetter("shop"), found))
    return zip(shops, map(encode, found), chain(repeat(PLAIN, len(found) - 1), (last,)), strict=True)


class Batch(BatchBuilder):  # type: ignore[misc]
    """As many records as fit into `limit` bytes, and one at least, to be sent at once; what did not fit is `left`.

    The client's own way to fill a batch takes a call in Python, and the time of day, for each record.
    """

    def __init__(self, records: Records, limit: int) -> None:
        super().__init__(limit, 0, is_transactional=True, key_serializer=None, value_serializer=None)
        append, now_ms = self._builder.append, time_ns() // 1_000_000
        self.left: list[tuple[bytes | None, bytes | None, Headers]] = []
        number = 0
        for key, value, headers in records:
            if append(number, now_ms, key, value, headers) is None:
                self.left.append((key, value, headers))
                break
            number += 1
        self._relative_offset = number
        self.close()


def batches(records: Records, limit: int) -> Iterator[Batch]:
    """The records in order as batches; none is larger than `limit` unless one record is."""
    rest = iter(records)
    left = [*islice(rest, 1)]
    while left:
        batch = Batch(chain(left, rest), limit)
        yield batch
        left = batch.left


def dead_letter(letter: DeadLetter, limit: int) -> Output:
    """A dead letter as a record of at most `limit` bytes (SPEC 1): the original, with what is wrong in headers.

    What is too large is cut: `cs-truncated` then says how many bytes the value had, `cs-sha256` what it was.
    """
    record = letter.record
    told: Headers = [
        ("cs-reason", letter.reason.encode()),
        (
            "cs-error",
            letter.error.encode("utf-8", "replace")[:ERROR_BYTES].decode("utf-8", "ignore").encode(),
        ),
        ("cs-topic", record.topic.encode()),
        ("cs-partition", str(record.partition).encode()),
        ("cs-offset", str(record.offset).encode()),
    ]
    whole = Output(record.key, record.value, [*record.headers, *told])
    if whole.size() <= limit:
        return whole
    told += [
        ("cs-truncated", str(len(record.value)).encode()),
        ("cs-sha256", hashlib.sha256(record.value).hexdigest().encode()),
    ]
    headers = [*record.headers, *told]
    if Output(record.key, b"", headers).size() > limit // 2:
        headers = told
    key = record.key
    if key is not None and Output(key, b"", headers).size() > limit:
        key = key[: max(0, limit - Output(None, b"", headers).size())]
    room = limit - Output(key, b"", headers).size()
    return Output(key, record.value[: max(0, room)], headers)
