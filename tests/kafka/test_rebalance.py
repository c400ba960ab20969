"""What a worker does when the group decides, and how often it looks at itself, beside a group that a test plays."""

import asyncio
from typing import Any, cast

import pytest

from csstream.kafka import worker as module
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
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s)
    monkeypatch.setattr(module.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await worker._show()
    [slept_s] = asleep
    assert slept_s <= 10, "by then a watchdog takes it for stuck, and its figures are old"
