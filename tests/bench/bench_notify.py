"""How soon people are told, on a real Kafka: `python -m tests.bench.bench_notify`.

From the instant at which a wait passes a level, through worker, `cs.alerts` and notifier, to the request that a sink
gets; `notify.settle` (1 s) is part of it. And how many alerts a second a notifier takes in that starts on a backlog.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from csstream.core.rules import encode
from csstream.kafka.topics import NOTIFIED, TOPICS, ensure
from csstream.ledgers.kafka import Connection
from tests.kafka.node import Node
from tests.notify.days import T, ended, level
from tests.notify.service import Service
from tests.notify.test_crash import until

PARTITIONS = 4
CONFIG = """
[sinks.ops]
kind = "webhook"
url = "{url}"
allow_private = true

[[routes]]
sinks = ["ops"]
"""


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def start(*words: str) -> "subprocess.Popen[bytes]":
    """A command of csstream."""
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "csstream", *words]
    return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)


def notifier(broker: str, folder: Path, url: str) -> "subprocess.Popen[bytes]":
    """`csstream notify`."""
    (folder / "alerts.toml").write_text(CONFIG.format(url=url), "utf-8")
    return start("notify", "--alerts", str(folder / "alerts.toml"), "--broker", broker, "--port", "0")


async def told(broker: str, folder: Path, rate: int, seconds: float) -> None:
    """Deadline to request."""
    async with Service() as service:
        running = [
            start(
                "worker", "--broker", broker, "--metrics-port", "0",
                "--set", "alert.levels=2s warning", "--set", "storm.waits=1000000",
            ),
            notifier(broker, folder, service.url),
        ]  # fmt: skip
        producer = AIOKafkaProducer(bootstrap_servers=broker, linger_ms=0)
        await producer.start()
        try:
            await asyncio.sleep(
                12
            )  # until both are up: what is told later than that would count against them
            sent, began = 0, time.monotonic()
            while time.monotonic() - began < seconds:
                at = now_ms()
                said = {"id": f"m{sent}", "type": "message", "ts": at, "shop": f"s{sent % 16}",
                        "customer": f"c{sent}", "agent": f"a{sent}", "sender": "customer"}  # fmt: skip
                await producer.send("cs.chat", orjson.dumps(said), key=f"s{sent % 16}".encode())
                sent += 1
                await asyncio.sleep(max(0.0, began + sent / rate - time.monotonic()))

            def waits() -> list[int]:
                found = []
                for request in service.taken:
                    event = request.json
                    alert = event["data"]["alerts"][0]
                    if event["type"] == "csstream.alert.firing" and alert["rule"] == "wait":
                        found.append(request.at_ms - alert["ts"])
                return found

            await until(lambda: len(waits()) == sent, 60)
            delays = waits()
            cuts = statistics.quantiles(delays, n=100)
            print(
                f"{rate} alerts a second: deadline to the sink's request: p50 {cuts[49]:,.0f} ms, "
                f"p99 {cuts[98]:,.0f} ms, worst {max(delays):,} ms ({len(delays):,} alerts, each told once)"
            )
        finally:
            await producer.stop()
            for process in running:
                process.terminate()
                process.wait(20)


async def backlog(broker: str, folder: Path, number: int) -> None:
    """Alerts of an outage, most of them over by now."""
    producer = AIOKafkaProducer(bootstrap_servers=broker, linger_ms=20)
    await producer.start()
    since = (now_ms() - T) / 1000 - 3_600
    for n in range(number // 2):
        one = level(f"w{n}", 30, since, shop=f"s{n % 16}")
        await producer.send("cs.alerts", encode(one), partition=n % PARTITIONS)
        over = ended(one, since + 60) if n % 101 else one
        await producer.send("cs.alerts", encode(over), partition=n % PARTITIONS)
    await producer.stop()
    async with Service() as service:
        began = time.monotonic()
        running = notifier(broker, folder, service.url)
        try:
            await until(lambda: len(service.taken) == 16, 300)
            took = time.monotonic() - began
            print(
                f"backlog of {number:,} alerts: one summary for each of 16 shops {took:.1f} s after the start, "
                "10 s of them by rule, the start of the program included"
            )
        finally:
            running.terminate()
            running.wait(20)


async def main() -> None:
    """Each on a node of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rate", type=int, default=5, help="alerts a second")
    parser.add_argument("--backlog", type=int, default=200_000)
    parser.add_argument("--only", choices=("told", "backlog"))
    given = parser.parse_args()
    runs: dict[str, Callable[[str, Path], Awaitable[None]]] = {
        "told": lambda broker, folder: told(broker, folder, given.rate, given.seconds),
        "backlog": lambda broker, folder: backlog(broker, folder, given.backlog),
    }
    for name, run in runs.items():
        if given.only in (None, name):
            with Node() as node, tempfile.TemporaryDirectory() as folder:
                await ensure(Connection(node.address), [*TOPICS, NOTIFIED], asked=PARTITIONS)
                await run(node.address, Path(folder))


if __name__ == "__main__":
    asyncio.run(main())
