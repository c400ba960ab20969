"""Records handed on a batch at a time in the form that their reader wants, and whatever their headers are called.

The client walks over every record that was fetched, and makes a `ConsumerRecord` of each, field by field; where records
come by the hundred thousand that is most of what reading them costs. So whoever imports this has the client take a whole
*batch* for one record. What it decides for batches stays its own (checksums, what was aborted, markers, positions);
what is done for each record is done here, by the interpreter's own loops.

Names of headers are text in Kafka's protocol, but nobody checks that: a producer may write any bytes. The client cannot
read such a record, nor go past it, and one would stop its partition for ever. So a batch that cannot be read is read
once more, with the client's slower parser and names in which U+FFFD stands for what is no text.
"""

import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from aiokafka.errors import CorruptRecordException  # type: ignore[import-untyped]
from aiokafka.record.default_records import _DefaultRecordBatchPy  # type: ignore[import-untyped]

_LENGTH = struct.Struct(">8xi")
"""Every batch of every version begins with its offset, and the bytes that follow."""


Form = Callable[[TopicPartition, list[Any]], list[Any]]
"""Makes of a place, and of records that were fetched there, what is handed on: one for each, with its `offset`."""


def hand_on(reader: AIOKafkaConsumer, form: Form) -> None:
    """Have a reader that was started hand records on as `form` makes them of what was fetched.

    That has `offset`, `timestamp`, `key`, `value` and `headers`.
    """
    fetching = reader._fetcher
    fetch = fetching._proc_fetch_request

    async def fetch_so(*asked: Any) -> Any:
        answer = await fetch(*asked)
        for found in fetching._records.values():
            records = getattr(found, "_partition_records", None)
            if isinstance(records, _Records):
                records.form = form
        return answer

    fetching._proc_fetch_request = fetch_so


def as_it_is(_: TopicPartition, records: list[Any]) -> list[Any]:
    """What was fetched."""
    return records


class _Text(bytearray):
    """Bytes in which every name can be read."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Text(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:  # noqa: ARG002
        return super().decode(encoding, "replace")


class _Again(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A batch that could not be read, read once more."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: bytearray = _Text(self._buffer)


class _Batch:
    """A batch, and the only record of it that the client sees: itself, at the offset of the last one."""

    def __init__(self, batch: Any, content: memoryview) -> None:
        self._batch = batch
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)  # of markers the client wants the record indeed

    def __iter__(self) -> "Iterator[_Batch]":
        try:
            self.records = list(self._batch)
        except (UnicodeDecodeError, CorruptRecordException):
            if self._batch.producer_id is None:
                raise  # of a version that has no headers
            self.records = list(_Again(self._content))
        if self.records:
            self.offset: int = self.records[-1].offset
            yield self


class _Fetched(fetcher.MemoryRecords):  # type: ignore[misc]
    """The batches that were fetched."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._content = content
        self._begin = 0

    def next_batch(self) -> _Batch:
        batch, begin = super().next_batch(), self._begin
        self._begin += _LENGTH.size + _LENGTH.unpack_from(self._content, begin)[0]
        return _Batch(batch, memoryview(self._content)[begin : self._begin])


class _Records(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one partition that were fetched at once."""

    next_fetch_offset: int

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._left: list[Any] = []
        self.form: Form = self._consumer_records

    def _consumer_records(self, place: TopicPartition, records: list[Any]) -> list[Any]:
        make = super()._consumer_record
        return [make(place, record) for record in records]

    def _consumer_record(self, place: TopicPartition, batch: _Batch) -> list[Any]:
        records, begin = batch.records, self.next_fetch_offset
        if records[0].offset < begin:
            records = [record for record in records if record.offset >= begin]
        return self.form(place, records)

    def take(self, most: int) -> tuple[list[Any], bool]:
        """The next `most` records, and whether these are the last. `next_fetch_offset` is beyond them."""
        taken, self._left = self._left, []
        while len(taken) < most:
            more = next(self, None)
            if more is None:
                return taken, True
            taken = taken + more if taken else more
        taken, self._left = taken[:most], taken[most:]
        self.next_fetch_offset = taken[-1].offset + 1
        return taken, False


class _Result(fetcher.FetchResult):  # type: ignore[misc]
    """Hands out what one fetch brought of a partition."""

    _partition_records: _Records | None

    def getall(self, max_records: int | None = None) -> list[Any]:
        if not self.check_assignment(self._topic_partition) or self._partition_records is None:
            return []
        records, last = self._partition_records.take(max_records or sys.maxsize)
        self._update_position()
        if last:
            self._partition_records = None
        return records

    def getone(self) -> Any:
        return next(iter(self.getall(1)), None)


fetcher.MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult = _Fetched, _Records, _Result
