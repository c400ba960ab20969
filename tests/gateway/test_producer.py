"""What requests are told when the producer of a gateway breaks under them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka.errors import NotEnoughReplicasError  # type: ignore[import-untyped]

from csstream.gateway.producer import Producer
from csstream.ledgers.kafka import Connection
from csstream.web.batch import Entry
from csstream.web.ingest import AwayError


class Broken:
    """A producer of Kafka whose broker refuses the first event, and says nothing of the others."""

    def __init__(self) -> None:
        self.sent: list[asyncio.Future[None]] = []

    async def send(self, *_: object, **__: object) -> asyncio.Future[None]:
        """Take an event; the answer comes later, or never."""
        self.sent.append(asyncio.get_running_loop().create_future())
        return self.sent[-1]

    async def stop(self) -> None:
        """End."""


@pytest.fixture
async def broken(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Producer, Broken]]:
    """A gateway's producer that is connected once, and not again."""
    kafka = Broken()
    producer = Producer(Connection("127.0.0.1:1"))
    connects = iter([True])

    async def connect() -> None:
        if not next(connects, False):
            await asyncio.Event().wait()
        producer._producer = kafka

    monkeypatch.setattr(producer, "_connect", connect)
    running = asyncio.create_task(producer.run())
    await asyncio.sleep(0)
    yield producer, kafka
    running.cancel()


async def test_every_request_under_way_gets_an_answer_when_one_of_them_breaks_the_producer(
    broken: tuple[Producer, Broken],
) -> None:
    producer, kafka = broken
    puts = [asyncio.create_task(producer.put([Entry("cs.chat", "s", b"{}")])) for _ in range(3)]
    await asyncio.sleep(0.01)
    kafka.sent[0].set_exception(NotEnoughReplicasError())
    kafka.sent[1].set_result(None)
    answers = await asyncio.wait_for(asyncio.gather(*puts, return_exceptions=True), 5)
    assert [type(answer) for answer in answers] == [AwayError, type(None), AwayError], "no line cut off"
    assert producer.fault is not None, "ready is only who has a producer again"


async def test_a_request_that_waited_for_room_is_told_when_the_producer_is_gone_by_then(
    broken: tuple[Producer, Broken], monkeypatch: pytest.MonkeyPatch
) -> None:
    producer, kafka = broken
    monkeypatch.setattr("csstream.gateway.producer.ROOM", 1)
    puts = [asyncio.create_task(producer.put([Entry("cs.chat", "s", b"{}")])) for _ in range(2)]
    await asyncio.sleep(0.01)
    assert len(kafka.sent) == 1
    kafka.sent[0].set_exception(NotEnoughReplicasError())
    answers = await asyncio.wait_for(asyncio.gather(*puts, return_exceptions=True), 5)
    assert [type(answer) for answer in answers] == [AwayError] * 2
