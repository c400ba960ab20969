"""How soon the worker tells, on a real Kafka: `python -m tests.bench.bench_live`.

From the instant at which a wait passes a level to the alert that a reader of committed records gets, at a steady load;
the longest silence of the facts, in calm and while workers join, leave and are killed; and how long a worker with
100,000 open customers takes until it is ready again.
"""

import argparse
import asyncio
import random
import statistics
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import orjson
from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]
from confluent_kafka import Producer

from csstream.kafka.topics import ensure
from csstream.ledgers.kafka import Connection
from tests.bench.watched import Worker, applied
from tests.kafka.node import Node

PARTITIONS = 4
SHOPS = 64


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def message(place: int, customer: int, sender: str, at: int) -> tuple[bytes, bytes]:
    """A record: shop and message."""
    shop = f"s{customer % SHOPS}"
    said = {
        "id": f"m{place}-{at}",
        "type": "message",
        "ts": at,
        "shop": shop,
        "customer": f"c{customer}",
        "agent": f"a{customer % 40}",
        "sender": sender,
        "text": "请问这款有货吗",
    }
    return shop.encode(), orjson.dumps(said)


class Load(threading.Thread):
    """Customers who write and are answered, at a steady rate; one in `slow` waits longer than the first levels."""

    def __init__(self, broker: str, rate: int, slow: int, topic: str = "cs.chat") -> None:
        super().__init__(daemon=True)
        self._topic = topic
        self._producer = Producer({"bootstrap.servers": broker, "linger.ms": 5, "partitioner": "murmur2"})
        self._rate = rate
        self._slow = slow
        self._ended = threading.Event()

    def run(self) -> None:
        """Every 20 ms what is due by then."""
        began, sent, customer = time.monotonic(), 0, 0
        answers: list[tuple[float, int]] = []
        draw = random.Random(1)
        while not self._ended.wait(0.02):
            elapsed = time.monotonic() - began
            ripe = [customer for at, customer in answers if at <= elapsed]
            answers = [(at, customer) for at, customer in answers if at > elapsed]
            for answered in ripe:
                self._send(sent, answered, "human")
                sent += 1
            while sent < elapsed * self._rate:
                self._send(sent, customer, "customer")
                wait = 45.0 if customer % self._slow == 0 else draw.uniform(1, 6)
                answers.append((elapsed + wait, customer))
                sent += 1
                customer += 1
            self._producer.poll(0)

    def _send(self, place: int, customer: int, sender: str) -> None:
        self.send(*message(place, customer, sender, now_ms()))

    def send(self, key: bytes, value: bytes) -> None:
        """One record more, at once."""
        self._producer.produce(self._topic, value, key)

    def end(self) -> None:
        """Stop, and have all delivered."""
        self._ended.set()
        self.join()
        self._producer.flush(30)


class Reader:
    """Committed records of a topic as they become visible: (ms of arrival, partition, value)."""

    def __init__(self, broker: str, topic: str) -> None:
        self.seen: list[tuple[int, int, bytes]] = []
        self._consumer = AIOKafkaConsumer(
            topic,
            bootstrap_servers=broker,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
        )
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Reader":
        await self._consumer.start()
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
        await self._consumer.stop()

    async def _read(self) -> None:
        while True:
            for place, records in (await self._consumer.getmany(timeout_ms=100)).items():
                at = now_ms()
                self.seen += [(at, place.partition, record.value) for record in records]

    def silences(self, since_ms: int) -> dict[int, int]:
        """The longest silence of each partition from then to now, in ms."""
        last = dict.fromkeys(range(PARTITIONS), since_ms)
        longest = dict.fromkeys(range(PARTITIONS), 0)
        for at, partition in [(at, place) for at, place, _ in self.seen if at >= since_ms] + [
            (now_ms(), place) for place in range(PARTITIONS)
        ]:
            longest[partition] = max(longest[partition], at - last[partition])
            last[partition] = at
        return longest


def quantiles(values: list[float]) -> str:
    """The median and the worst."""
    if len(values) < 2:
        return f"{len(values)} samples"
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {cuts[49]:,.0f} ms, p99 {cuts[98]:,.0f} ms, worst {max(values):,.0f} ms ({len(values):,})"


async def told(broker: str, rate: int, seconds: float) -> None:
    """Deadline to committed alert."""
    running = Worker(broker)
    load = Load(broker, rate, slow=20)
    try:
        await ready(running, PARTITIONS)
        async with Reader(broker, "cs.alerts") as alerts, Reader(broker, "cs.facts") as facts:
            load.start()
            await asyncio.sleep(5)
            calm = now_ms()
            await asyncio.sleep(seconds)
            delays = [
                at - alert["ts"]
                for at, _, value in alerts.seen
                if (alert := orjson.loads(value))["state"] == "firing"
                and alert["rule"] == "wait"
                and at > calm
            ]
            print(f"{rate:,} records/s: deadline to committed alert: {quantiles(delays)}")
            print(f"{rate:,} records/s: longest silence of facts: {max(facts.silences(calm).values()):,} ms")
    finally:
        load.end()
        running.end()


async def disturbed(broker: str, rate: int, kills: int) -> None:
    """Silence of a partition while workers join, leave, are killed, and are lost with their machine."""
    first = Worker(broker)
    load = Load(broker, rate, slow=20)
    workers = [first]
    try:
        await ready(first, PARTITIONS)
        async with Reader(broker, "cs.facts") as facts:
            load.start()
            await asyncio.sleep(8)
            worst: dict[str, int] = {}
            for what in ("join", "leave", *("join", "kill", "join", "lose") * kills):
                since, loaded = now_ms(), len(first.loads())
                if what == "join":
                    workers.append(Worker(broker))
                    await loads(workers[-1], PARTITIONS // 2)
                else:
                    leaving = workers.pop()
                    ways = {"leave": leaving.end, "kill": leaving.kill, "lose": leaving.lose}
                    await asyncio.to_thread(ways[what])
                    await loads(first, loaded + PARTITIONS // 2)
                await asyncio.sleep(3)
                silences = sorted(facts.silences(since).values())
                print(f"{rate:,} records/s: {what}: longest silence of a partition, ms: {silences}")
                worst[what] = max(worst.get(what, 0), silences[-1])
            print(f"{rate:,} records/s, {kills} times killed and lost each, worst, ms: {worst}")
    finally:
        load.end()
        for worker in workers:
            worker.end()


async def loads(worker: Worker, times: int) -> None:
    """Wait until a worker has taken over so many partitions so far; a scrape would cost more than this."""
    async with asyncio.timeout(60):
        while len(worker.loads()) < times:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.2)


async def ready(worker: Worker, partitions: int) -> None:
    """Wait until a worker has so many partitions at work."""
    await asyncio.to_thread(worker.until, "csstream_partitions", partitions, 60.0, 'state="ready"')


def backlog(customers: int, messages: int) -> Iterator[tuple[bytes, bytes]]:
    """An hour of talk, each question answered within 20 s, or 45 s in every tenth chat; then each customer asks once
    more, and waits."""
    end = now_ms()
    said = []
    for customer in range(customers):
        begins = end - 3_600_000 + customer * 3_000_000 // customers
        answer = 45_000 if customer % 10 == 0 else 20_000
        for turn in range(messages - 1):
            at = begins + turn // 2 * 60_000 + turn % 2 * answer
            said.append((at, customer, "human" if turn % 2 else "customer"))
        said.append((end - 25_000 + customer * 20_000 // customers, customer, "customer"))
    said.sort()
    for place, (at, customer, sender) in enumerate(said):
        yield message(place, customer, sender, at)


async def recovery(broker: str, customers: int, messages: int) -> None:
    """A backlog without a needless page, scraped meanwhile; then from assignment to ready, every customer waiting."""
    producer = Producer(
        {
            "bootstrap.servers": broker,
            "linger.ms": 20,
            "partitioner": "murmur2",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for place, (key, value) in enumerate(backlog(customers, messages)):
        producer.produce("cs.chat", value, key)
        if place % 2000 == 0:
            producer.poll(0)
    producer.flush(120)
    written_ms = now_ms()
    async with Reader(broker, "cs.alerts") as alerts:
        first = Worker(broker)
        try:
            scrapes, took_s = await asyncio.to_thread(worked_off, first, customers * messages)
        finally:
            first.kill()
        print(
            f"backlog of {customers * messages:,} events: {took_s:.1f} s, the start of the program included"
        )
        print(f"a scrape meanwhile: {quantiles(scrapes)}")
        await asyncio.sleep(2)
        print(f"of it {pages(alerts.seen, written_ms)}")
    again = Worker(broker)
    try:
        took_s = await asyncio.to_thread(
            again.until, "csstream_partitions", PARTITIONS, 120.0, 'state="ready"'
        )
        print(
            f"{customers:,} open customers: ready {max(again.loads()):.1f} s after the assignment, "
            f"{took_s:.1f} s after the start"
        )
    finally:
        again.end()


def worked_off(worker: Worker, events: int) -> tuple[list[float], float]:
    """How long scrapes took (ms) until all events were applied, and how long that took (s)."""
    began = time.monotonic()
    scrapes = []
    while True:
        asked = time.monotonic()
        text = worker.text()
        took_ms = (time.monotonic() - asked) * 1000
        done = applied(text)
        if done:
            scrapes.append(took_ms)
        if done >= events:
            return scrapes, time.monotonic() - began
        if time.monotonic() - began > 280:
            raise TimeoutError(f"{done} of {events} events applied")
        time.sleep(0.2)


def pages(seen: list[tuple[int, int, bytes]], written_ms: int) -> str:
    """How many alerts somebody would be told of singly although their customer had his reply in the backlog.

    What is read more than `alert.stale_after` (120 s) after its `ts` is not told singly, nor what ends within a second.
    """
    fired: dict[str, tuple[int, int]] = {}
    ended: dict[str, tuple[int, int]] = {}
    for at, _, value in seen:
        alert = orjson.loads(value)
        known = fired if alert["state"] == "firing" else ended
        known.setdefault(alert["alert"], (at, alert["ts"]))
    needless = [
        name
        for name, (at, ts) in fired.items()
        if at - ts <= 120_000
        and name in ended
        and ended[name][1] < written_ms
        and ended[name][0] - at > 1_000
    ]
    return f"{len(fired):,} alerts fired, and {len(needless)} would be told that had ended before the start"


async def main() -> None:
    """Each on a node of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=10, help="of a customer in the backlog")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--only", choices=("told", "calm", "disturbed", "recovery"))
    given = parser.parse_args()
    runs: dict[str, Callable[[str], Awaitable[None]]] = {
        "told": lambda broker: told(broker, 2_000, given.seconds),
        "calm": lambda broker: told(broker, 400, given.seconds),
        "disturbed": lambda broker: disturbed(broker, 400, given.kills),
        "recovery": lambda broker: recovery(broker, given.customers, given.messages),
    }
    for name, run in runs.items():
        if given.only in (None, name):
            with Node() as node:
                await ensure(Connection(node.address), asked=PARTITIONS)
                await run(node.address)


if __name__ == "__main__":
    asyncio.run(main())
