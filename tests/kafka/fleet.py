"""Workers as they run: processes of the command line on a real broker, and what a committed reader sees of them.

Each fleet has topics and a group of its own, so that tests share a broker and nothing else.
"""

import asyncio
import json
import os
import re
import secrets
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition  # type: ignore[import-untyped]
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete  # type: ignore[import-untyped]
from aiokafka.structs import ConsumerRecord  # type: ignore[import-untyped]

from csstream.core.engine import Engine
from csstream.core.facts import AnyFact
from csstream.events import TOPIC_OF, Reject, decode
from csstream.kafka.topics import ensure, named
from csstream.ledgers.kafka import Connection, KafkaLedger
from csstream.policy import Policy, load
from csstream.replay.job import Job
from csstream.replay.run import run as replay
from tests.kafka.command import Command
from tests.kafka.keeper import read

PARTITIONS = 4

SESSION_S = 6 if os.environ.get("CSSTREAM_TEST_KAFKA") else 3
"""A killed worker holds its partitions up for so long; a broker of somebody else allows no less than 6 s."""


class Process(Command):
    """One worker process."""

    def owns(self) -> bool:
        """Whether it has had a partition ready."""
        return "is ready after" in self.log()

    def _address(self) -> str:
        pattern = re.compile(r"/metrics is on (http://\S+)/metrics")
        wait_until(lambda: pattern.search(self.log()), 30, "an address")
        found = pattern.search(self.log())
        assert found is not None
        return found[1]

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of one of its pages."""
        try:
            with urllib.request.urlopen(self._address() + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of a metric that have these labels; 0 where there is none."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            found = re.fullmatch(r"csstream_(\w+?)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name:
                given = dict(re.findall(r'(\w+)="([^"]*)"', found[2] or ""))
                if labels.items() <= given.items():
                    total += float(found[3])
        return total


class Fleet:
    """Topics, a group and its workers. A context: all its workers are gone after it."""

    def __init__(
        self, broker: str, folder: Path, *, settings: Sequence[str] = (), reached: str | None = None
    ) -> None:
        """`reached`: where the workers reach the broker, if not there where the test does."""
        self.connection = Connection(broker)
        self.reached = reached
        self.name = f"fleet-{secrets.token_hex(4)}"
        self.inputs, self.outputs, self.topics = named(f"{self.name}.")
        self.workers: list[Process] = []
        self.folder = folder
        self.policy: Policy = load("handbook")
        self._settings = settings
        asyncio.run(ensure(self.connection, self.topics, asked=PARTITIONS))

    def start(self, *settings: str, hangs: bool = False) -> Process:
        """One more worker; as `Command` for `hangs`."""
        command = [
            "worker", "--broker", self.reached or self.connection.broker,
            "--application", self.name, "--topics-prefix", f"{self.name}.", "--metrics-port", "0",
            "--group-session", f"{SESSION_S}s", *self._settings, *settings,
        ]  # fmt: skip
        worker = Process(command, self.folder / f"worker-{len(self.workers)}.log", hangs=hangs)
        self.workers.append(worker)
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.kill()
        if error is not None:
            for worker in self.workers:
                print(f"--- {worker.told.name}\n{worker.log()[-6000:]}")
        asyncio.run(self._delete())

    async def _delete(self) -> None:
        admin = AIOKafkaAdminClient(**self.connection.settings("tests"))
        await admin.start()
        try:
            await admin.delete_topics([topic.name for topic in self.topics])
        finally:
            await admin.close()

    # ---- in -------------------------------------------------------------------------------------------------

    def topic(self, name: str) -> str:
        """A topic of this fleet, `chat` for `cs.chat`."""
        return f"{self.name}.{name}"

    def write(self, lines: Iterable[bytes], *, time_ms: int | None = None) -> None:
        """Write events as any producer does, keyed by shop; what is none goes to chat, wherever it falls."""
        asyncio.run(self._write(lines, time_ms))

    async def _write(self, lines: Iterable[bytes], time_ms: int | None) -> None:
        producer = AIOKafkaProducer(
            **self.connection.settings("tests"),
            linger_ms=5,
            max_request_size=20 << 20,
            compression_type="gzip",
        )
        await producer.start()
        try:
            sent = []
            for line in lines:
                event = decode(line)
                topic, key = "cs.chat", line[:3]
                if not isinstance(event, Reject):
                    topic, key = TOPIC_OF[type(event)], event.shop.encode()
                sent.append(
                    await producer.send(
                        self.topic(topic.removeprefix("cs.")), line, key=key, timestamp_ms=time_ms
                    )
                )
            for answer in sent:
                await answer
        finally:
            await producer.stop()

    def send(self, topic: str, value: bytes, *, partition: int = 0) -> None:
        """Write one record, whatever it is."""

        async def write() -> None:
            producer = AIOKafkaProducer(**self.connection.settings("tests"))
            await producer.start()
            try:
                await producer.send_and_wait(self.topic(topic), value, partition=partition)
            finally:
                await producer.stop()

        asyncio.run(write())

    def lose(self, topic: str, *, before: int) -> None:
        """Have the broker drop the oldest records of a topic, as it does by their age."""

        async def delete() -> None:
            admin = AIOKafkaAdminClient(**self.connection.settings("tests"))
            await admin.start()
            try:
                places = [TopicPartition(self.topic(topic), number) for number in range(PARTITIONS)]
                await admin.delete_records(dict.fromkeys(places, RecordsToDelete(before_offset=before)))
            finally:
                await admin.close()

        asyncio.run(delete())

    # ---- out ------------------------------------------------------------------------------------------------

    def read(self, topic: str) -> list[ConsumerRecord]:
        """All that a committed reader sees of a topic, by partition."""

        async def look() -> list[ConsumerRecord]:
            places = range(PARTITIONS)
            lists = await asyncio.gather(*(read(self.connection, self.topic(topic), n) for n in places))
            return [*chain.from_iterable(lists)]

        return asyncio.run(look())

    def shown(self) -> dict[TopicPartition, int]:
        """The group's offsets, as tools for lag see them."""

        async def look() -> dict[TopicPartition, int]:
            async with self._group() as (consumer, places):
                return await committed(consumer, places)

        return asyncio.run(look())

    def settle(self, within_s: float = 60.0) -> None:
        """Wait until the group has shown all records as read."""

        async def look() -> None:
            async with self._group() as (consumer, places):
                end_s = time.monotonic() + within_s
                while await committed(consumer, places) != await consumer.end_offsets(places):
                    assert time.monotonic() < end_s, f"not within {within_s:.0f} s: all is read"
                    await asyncio.sleep(0.2)

        asyncio.run(look())

    @asynccontextmanager
    async def _group(self) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
        """One who looks at the group and is none of it, and all that it reads."""
        consumer = AIOKafkaConsumer(
            **self.connection.settings("tests"), group_id=self.name, enable_auto_commit=False
        )
        await consumer.start()
        try:
            yield consumer, [TopicPartition(topic, n) for topic in self.inputs for n in range(PARTITIONS)]
        finally:
            await consumer.stop()

    def accepted(self) -> list[bytes]:
        """The records of the inputs that are no dead letters."""
        dead = set()
        for record in self.read("dead-letters"):
            headers = dict(record.headers)
            dead.add((headers["cs-topic"].decode(), int(headers["cs-partition"]), int(headers["cs-offset"])))
        return [
            record.value
            for topic in ("chat", "orders", "agents")
            for record in self.read(topic)
            if (record.topic, record.partition, record.offset) not in dead
        ]

    def engines(self) -> list[Engine]:
        """The state of each partition as kept; every worker is fenced by this."""

        async def look(number: int) -> Engine:
            ledger = KafkaLedger(self.connection, self.name, number, self.inputs, self.outputs)
            try:
                rows, _ = await ledger.open()
                return Engine(self.policy, rows)
            finally:
                await ledger.close()

        async def look_at_all() -> list[Engine]:
            return await asyncio.gather(*(look(number) for number in range(PARTITIONS)))

        return asyncio.run(look_at_all())

    def facts(self) -> dict[str, dict[str, Any]]:
        """Last revisions, without what was retracted, and what is not concluded as it stands; `rev` left out."""
        found: dict[str, dict[str, Any]] = {}
        for record in self.read("facts"):
            fact = json.loads(record.value)
            found[fact["fact"]] = fact
        for engine in self.engines():
            for standing in engine.standing():
                found[standing.fact] = as_json(standing)
        for fact in found.values():
            fact.pop("rev", None)
        return {name: fact for name, fact in found.items() if not fact.get("retracted")}

    def alerts(self) -> dict[str, dict[str, Any]]:
        """The last record of each alert, without what was retracted."""
        found = {}
        for record in self.read("alerts"):
            alert = json.loads(record.value)
            found[alert["alert"]] = alert
        return {name: alert for name, alert in found.items() if alert["state"] != "retracted"}

    def revisions(self) -> list[tuple[str, int]]:
        """Every (fact, rev) that was published."""
        return [(f["fact"], f["rev"]) for f in (json.loads(r.value) for r in self.read("facts"))]

    def replayed(self) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        """Facts (`rev` left out) and alerts of a replay of what was accepted."""
        log = self.folder / "accepted.jsonl"
        log.write_bytes(b"\n".join(self.accepted()) + b"\n")
        out = self.folder / "audit"
        replay(Job(inputs=(str(log),), out=out, policies=(self.policy,)))
        facts = [json.loads(line) for line in (out / "facts.jsonl").read_bytes().splitlines()]
        alerts = [json.loads(line) for line in (out / "alerts.jsonl").read_bytes().splitlines()]
        for fact in facts:
            fact.pop("rev", None)
        return {fact["fact"]: fact for fact in facts}, {alert["alert"]: alert for alert in alerts}


async def committed(consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    """What a group has shown as read."""
    shown = await asyncio.gather(*(consumer.committed(place) for place in places))
    return {place: at or 0 for place, at in zip(places, shown, strict=True)}


def as_json(fact: AnyFact) -> dict[str, Any]:
    """A fact as its record would be."""
    from csstream.core.facts import encode

    found: dict[str, Any] = json.loads(encode(fact))
    return found


def wait_until(holds: Callable[[], Any], within_s: float, what: str) -> None:
    """Look until it holds; fails when it does not in time."""
    end_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end_s, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.1)


def cores() -> int:
    """How many cores there are."""
    return len(os.sched_getaffinity(0))
