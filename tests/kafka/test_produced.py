"""What is written reaches the broker as the client would have sent it, though it is put together in another way."""

import struct
from typing import Any

from aiokafka.conn import AIOKafkaConnection  # type: ignore[import-untyped]
from aiokafka.protocol.api import RequestHeader_v1  # type: ignore[import-untyped]
from aiokafka.protocol.produce import ProduceRequest, ProduceRequest_v7  # type: ignore[import-untyped]
from aiokafka.protocol.types import Schema  # type: ignore[import-untyped]

from csstream.ledgers.kafka.produced import join_once

ROWS = bytearray(b"rows")
GIVEN = [("cs.tables", [(3, ROWS), (4, b"")]), ("cs.事实", [(3, b"facts" * 100)])]


class Wire:
    """The end of a connection, which keeps what is written."""

    def __init__(self) -> None:
        self.written: list[Any] = []

    def write(self, data: Any) -> None:
        self.written.append(data)


async def test_a_connection_writes_a_request_byte_by_byte_as_the_client_s_own() -> None:
    join_once()
    connection, wire = AIOKafkaConnection("127.0.0.1", 9, client_id="us", request_timeout_ms=1_000), Wire()
    connection._writer, connection._versions = wire, {ProduceRequest.API_KEY: (0, 99)}
    answer = connection.send(ProduceRequest("cs-3", -1, 40_000, GIVEN))
    answer.close()
    [sent] = wire.written
    header = RequestHeader_v1(ProduceRequest_v7(), correlation_id=1, client_id="us").encode()
    own = header + Schema.encode(ProduceRequest_v7.SCHEMA, ("cs-3", -1, 40_000, GIVEN))
    assert type(sent) is bytes, "a transport takes nothing else"
    assert sent == struct.pack(">i", len(own)) + own


def test_the_newest_request_of_the_client_is_the_one_that_is_put_together_once() -> None:
    join_once()
    newest = ProduceRequest._CLASSES[-1]
    parts = newest("cs-3", -1, 40_000, GIVEN).encode()
    assert ROWS in parts, "the client copies each batch eight times again"
