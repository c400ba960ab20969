"""Workers that die, freeze and come back: every fact is there once, and is what a replay says."""

import json
import random
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.kafka.fleet import Fleet, Process, wait_until
from tests.kafka.node import Node
from tests.kafka.test_worker import assert_equals_replay, shop_log


class Feeder:
    """Writes a log slice by slice, so that whatever happens to workers happens under load."""

    def __init__(self, fleet: Fleet, log: Sequence[bytes], over_s: float) -> None:
        self._thread = threading.Thread(target=self._run, args=(fleet, log, over_s), daemon=True)
        self.error: BaseException | None = None
        self._thread.start()

    def _run(self, fleet: Fleet, log: Sequence[bytes], over_s: float) -> None:
        slices = 40
        size = -(-len(log) // slices)
        began_s = time.monotonic()
        try:
            for number in range(slices):
                fleet.write(log[number * size : (number + 1) * size])
                time.sleep(max(0.0, began_s + over_s * (number + 1) / slices - time.monotonic()))
        except BaseException as error:  # noqa: BLE001 - told by `join`, in the test's own thread
            self.error = error

    def join(self) -> None:
        """Wait until all is written."""
        self._thread.join(120)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error


def joined(worker: Process) -> int:
    """How often it was told what it owns; that may be nothing, and a worker that owns nothing stands by."""
    return worker.log().count("are ours")


def leave(worker: Process) -> None:
    """It is asked to end, and ends in order."""
    worker.send(signal.SIGTERM)
    assert worker.wait(10) == 0


def thaw(worker: Process) -> None:
    """A frozen worker goes on, learns that it owns nothing any more, and leaves."""
    before = joined(worker)
    worker.send(signal.SIGCONT)
    wait_until(lambda: joined(worker) > before, 60, "a thawed worker back in the group")
    leave(worker)


@pytest.mark.slow
def test_ten_kills_and_two_freezes_lose_and_double_nothing(broker: str, tmp_path: Path) -> None:
    chance = random.Random(7)
    log = shop_log(20_000, shops=12)
    with Fleet(broker, tmp_path) as fleet:
        workers = [fleet.start(), fleet.start()]
        feeder = Feeder(fleet, log, 40)
        frozen: list[Process] = []
        for number in range(12):
            at = chance.randrange(2)
            wait_until(workers[at].owns, 120, "a worker at work")
            time.sleep(chance.uniform(0, 1.5))
            if number in (3, 8):
                workers[at].send(signal.SIGSTOP)
                frozen.append(workers[at])
            else:
                workers[at].kill()
            workers[at] = fleet.start()
            if number in (5, 10):
                thaw(frozen.pop())
        third = fleet.start()
        wait_until(lambda: joined(third), 120, "a third worker in the group")
        leave(workers[0])
        wait_until(third.owns, 120, "a third worker at work")
        feeder.join()
        fleet.settle(90)
        assert_equals_replay(fleet)


@pytest.mark.slow
def test_a_level_that_fell_due_while_nobody_worked_fires_with_its_true_time(
    broker: str, tmp_path: Path
) -> None:
    with Fleet(broker, tmp_path) as fleet:
        first = fleet.start()
        wait_until(first.owns, 120, "a worker at work")
        asked_ms = int(time.time() * 1000)  # the first level is 15 s
        event = {
            "id": "m",
            "type": "message",
            "ts": asked_ms,
            "shop": "s",
            "customer": "c",
            "sender": "customer",
        }
        fleet.write([json.dumps(event).encode()])
        fleet.settle()
        first.kill()
        assert not fleet.alerts(), "killed before the level was due"
        wait_until(lambda: time.time() * 1000 > asked_ms + 15_500, 20, "the level has passed")
        fleet.start()
        wait_until(fleet.alerts, 60, "an alert")
        [alert] = fleet.alerts().values()
        assert (alert["rule"], alert["ts"]) == ("wait", asked_ms + 15_000)


@pytest.mark.slow
def test_a_broker_that_is_killed_and_comes_back_changes_nothing(mortal: Node, tmp_path: Path) -> None:
    with Fleet(mortal.address, tmp_path) as fleet:
        worker = fleet.start()
        wait_until(worker.owns, 120, "a worker at work")
        log = shop_log(6_000)
        fleet.write(log[:3_000])
        wait_until(lambda: worker.metric("events_total") > 0, 120, "the first events")
        mortal.kill()
        wait_until(lambda: worker.get("/readyz")[0] == 503, 30, "not ready without a broker")
        assert worker.get("/livez")[0] == 200, "a broker that is away is waited for"
        mortal.go_on()
        fleet.write(log[3_000:])
        fleet.settle(90)
        wait_until(lambda: worker.get("/readyz")[0] == 200, 30, "ready again")
        assert worker.status is None
        assert_equals_replay(fleet)
