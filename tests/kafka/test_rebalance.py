"""What a worker does when the group decides, and how often it looks at itself, beside a group that a test plays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

from csstream.core.engine import Record
from csstream.kafka import consumer as fetching
from csstream.kafka.consumer import ConsumerThread
from csstream.kafka.worker import Worker, WorkerOptions
from csstream.ledgers.kafka import Connection
from csstream.policy import load


class Owned:
    """A partition, as far as a worker has to do with it."""

    state = "ready"

    def __init__(self) -> None:
        self.stopped = False

    def doubt(self) -> None:
        pass

    async def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    worker = Worker(WorkerOptions(connection=Connection("127.0.0.1:9"), policy=load("handbook")), 4)
    monkeypatch.setattr(worker, "_update", lambda: None)
    return worker


@pytest.mark.parametrize(("leader", "answers"), [(0, True), (-1, False)])
def test_a_partition_without_a_leader_is_waited_for(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, leader: int, answers: bool
) -> None:
    """One broker of several is away: to end the process would take its other partitions with it."""

    class Client:
        async def fetch_all_metadata(self) -> Any:
            return SimpleNamespace(
                leader_for_partition=lambda place: leader if place == ("cs.chat", 3) else 0
            )

    @asynccontextmanager
    async def client(*_: object) -> AsyncIterator[Client]:
        yield Client()

    monkeypatch.setattr(Connection, "client", client)
    worker.owned[3] = cast("Any", Owned())
    assert worker._answers() == answers


async def test_a_worker_that_is_left_without_partitions_stands_by(worker: Worker) -> None:
    partition = Owned()
    worker.owned[3] = cast("Any", partition)
    worker._generation = worker.app.consumer_generation_id - 1
    await worker._assigned(worker.app, set())
    assert partition.stopped
    assert not worker.owned
    assert worker._joined


async def test_a_look_at_itself_that_once_took_long_does_not_put_off_the_next_for_minutes(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asleep: list[float] = []
    now_s = 0.0

    def freeze() -> None:
        nonlocal now_s
        now_s += 30.0  # the process was stopped in the middle, or the machine

    async def sleep(seconds: float) -> None:
        asleep.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr(worker, "_update", freeze)
    monkeypatch.setattr("csstream.kafka.worker.time.monotonic", lambda: now_s)
    monkeypatch.setattr("csstream.kafka.worker.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await worker._show()
    [slept_s] = asleep
    assert slept_s <= 10, "by then a watchdog takes it for stuck, and its figures are old"


async def test_a_list_that_came_while_the_position_was_sought_is_handed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = TP("cs.chat", 0)
    state = SimpleNamespace(has_valid_position=False, position=0, lso=302, timestamp=1)

    async def fetch(*_: object) -> dict[TP, list[Record]]:
        state.has_valid_position, state.position = True, 302
        return {place: [Record("cs.chat", 0, offset, b"") for offset in (300, 301)]}

    monkeypatch.setattr(AIOKafkaConsumerThread, "_fetch_records", fetch)
    monkeypatch.setattr(fetching, "_states", lambda _: [(place, state)])
    thread = ConsumerThread.__new__(ConsumerThread)
    thread.consumer = cast("Any", SimpleNamespace(round=1, looks={}))
    found = await thread._fetch_records(cast("Any", None), {place})
    [fetched] = found[place]
    assert (fetched.begin, fetched.end) == (300, 302), (
        "else it counts as handed on, and nobody reads it again"
    )
