"""What was fetched is handed on whatever its headers are called."""

import struct

import pytest
from aiokafka import TopicPartition  # type: ignore[import-untyped]
from aiokafka.consumer import fetcher  # type: ignore[import-untyped]
from aiokafka.consumer.fetcher import READ_COMMITTED  # type: ignore[import-untyped]
from aiokafka.errors import CorruptRecordException  # type: ignore[import-untyped]
from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]
from aiokafka.record.util import calc_crc32c  # type: ignore[import-untyped]

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


def records(
    content: bytes, *, begin: int = 0, aborted: list[tuple[int, int]] | None = None
) -> fetcher.PartitionRecords:
    """As the client makes them of what a broker sent."""
    place = TopicPartition("cs.chat", 0)
    found = fetcher.MemoryRecords(content)
    # What is tested is what the client itself takes for its records now.
    return fetcher.PartitionRecords(place, found, aborted, begin, None, None, True, READ_COMMITTED)


def test_a_name_that_is_no_text_takes_no_record_with_it_and_no_record_comes_twice() -> None:
    fine = ["fine"] * 5
    content = b"".join(
        (
            batch(0, fine),
            batch(5, ["fine", PLACEHOLDER, "fine", PLACEHOLDER]),
            batch(9, fine, codec=1),
            batch(14, [PLACEHOLDER]),
        )
    )
    found = list(records(content, begin=2))
    assert [record.offset for record in found] == [*range(2, 15)]
    assert [record.value for record in found] == [b"%d" % number for number in range(2, 15)]
    assert {record.key for record in found} == {b"key"}
    named = [record.offset for record in found if record.headers == ((NAME, b"1"),)]
    assert named == [6, 8, 14]


def test_what_was_aborted_is_passed_over_where_it_is_read_once_more() -> None:
    content = batch(0, ["fine"] * 2, producer=7) + batch(2, ["fine", PLACEHOLDER, "fine"])
    found = records(content, aborted=[(7, 0)])
    assert [record.offset for record in found] == [2, 3, 4]
    assert found.next_fetch_offset == 5


def test_a_reader_gets_its_own_form_of_it_too() -> None:
    found = records(batch(0, ["fine", PLACEHOLDER]))
    found._consumer_record = fetched.as_it_is
    assert [record.headers[0][0] for record in found] == ["fine", NAME]


def test_what_is_broken_is_still_refused() -> None:
    content = bytearray(batch(0, ["fine", PLACEHOLDER]))
    content[-1] ^= 1
    with pytest.raises(CorruptRecordException, match="CRC"):
        list(records(bytes(content)))
