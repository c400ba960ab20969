"""What a step looks like as records: which topics, how large, cut into batches; and the form of a dead letter."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from aiokafka.producer.message_accumulator import BatchBuilder  # type: ignore[import-untyped]

from csstream.core.engine import DeadLetter

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


class Output(NamedTuple):
    """One record to be sent."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()

    def size(self) -> int:
        """Bytes that it takes in a batch, at most."""
        size = len(self.key or b"") + len(self.value or b"") + RECORD_OVERHEAD
        for name, value in self.headers:
            size += len(name) * 3 + len(value or b"") + _HEADER_OVERHEAD
        return size


def filled(records: Sequence[Output], limit: int) -> Iterator[tuple[BatchBuilder, Sequence[Output]]]:
    """The records in order as batches, each with what it holds; none is larger than `limit` unless one record is."""
    start = 0
    while start < len(records):
        builder = BatchBuilder(limit, 0, is_transactional=True, key_serializer=None, value_serializer=None)
        end = start
        for key, value, headers in islice(records, start, None):
            if builder.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
                break
            end += 1
        builder.close()
        yield builder, records[start:end]
        start = end


def dead_letter(letter: DeadLetter, limit: int) -> Output:
    """A dead letter as a record of at most `limit` bytes (SPEC 1): the original, with what is wrong in headers.

    What is too large is cut: `cs-truncated` then says how many bytes the value had, `cs-sha256` what it was.
    """
    record = letter.record
    told: list[tuple[str, bytes | None]] = [
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
