"""The wall on a real broker: what a worker commits is on every wall, and a worker that died leaves nothing false."""

import asyncio
import json
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from csstream.wall import Moment, Picture
from csstream.wall.follower import Follower, WallError
from tests.canary import TEXT
from tests.kafka.command import Command
from tests.kafka.fleet import Fleet, wait_until

Shown = dict[tuple[str, ...], dict[str, Any]]


@contextmanager
def wall(fleet: Fleet, name: str) -> Iterator[str]:
    """A wall process on the fleet's topics; gives its address."""
    command = [
        "wall", "--broker", fleet.connection.broker, "--topics-prefix",
        f"{fleet.name}.", "--port", "0",
    ]  # fmt: skip
    process = Command(command, fleet.folder / f"{name}.log")
    try:
        wait_until(lambda: "the wall is on" in process.log(), 20, "a wall")
        found = re.search(r"the wall is on (\S+)", process.log())
        assert found is not None
        yield found[1]
        process.send(signal.SIGTERM)
        assert process.wait(10) == 0, process.log()
    except BaseException:
        print(f"--- {name}\n{process.log()}")
        raise
    finally:
        process.kill()


def whole(address: str) -> tuple[Shown, dict[str, Any], int]:
    """What a wall shows now: documents, alerts, and its time."""
    with urllib.request.urlopen(f"{address}wall/stream", timeout=10) as answer:
        message = json.loads(answer.readline().removeprefix(b"data: "))
    documents = {tuple(map(str, key)): document for key, document in message.get("documents", ())}
    return documents, dict(message.get("alerts", ())), message["time"]["now_ms"]


def ready(address: str) -> bool:
    """Whether a wall says that it is."""
    try:
        with urllib.request.urlopen(f"{address}readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def alarmed(address: str, rule: str, severity: str) -> bool:
    """Whether an alert of this rule and severity stands on a wall."""
    return (rule, severity, "firing") in {
        (alert["rule"], alert["severity"], alert["state"]) for alert in whole(address)[1].values()
    }


def open_waits(address: str, number: int) -> bool:
    """Whether a wall shows so many at the agent."""
    return bool(whole(address)[0]["agent", "s", "A"]["figures"]["open_waits"] == number)


def fresh(address: str) -> bool:
    """Whether what a wall shows is hardly older than the 2 s after which a clock is shown anew."""
    documents, _, now_ms = whole(address)
    return all(now_ms - clock["clock_ms"] < 4_000 for key, clock in documents.items() if key[0] == "clock")


def until_waiting(address: str, customers: set[str], within_s: float) -> None:
    """Wait until exactly these customers wait on a wall."""
    wait_until(
        lambda: {key[2] for key in whole(address)[0] if key[0] == "wait"} == customers,
        within_s,
        f"{customers} wait",
    )


def message(number: int, customer: str, sender: str = "customer", ago_s: float = 0) -> bytes:
    """A message of a shop that is live now."""
    event = {
        "id": f"m{number}", "type": "message", "ts": int((time.time() - ago_s) * 1000), "shop": "s", "agent": "A",
        "customer": customer, "sender": sender, "text": TEXT,
    }  # fmt: skip
    return json.dumps(event).encode()


def test_every_wall_shows_what_a_worker_commits_and_a_dead_one_leaves_nothing_false(
    broker: str, tmp_path: Path
) -> None:
    with Fleet(broker, tmp_path) as fleet, wall(fleet, "one") as one, wall(fleet, "two") as two:
        first = fleet.start()
        fleet.write([message(1, "c1", ago_s=40), message(2, "c2")])
        for address in (one, two):
            until_waiting(address, {"c1", "c2"}, 40)
            wait_until(partial(alarmed, address, "wait", "warning"), 10, "c1 is late")
            wait_until(partial(fresh, address), 10, "the clock of the partition goes on")
            wait_until(partial(open_waits, address, 2), 10, "the agent's figures, which come once a second")
            documents, alerts, _ = whole(address)
            assert documents["wait", "s", "c1"]["said"][0][0] == "m1"
            assert TEXT not in json.dumps([list(documents.values()), alerts])
        fleet.write([message(3, "c1", "human")])
        until_waiting(one, {"c2"}, 5)  # a second, and what a busy machine adds
        wait_until(lambda: not alarmed(one, "wait", "warning"), 10, "the alert has ended")

        first.send(signal.SIGKILL)
        fleet.write([message(4, "c2", "human"), message(5, "c3")])
        second = fleet.start()
        for address in (one, two):
            until_waiting(address, {"c3"}, 60)
        with wall(fleet, "late") as late:
            wait_until(
                lambda: whole(late)[0].keys() == whole(one)[0].keys(), 20, "who comes late sees the same"
            )
            wait_until(partial(ready, late), 20, "who comes late is ready")
            with urllib.request.urlopen(f"{late}metrics", timeout=5) as answer:
                assert b"csstream_wall_viewers " in answer.read()
        assert second.status is None


def test_a_wall_without_its_topics_says_what_makes_them(broker: str, tmp_path: Path) -> None:
    with Fleet(broker, tmp_path) as fleet:
        picture = Picture(lambda: Moment(0))
        follower = Follower(fleet.connection, picture, "cs-test-nowhere.scoreboard", fleet.topic("alerts"))
        with pytest.raises(
            WallError, match=r"nowhere\.scoreboard is missing at .*; csstream topics makes it"
        ):
            asyncio.run(follower.run())
