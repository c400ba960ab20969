"""Records handed on in the form that their reader wants, and whatever their headers are called.

Of every record that was fetched the client makes a `ConsumerRecord`, field by field; where records come by the hundred
thousand that is most of what reading them costs.

Names of headers are text in Kafka's protocol, but nobody checks that: a producer may write any bytes. The client cannot
read such a record, nor go past it, and one would stop its partition for ever. So whoever imports this reads what
cannot be read once more, with the client's slower parser and names in which U+FFFD stands for what is no text.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from aiokafka.consumer.fetcher import FetchResult  # type: ignore[import-untyped]
from aiokafka.errors import CorruptRecordException  # type: ignore[import-untyped]
from aiokafka.record.default_records import _DefaultRecordBatchPy  # type: ignore[import-untyped]
from aiokafka.record.memory_records import _MemoryRecordsPy  # type: ignore[import-untyped]


def hand_on(reader: AIOKafkaConsumer, form: Callable[[TopicPartition, Any], Any]) -> None:
    """Have a reader that was started hand each record on as `form` makes it of its place and of what was fetched.

    That has `offset`, `timestamp`, `key`, `value` and `headers`.
    """
    fetching = reader._fetcher
    fetch = fetching._proc_fetch_request

    async def fetch_so(*asked: Any) -> Any:
        answer = await fetch(*asked)
        for found in fetching._records.values():
            if isinstance(found, FetchResult) and found.has_more():
                found._partition_records._consumer_record = form
        return answer

    fetching._proc_fetch_request = fetch_so


def as_it_is(_: TopicPartition, record: Any) -> Any:
    """What was fetched."""
    return record


class _Text(bytearray):
    """Bytes in which every name can be read."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Text(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:  # noqa: ARG002
        return super().decode(encoding, "replace")


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc]
    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: bytearray = _Text(self._buffer)


class _Fetched(fetcher.MemoryRecords):  # type: ignore[misc]
    """What was fetched, and the bytes of it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.content = content


class _Again(_MemoryRecordsPy):  # type: ignore[misc]
    def next_batch(self) -> Any:
        content = self._next_slice
        batch = super().next_batch()
        return batch if batch.producer_id is None else _Batch(content)


class _Records(fetcher.PartitionRecords):  # type: ignore[misc]
    """Those of one partition that were fetched at once."""

    _records_iterator: Any
    _aborted_producers: set[int]

    def __init__(self, place: TopicPartition, records: _Fetched, aborted: Any, *rest: Any) -> None:
        super().__init__(place, records, aborted, *rest)
        self._content: bytes | None = records.content
        self._aborted = aborted

    def __next__(self) -> Any:
        try:
            return next(self._records_iterator)  # `super` would be one more call for each record
        except StopIteration:
            self._records_iterator = None
            raise
        except (UnicodeDecodeError, CorruptRecordException):
            if self._content is None:
                raise
        begin = self.next_fetch_offset
        self._records, self._content = _Again(self._content), None
        self._aborted_transactions = sorted(self._aborted or (), key=itemgetter(1))
        self._aborted_producers = set()
        # From the beginning, for what was aborted is told by all that lies before; that it would hand on once more.
        self._records_iterator = (found for found in self._unpack_records() if found.offset >= begin)
        return next(self)


fetcher.MemoryRecords, fetcher.PartitionRecords = _Fetched, _Records
