"""Who waits for a broker that does not answer, and for how long: beside clients that a test plays."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest
from aiokafka import TopicPartition  # type: ignore[import-untyped]
from aiokafka.errors import TopicAuthorizationFailedError  # type: ignore[import-untyped]

from csstream.kafka import deliver as delivery
from csstream.kafka import log
from csstream.kafka import rebuild as rebuilding
from csstream.kafka.deliver import DeliveryError, deliver
from csstream.kafka.log import LogStream
from csstream.ledgers.kafka import Connection, KafkaLedger
from csstream.ledgers.kafka.output import Output
from csstream.policy import load
from csstream.simulate import Plan, lines

NOWHERE = Connection("127.0.0.1:1")


class Stuck:
    """A producer that took one batch, and has no room for another."""

    def __init__(self) -> None:
        self.asked = 0
        self.full = asyncio.Event()

    async def send_batch(self, *_: object, **__: object) -> asyncio.Future[object]:
        self.asked += 1
        if self.asked > 1:
            self.full.set()
            await asyncio.Event().wait()
        return asyncio.get_running_loop().create_future()


async def test_a_large_step_under_way_holds_nobody_up_who_leaves() -> None:
    ledger = KafkaLedger(NOWHERE, "a", 0, ())
    ledger._largest = {"cs.tables": 1_000_000}
    producer = Stuck()
    sending = asyncio.create_task(
        ledger._send(cast("Any", producer), {"cs.tables": [Output(b"k", b"v" * 500_000, [])] * 4})
    )
    async with asyncio.timeout(5):
        await producer.full.wait()
    sending.cancel()
    done, _ = await asyncio.wait([sending], timeout=2)
    assert done, "leaving a partition waits until it has given up"


class Denying:
    """A producer whose topics may not be written."""

    def __init__(self, **_: object) -> None:
        self.sent = 0

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def send(self, *_: object, **__: object) -> asyncio.Future[object]:
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        answer.set_exception(TopicAuthorizationFailedError("cs.chat"))
        return answer


async def test_live_traffic_ends_with_the_first_event_that_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "AIOKafkaProducer", Denying)
    taken = 0

    def events() -> Iterator[bytes]:
        nonlocal taken
        for line in lines(Plan(seed=1, start_ms=1_767_225_600_000, messages=50)):
            taken += 1
            yield line

    with pytest.raises(DeliveryError, match="refused one"):
        await deliver(NOWHERE, events(), live=True)
    assert taken == 1, "else a day of it goes nowhere, and nobody hears of it"


class Silent:
    """A consumer that has more to give, and gives nothing."""

    def assign(self, _: object) -> None:
        pass

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 5)

    async def seek_to_beginning(self, _: object) -> None:
        pass

    async def position(self, _: object) -> int:
        return 3

    async def getmany(self, *_: object, **__: object) -> dict[TopicPartition, list[Any]]:
        await asyncio.sleep(0.01)
        return {}


async def test_an_audit_of_topics_ends_where_their_broker_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "SILENT_S", 0.1)
    monkeypatch.setattr(LogStream, "_run", lambda _: None)
    stream = LogStream(NOWHERE, ["cs.chat"])
    with pytest.raises(OSError, match=r"cs\.chat partition 0 gives nothing from 3 on, and goes on to 5"):
        async with asyncio.timeout(5):
            await stream._partition(cast("Any", Silent()), TopicPartition("cs.chat", 0))
    stream.close()


class Mute:
    """A reader whose broker gives nothing more."""

    def assign(self, _: object) -> None:
        pass

    async def seek_to_beginning(self, *_: object) -> None:
        pass

    async def position(self, _: object) -> int:
        return 0

    async def getmany(self, *_: object, **__: object) -> dict[TopicPartition, Any]:
        await asyncio.sleep(0.01)
        return {}


async def test_a_rebuild_says_what_it_waits_for_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rebuilding, "SAY_S", 0.05)
    ledger = KafkaLedger(NOWHERE, "a", 3, ("cs.chat",))
    one = rebuilding._Partition(NOWHERE, load("handbook"), ledger, ("cs.chat",), "a", None)
    left = asyncio.Event()

    async def read() -> None:
        try:
            await one._read(cast("Any", Mute()), {"cs.chat": 5})
        finally:
            left.set()

    told: list[str] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await rebuilding._aloud(read(), one, told.append)
    assert len(told) > 1
    assert told[0].startswith("partition 3: waiting since 0 s; the broker is away, or a producer has left")
    assert left.is_set()
