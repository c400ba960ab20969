"""Rows that were lost are made anew, and nothing that was published is published again."""

import asyncio
import time
from pathlib import Path

import pytest

from csstream.kafka.topics import ensure
from tests.kafka.command import Command
from tests.kafka.conftest import delete
from tests.kafka.fleet import PARTITIONS, Fleet, wait_until
from tests.kafka.test_worker import assert_equals_replay, shop_log


def rebuild(fleet: Fleet, *options: str) -> Command:
    """The command on a fleet, when it has ended."""
    words = [
        "--broker",
        fleet.connection.broker,
        "--application",
        fleet.name,
        "--topics-prefix",
        f"{fleet.name}.",
    ]
    command = Command(["rebuild", *words, *options], fleet.folder / "rebuild.log")
    assert command.wait(120) is not None
    return command


def rebuilt(fleet: Fleet, *options: str) -> str:
    """What it says once the group has forgotten workers that were killed."""
    done: list[Command] = []

    def works() -> bool:
        done.append(rebuild(fleet, *options))
        return done[-1].status == 0

    wait_until(works, 60, "a rebuild")
    return done[-1].log()


def make_anew(fleet: Fleet, topic: str) -> None:
    """Delete a topic, and make it again, empty."""
    asyncio.run(delete(fleet.connection, topic))

    def made() -> bool:
        try:
            asyncio.run(ensure(fleet.connection, fleet.topics, asked=PARTITIONS))
        except Exception:  # noqa: BLE001 - a broker takes a moment to forget the old one
            return False
        return True

    wait_until(made, 20, "a new topic")


@pytest.mark.slow
@pytest.mark.parametrize("age_ms", [None, 3_600_000], ids=["old", "of today"])
def test_lost_rows_are_made_anew_and_nothing_is_published_twice(
    broker: str, tmp_path: Path, age_ms: int | None
) -> None:
    log = shop_log(4_000, start_ms=None if age_ms is None else int(time.time() * 1000) - age_ms)
    with Fleet(broker, tmp_path) as fleet:
        worker = fleet.start()
        fleet.write(log[:2_500])
        fleet.settle()
        fleet.write(log[2_500:3_000])
        worker.kill()
        published = len(fleet.read("facts"))
        make_anew(fleet, fleet.outputs.tables)
        refused = fleet.start()
        wait_until(lambda: "the rows are lost" in refused.log(), 40, "a worker that refuses")
        wait_until(lambda: refused.metric("partitions", state="broken"), 30, "a broken partition")
        assert "workers of" in rebuild(fleet).log(), "not while a worker runs"
        refused.kill()
        assert "every figure goes on" in rebuilt(fleet)
        assert len(fleet.read("facts")) == published, "nothing is published by it"
        fleet.start()
        fleet.write(log[3_000:])
        fleet.settle()
        if age_ms is None:
            assert_equals_replay(fleet)
        revisions = fleet.revisions()
        assert len(set(revisions)) == len(revisions)
        records = [record.value for record in fleet.read("alerts")]
        assert len(set(records)) == len(records), "an alert was published twice"


@pytest.mark.slow
def test_one_shop_is_made_anew_and_the_others_stay_as_they_are(broker: str, tmp_path: Path) -> None:
    log = shop_log(2_000)
    with Fleet(broker, tmp_path) as fleet:
        worker = fleet.start()
        fleet.write(log[:1_200])
        fleet.settle()
        worker.kill()
        rebuilt(fleet, "--shop", "s03")
        fleet.write(log[1_200:])
        fleet.start()
        fleet.settle()
        assert_equals_replay(fleet)
        assert "there is no shop" in rebuild_without_workers(fleet, "--shop", "nobody")


@pytest.mark.slow
def test_what_was_read_of_a_topic_that_was_made_anew_does_not_count_in_the_new_one(
    broker: str, tmp_path: Path
) -> None:
    log = shop_log(600)
    broken = [b"{%d" % number for number in range(80)]
    with Fleet(broker, tmp_path) as fleet:
        worker = fleet.start()
        fleet.write([*broken[:40], *log, *broken[40:]])
        fleet.settle()
        worker.kill()
        make_anew(fleet, fleet.topic("chat"))
        fleet.write(log[:300])
        fleet.send("dead-letters", b"somebody else's")
        assert "every figure goes on" in rebuilt(fleet), "it waits for no record that is gone"
        again = fleet.start()
        fleet.settle()
        chat = len(fleet.read("chat"))
        topic = fleet.topic("chat")
        wait_until(
            lambda: again.metric("events_total", topic=topic) == chat, 20, "every record of it is news"
        )


def rebuild_without_workers(fleet: Fleet, *options: str) -> str:
    """What it says on stderr, when all workers are gone."""
    for worker in fleet.workers:
        worker.kill()
    said = []

    def told() -> bool:
        said.append(rebuild(fleet, *options).log())
        return "workers of" not in said[-1]

    wait_until(told, 60, "an answer")
    return said[-1]
