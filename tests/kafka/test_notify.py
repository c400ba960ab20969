"""`csstream notify` on a real broker: a process that follows committed alerts, is killed, replaced and goes on."""

import asyncio
import json
import secrets
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from csstream.core.alert import Alert, encode
from csstream.kafka.topics import NOTIFIED, TOPICS, Topic, ensure
from csstream.ledgers.kafka import Connection
from csstream.notify.message import short_id
from tests.canary import MARK
from tests.kafka.conftest import delete
from tests.kafka.node import Node
from tests.notify.days import T, alert, ended, level
from tests.notify.service import Service
from tests.notify.test_crash import Notifier, folder_of, id_of, running, texts, until

PARTITIONS = 3


def renamed(topic: Topic, prefix: str) -> Topic:
    """The topic of another system on the same broker."""
    return Topic(topic.name.replace("cs.", prefix), topic.purpose, topic.ours, topic.settings)


@pytest.fixture
async def prefix(connection: Connection) -> AsyncIterator[str]:
    """Topics of this test's own."""
    own = f"cs-notify-{secrets.token_hex(4)}."
    topics = [renamed(topic, own) for topic in (*(t for t in TOPICS if t.name == "cs.alerts"), NOTIFIED)]
    await ensure(connection, topics, asked=PARTITIONS)
    yield own
    await delete(connection, *(topic.name for topic in topics))


class Publisher:
    """Publishes alerts as a worker does: in transactions, a shop in one partition."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self.topic = f"{prefix}alerts"
        self.producer = AIOKafkaProducer(
            **connection.settings("tests"), transactional_id=f"{prefix}tests", linger_ms=0
        )

    async def publish(self, *alerts: Alert, commit: bool = True) -> None:
        """One transaction; not committed it is taken back."""
        async with asyncio.timeout(20):
            await self.producer.begin_transaction()
            for one in alerts:
                place = int(one.shop[1:]) % PARTITIONS
                await self.producer.send_and_wait(self.topic, encode(one), partition=place)
            await (self.producer.commit_transaction() if commit else self.producer.abort_transaction())


@pytest.fixture
async def publisher(connection: Connection, prefix: str) -> AsyncIterator[Publisher]:
    """A publisher, started."""
    publisher = Publisher(connection, prefix)
    await publisher.producer.start()
    yield publisher
    await publisher.producer.stop()


def command(connection: Connection, prefix: str, folder: Path) -> tuple[str, ...]:
    """The command line of the notifier."""
    return (
        "csstream", "notify", "--alerts", str(folder / "notify.toml"), "--broker", connection.broker,
        "--application", prefix + "app", "--topics-prefix", prefix, "--port", "0",
    )  # fmt: skip


def now_s() -> float:
    """Seconds since the day's 10:00:00."""
    return (time.time_ns() // 1_000_000 - T) / 1000


def metrics(notifier: Notifier) -> str:
    """/metrics of the process that is running."""
    address = notifier.said.decode().rpartition("metrics on ")[2].split()[0]
    return str(urllib.request.urlopen(address, timeout=5).read().decode())


async def test_every_committed_alert_is_told_once_whoever_is_killed_in_between(
    connection: Connection, prefix: str, publisher: Publisher, tmp_path: Path
) -> None:
    begun = now_s()
    wanted = [alert(f"overload|s{n}|a|1", begun + n / 4, shop=f"s{n}") for n in range(16)]
    faults = ["500", "ok", "errcode", "ok", "half", "ok", "429"]
    async with (
        Service(faults) as service,
        running(*command(connection, prefix, folder_of(tmp_path, service.port))) as notifier,
    ):
        await publisher.publish(alert("overload|s0|never|1", begun, shop="s0"), commit=False)
        await notifier.start()
        for number, one in enumerate(wanted):
            await publisher.publish(one)
            if number in {5, 9, 12}:
                await until(lambda: len(service.requests) > 1)
                await notifier.end()
                await notifier.start()
        ids = {short_id(one.alert, "firing") for one in wanted}
        await until(lambda: {id_of(text) for text in texts(service.taken)} >= ids, 60)
        await publisher.publish(*(ended(one, now_s()) for one in wanted))
        ends = {short_id(one.alert, "ended") for one in wanted}
        await until(lambda: {id_of(text) for text in texts(service.taken)} >= ends, 60)
        await until(lambda: 'csstream_notification_oldest_seconds{sink="ops"} 0' in metrics(notifier), 30)
        told = await asyncio.to_thread(metrics, notifier)
        status = await notifier.end(15)
        seen = Counter(id_of(text) for text in texts(service.taken))
        assert set(seen) == ids | ends
        assert sum(seen.values()) - len(seen) <= notifier.deaths == 3
        assert status == 0
        assert b"Traceback" not in notifier.said
        assert MARK.encode() not in notifier.said
        assert MARK not in told
        assert 'csstream_notifications_total{sink="ops",result="sent"}' in told
        assert 'csstream_notification_delay_seconds_bucket{sink="ops",le="1.5"}' in told


async def test_a_second_notifier_takes_over_and_the_first_one_ends(
    connection: Connection, prefix: str, publisher: Publisher, tmp_path: Path
) -> None:
    async with Service() as service:
        words = command(connection, prefix, folder_of(tmp_path, service.port))
        async with running(*words) as first, running(*words) as second:
            await first.start()
            await publisher.publish(level("w", 30, now_s() - 30, shop="s1"))
            await until(lambda: len(service.taken) == 1)
            await second.start()
            await until(lambda: b"metrics on" in second.said)
            one = level("v", 30, now_s() - 30, shop="s1")
            await publisher.publish(one)
            await until(lambda: len(service.taken) == 2)
            assert await asyncio.wait_for(first.process.wait(), 20) == 1
            assert b"another notifier has taken over" in first.said
            assert second.process.returncode is None
        assert [id_of(text) for text in texts(service.taken)][1:] == [short_id(one.alert, "firing")]


def ready(notifier: Notifier) -> bool:
    """Whether /readyz says so."""
    address = notifier.said.decode().rpartition("metrics on ")[2].split()
    try:
        urllib.request.urlopen(address[0].replace("/metrics", "/readyz"), timeout=5)
    except (OSError, IndexError):
        return False
    return True


@pytest.mark.slow
async def test_a_broker_that_is_away_is_told_and_waited_for(
    connection: Connection, prefix: str, mortal: Node, tmp_path: Path
) -> None:
    async with (
        Service() as service,
        running(*command(connection, prefix, folder_of(tmp_path, service.port))) as notifier,
    ):
        await notifier.start()
        await until(lambda: ready(notifier))
        mortal.kill()
        await until(lambda: not ready(notifier), 20)
        await asyncio.to_thread(mortal.go_on)
        publisher = Publisher(connection, prefix)
        await publisher.producer.start()
        await publisher.publish(level("w", 30, now_s() - 30, shop="s1"))
        await until(lambda: len(service.taken) == 1, 60)
        await until(lambda: ready(notifier), 20)
        service.usual = "500"  # so that there is something to be kept when the broker goes again
        await publisher.publish(level("v", 30, now_s() - 30, shop="s1"))
        await publisher.producer.stop()
        await until(lambda: len(service.requests) > 1)
        mortal.kill()
        await until(lambda: not ready(notifier), 20)
        assert await notifier.end(15) == 0
        assert b"Traceback" not in notifier.said


async def test_it_says_that_it_is_ready_once_it_has_read_what_was_there(
    connection: Connection, prefix: str, publisher: Publisher, tmp_path: Path
) -> None:
    await publisher.publish(*(level(f"w{n}", 30, now_s() - 900 + n, shop="s1") for n in range(40)))

    async with (
        Service() as service,
        running(*command(connection, prefix, folder_of(tmp_path, service.port))) as notifier,
    ):
        await notifier.start()
        await until(lambda: ready(notifier))
        await until(lambda: len(service.taken) == 1)
        (request,) = service.taken
        assert "恢复后仍有 40 条告警未解除" in json.loads(request.body)["markdown"]["text"]


async def test_a_missing_topic_is_told_with_the_way_out(connection: Connection, tmp_path: Path) -> None:
    async with running(*command(connection, "cs-none.", folder_of(tmp_path, 9))) as notifier:
        await notifier.start()
        assert await asyncio.wait_for(notifier.process.wait(), 30) == 1
        await notifier.reading
        assert b"cs-none.notified is missing" in notifier.said
        assert b"csstream topics" in notifier.said
