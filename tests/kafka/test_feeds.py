"""What feeds do: one comes hours late, records are huge, transactions abort, partitions are wrong."""

import asyncio
import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]
from click.testing import CliRunner

from csstream.cli import cli
from csstream.kafka.partitioner import misplaced, place
from csstream.ledgers.kafka import Connection
from tests.kafka.fleet import PARTITIONS, Fleet, wait_until
from tests.kafka.test_fetched import NAME, PLACEHOLDER, spoilt
from tests.kafka.test_rebuild import rebuilt
from tests.kafka.test_worker import OLD_MS, assert_equals_replay, shop_log


def message(number: int, *, shop: str = "s01", **given: Any) -> bytes:
    """A customer's message."""
    event = {
        "id": f"m{number}",
        "type": "message",
        "ts": OLD_MS + number * 1_000,
        "shop": shop,
        "customer": "c",
    }
    return json.dumps(event | {"sender": "customer"} | given).encode()


async def produce(
    connection: Connection, records: Sequence[tuple[str, int | None, bytes]], **settings: Any
) -> None:
    """Write (topic, partition, value)s; the key is `s01`."""
    producer = AIOKafkaProducer(**connection.settings("tests"), max_request_size=32 << 20, **settings)
    await producer.start()
    try:
        for topic, partition, value in records:
            await producer.send_and_wait(topic, value, key=b"s01", partition=partition)
    finally:
        await producer.stop()


def test_a_feed_that_comes_two_hours_late_loses_nothing(broker: str, tmp_path: Path) -> None:
    """Orders and presence are there; the chat comes when they have long been read."""
    log = shop_log(1_500)
    chat = [
        line
        for line in log
        if b'"type":"presence"' not in line
        and b'"type":"shift"' not in line
        and b'"type":"profile"' not in line
    ]
    rest = [line for line in log if line not in set(chat)]
    with Fleet(broker, tmp_path, settings=("--merge-max-wait", "1s")) as fleet:
        fleet.write(rest, time_ms=OLD_MS + 7_200_000)
        fleet.start()
        fleet.settle()
        fleet.write(chat, time_ms=OLD_MS)
        fleet.settle()
        reasons = {dict(record.headers)["cs-reason"] for record in fleet.read("dead-letters")}
        assert b"too_late" not in reasons
        assert_equals_replay(fleet)


def test_records_as_large_as_a_topic_takes_are_set_aside_and_stop_nothing(
    broker: str, tmp_path: Path
) -> None:
    with Fleet(broker, tmp_path) as fleet:
        chat = fleet.topic("chat")

        async def write() -> None:
            at = place("murmur2", "s01", PARTITIONS)
            await produce(
                fleet.connection,
                [(chat, at, message(1)), (chat, at, b"{" + b"x" * 1_048_399), (chat, at, message(2))],
            )
            eight = b'{"text":"' + b"y" * (8 << 20) + b'"}'
            await produce(
                fleet.connection, [(chat, at, eight), (chat, at, message(3))], compression_type="gzip"
            )

        asyncio.run(write())
        worker = fleet.start()
        fleet.settle()
        letters = [dict(record.headers) for record in fleet.read("dead-letters")]
        assert sorted(letter["cs-reason"] for letter in letters) == [b"not_json", b"too_large"]
        wait_until(lambda: worker.metric("messages_total") >= 3, 30, "figures, which may be a second old")
        assert worker.metric("messages_total") == 3
        assert worker.status is None


def test_what_an_aborted_transaction_wrote_is_never_counted(broker: str, tmp_path: Path) -> None:
    with Fleet(broker, tmp_path) as fleet:
        chat = fleet.topic("chat")

        async def write() -> None:
            producer = AIOKafkaProducer(
                **fleet.connection.settings("tests"), transactional_id=f"{fleet.name}-feed"
            )
            await producer.start()
            for number, ends_well in enumerate((True, False, True, False)):
                await producer.begin_transaction()
                await producer.send_and_wait(chat, message(number), key=b"s01")
                await (producer.commit_transaction() if ends_well else producer.abort_transaction())
            await producer.stop()

        worker = fleet.start()
        wait_until(worker.owns, 40, "a worker at work")
        asyncio.run(write())
        fleet.settle()
        wait_until(lambda: worker.metric("messages_total") >= 2, 30, "figures, which may be a second old")
        assert worker.metric("messages_total") == 2
        wait_until(
            lambda: worker.metric("lag_records") == 0, 10, "markers at the end, which are no unread records"
        )
        wait_until(lambda: worker.metric("partitions", state="ready") == 4, 30, "all ready")
        worker.kill()
        again = fleet.start()
        wait_until(lambda: again.metric("messages_total") == 2, 40, "the same after a restart")


def test_names_of_headers_that_are_no_text_stop_neither_a_worker_nor_an_audit_nor_a_rebuild(
    broker: str, tmp_path: Path
) -> None:
    """librdkafka takes any bytes for a name, and so do brokers."""
    with Fleet(broker, tmp_path) as fleet:
        at = place("murmur2", "s01", PARTITIONS)

        async def write() -> None:
            producer = AIOKafkaProducer(**fleet.connection.settings("tests"))
            await producer.start()
            batch = producer.create_batch()
            values = message(1), b"{", message(2)
            for value in values:
                batch.append(key=b"s01", value=value, timestamp=None, headers=[(PLACEHOLDER, b"1")])
            batch._buffer = spoilt(bytes(batch._build()))
            await (await producer.send_batch(batch, fleet.topic("chat"), partition=at))
            await producer.stop()

        worker = fleet.start()
        wait_until(worker.owns, 40, "a worker at work")
        asyncio.run(write())
        asyncio.run(produce(fleet.connection, [(fleet.topic("chat"), at, message(3))]))
        fleet.settle()
        wait_until(lambda: worker.metric("messages_total") == 3, 30, "figures, which may be a second old")
        [letter] = fleet.read("dead-letters")
        assert (NAME, b"1") in letter.headers
        source, out = f"kafka://{broker}/{fleet.name}.", tmp_path / "audit"
        run = CliRunner().invoke(cli, ["replay", source, "--out", str(out), "--workers", "1", "--json"])
        assert run.exit_code == 0, run.output
        counts = json.loads(run.output)["counts"]
        assert (counts["accepted"], counts["rejected"]) == (3, 1)
        worker.send(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert "every figure goes on" in rebuilt(fleet)


def test_a_record_on_a_partition_that_is_not_its_shops_is_set_aside_with_the_way_out(
    broker: str, tmp_path: Path
) -> None:
    with Fleet(broker, tmp_path) as fleet:
        right = place("murmur2", "s01", PARTITIONS)
        wrong = (right + 1) % PARTITIONS
        chat = fleet.topic("chat")
        asyncio.run(produce(fleet.connection, [(chat, right, message(1)), (chat, wrong, message(2))]))
        fleet.start()
        fleet.settle()
        [letter] = [dict(record.headers) for record in fleet.read("dead-letters")]
        assert letter["cs-reason"] == b"wrong_partition"
        assert letter["cs-partition"] == str(wrong).encode()
        assert b"librdkafka: partitioner=murmur2" in letter["cs-error"]


@pytest.mark.parametrize("partitioner", ["murmur2", "crc32"])
def test_every_shop_has_one_partition(partitioner: str) -> None:
    for shop in ("s01", "店铺", "x" * 128):
        right = place(partitioner, shop, 12)
        told = [misplaced(partitioner, number, 12) for number in range(12)]
        assert [number for number, wrong in enumerate(told) if wrong is not None and wrong(shop) is None] == [
            right
        ]


def test_any_partitioner_is_not_checked() -> None:
    assert misplaced("any", 3, 12) is None


@pytest.mark.slow
def test_sigterm_under_load_ends_in_order(broker: str, tmp_path: Path) -> None:
    with Fleet(broker, tmp_path) as fleet:
        log = shop_log(8_000)
        fleet.write(log)
        first = fleet.start()
        wait_until(lambda: first.metric("events_total") > 500, 60, "work")
        before = fleet.shown()
        first.send(signal.SIGTERM)
        assert first.wait(10) == 0
        after = fleet.shown()
        assert all(after[place] >= position for place, position in before.items()), (
            "the group's offsets go forward"
        )
        began_s = time.monotonic()
        fleet.read("facts")
        assert time.monotonic() - began_s < 10, "no transaction holds readers up, for 15 s at the longest"
        fleet.start()
        fleet.settle()
        assert_equals_replay(fleet)
