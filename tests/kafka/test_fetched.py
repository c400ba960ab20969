"""What was fetched is handed on whatever its headers are called."""

import struct
from typing import Any

import pytest
from aiokafka import TopicPartition  # type: ignore[import-untyped]
from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from aiokafka.consumer.fetcher import READ_COMMITTED  # type: ignore[import-untyped]
from aiokafka.errors import CorruptRecordException  # type: ignore[import-untyped]
from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]
from aiokafka.record.util import calc_crc32c  # type: ignore[import-untyped]

from csstream.core.engine import Record
from csstream.kafka import consumer
from csstream.ledgers.kafka import fetched

PLACEHOLDER, BYTES, NAME = "no-text", b"n\xff-te\x80t", "n\ufffd-te\ufffdt"


def spoilt(batch: bytes) -> bytes:
    """The batch as a producer writes it that takes any bytes for a name."""
    content = bytearray(batch.replace(PLACEHOLDER.encode(), BYTES))
    content[17:21] = struct.pack(">I", calc_crc32c(bytes(content[21:])))
    return bytes(content)


def batch(begin: int, names: list[str], *, codec: int = 0, producer: int = -1) -> bytes:
    """One record a name, from offset `begin` on; with a producer it is of a transaction."""
    builder = DefaultRecordBatchBuilder(2, codec, int(producer >= 0), producer, 0, 0, 1 << 20)
    for number, name in enumerate(names):
        builder.append(number, 1_000 + begin + number, b"key", b"%d" % (begin + number), [(name, b"1")])
    return struct.pack(">q", begin) + spoilt(bytes(builder.build()))[8:]


class Reader:
    """A partition of which the client fetched something, and where its reader stands."""

    def __init__(
        self,
        content: bytes,
        *,
        begin: int = 0,
        aborted: list[tuple[int, int]] | None = None,
        form: Any = None,
    ) -> None:
        place = TopicPartition("cs.chat", 0)
        found = fetcher.MemoryRecords(content)
        # What is tested is what the client itself takes for its records now.
        records = fetcher.PartitionRecords(place, found, aborted, begin, None, None, True, READ_COMMITTED)
        if form is not None:
            records.form = form
        self.active, self.paused, self.position = True, False, begin
        self.result = fetcher.FetchResult(place, assignment=self, partition_records=records, backoff=0)

    def state_value(self, _: TopicPartition) -> "Reader":
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position

    def read(self, most: int | None = None) -> list[Any]:
        """What the client hands on, `most` records at a time."""
        found: list[Any] = []
        while self.result.has_more():
            more = self.result.getall(most)
            assert most is None or len(more) <= most
            assert not more or self.position > more[-1].offset
            found += more
        return found


def offsets(found: list[Any]) -> list[int]:
    return [record.offset for record in found]


@pytest.mark.parametrize("most", [None, 1, 4, 5, 100])
def test_a_name_that_is_no_text_takes_no_record_with_it_and_no_record_comes_twice(most: int | None) -> None:
    fine = ["fine"] * 5
    content = b"".join(
        (
            batch(0, fine),
            batch(5, ["fine", PLACEHOLDER, "fine", PLACEHOLDER]),
            batch(9, fine, codec=1),
            batch(14, [PLACEHOLDER]),
        )
    )
    reader = Reader(content, begin=2)
    found = reader.read(most)
    assert [record.offset for record in found] == [*range(2, 15)]
    assert [record.value for record in found] == [b"%d" % number for number in range(2, 15)]
    assert {record.key for record in found} == {b"key"}
    named = [record.offset for record in found if record.headers == ((NAME, b"1"),)]
    assert named == [6, 8, 14]
    assert reader.position == 15


def test_what_was_aborted_is_passed_over_where_it_is_read_once_more() -> None:
    content = batch(0, ["fine"] * 2, producer=7) + batch(2, ["fine", PLACEHOLDER, "fine"])
    reader = Reader(content, aborted=[(7, 0)])
    assert offsets(reader.read()) == [2, 3, 4]
    assert reader.position == 5


def test_a_reader_gets_its_own_form_of_it_too() -> None:
    found = Reader(batch(0, ["fine", PLACEHOLDER]), form=fetched.as_it_is).read()
    assert [record.headers[0][0] for record in found] == ["fine", NAME]


def test_what_is_broken_is_still_refused() -> None:
    content = bytearray(batch(0, ["fine", PLACEHOLDER]))
    content[-1] ^= 1
    with pytest.raises(CorruptRecordException, match="CRC"):
        Reader(bytes(content)).read()


def test_what_lies_before_something_broken_is_read_again_and_not_passed_over() -> None:
    content = bytearray(batch(0, ["fine"] * 3) + batch(3, ["fine"]))
    content[-1] ^= 1
    reader = Reader(bytes(content))
    with pytest.raises(CorruptRecordException, match="CRC"):
        reader.read()
    assert reader.read() == []
    assert reader.position == 0


@pytest.mark.parametrize("codec", range(5), ids=["plain", "gzip", "snappy", "lz4", "zstd"])
def test_the_worker_gets_all_that_its_core_needs_of_a_record_however_it_is_packed(codec: int) -> None:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, 0, 0, 1 << 20)
    builder.append(0, 1_000, b"shop", b"value", [])
    builder.append(1, 1_001, None, None, [("name", b"1"), ("none", None), ("name", b"2")])
    found = Reader(bytes(builder.build()), form=consumer.records).read()
    assert found == [
        Record("cs.chat", 0, 0, b"value", 1_000, b"shop", ()),
        Record("cs.chat", 0, 1, b"", 1_001, None, (("name", b"1"), ("none", None), ("name", b"2"))),
    ]
    assert {type(record) for record in found} == {Record}


def test_records_without_an_end_of_their_batch_leave_the_position_behind_it() -> None:
    """What a topic that is compacted has lost is not asked for again."""
    whole = bytearray(batch(0, ["fine"] * 3))
    whole[23:27] = struct.pack(">i", 9)  # the last of the batch was at offset 9
    whole[17:21] = struct.pack(">I", calc_crc32c(bytes(whole[21:])))
    reader = Reader(bytes(whole))
    assert offsets(reader.read()) == [0, 1, 2]
    assert reader.position == 10


def test_a_reader_that_went_elsewhere_gets_nothing_of_what_is_left_of_a_fetch() -> None:
    reader = Reader(batch(0, ["fine"] * 5))
    assert offsets(reader.result.getall(2)) == [0, 1]
    assert reader.position == 2
    reader.position = 1
    assert reader.read() == []
    assert reader.position == 1


def test_one_record_at_a_time_is_handed_on_too() -> None:
    reader = Reader(batch(0, ["fine"] * 2))
    assert [reader.result.getone().offset, reader.result.getone().offset] == [0, 1]
    assert reader.result.getone() is None


def test_the_client_hands_out_what_it_fetched_by_what_stands_here() -> None:
    """It looks these up by name; where a name is another one day, readers would fall back without a word."""
    for name in ("MemoryRecords", "PartitionRecords", "FetchResult"):
        assert getattr(fetcher, name).__module__ == fetched.__name__
        assert name in fetcher.Fetcher._proc_fetch_request.__code__.co_names, f"aiokafka: {name} is not used"
    assert "getall" in fetcher.Fetcher.fetched_records.__code__.co_names
