"""How soon people are told, on a real Kafka: `python -m tests.bench.bench_notify`.

From the instant at which a wait passes a level, through worker, `cs.alerts` and notifier, to the request that a sink
gets, while a steady load of customers who are answered in time goes through the same worker; once with
`notify.settle` 0 and once with its default of 1 s, which is then part of it. And how soon a notifier that starts on a
backlog has told of it.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]

from csstream.core.alert import encode
from csstream.kafka.topics import NOTIFIED, TOPICS, ensure
from csstream.ledgers.kafka import Connection
from tests.bench.bench_live import Load, now_ms, quantiles
from tests.bench.watched import Worker
from tests.kafka.node import Node
from tests.notify.days import T, ended, level
from tests.notify.service import Service
from tests.notify.test_crash import until

PARTITIONS = 4
SLOW = 1_000
LONG_S = 35.0
"""By then customers pass 30 s as fast as they pass 15 s."""

QUIET = (
    "--set", "storm.waits=1000000", "--set", "overload.open_waits=1000000", "--set", "overload.over_30=1000000",
    "--set", "overload.concurrent=1000000", "--set", "reply_rate.after=1000000",
)  # fmt: skip
"""A few hundred invented agents get two thousand messages a second: all rules but those on waits would ring."""

CONFIG = """
[sinks.ops]
kind = "webhook"
url = "{url}"
allow_private = true

[[routes]]
sinks = ["ops"]
"""


def start(*words: str) -> "subprocess.Popen[bytes]":
    """A command of csstream."""
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "csstream", *words]
    return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)


def notifier(broker: str, folder: Path, url: str, *more: str) -> "subprocess.Popen[bytes]":
    """`csstream notify`."""
    (folder / "alerts.toml").write_text(CONFIG.format(url=url), "utf-8")
    return start("notify", "--alerts", str(folder / "alerts.toml"), "--broker", broker, "--port", "0", *more)


def mean_ms(worker: Worker, histogram: str) -> float:
    """The mean of a histogram of a worker."""
    count = worker.total(f"csstream_{histogram}_count")
    return 1000 * worker.total(f"csstream_{histogram}_sum") / max(1.0, count)


async def told(broker: str, folder: Path, rate: int, seconds: float, settle: str) -> None:
    """Deadline to request. One customer in `SLOW` waits past the first two levels; nobody else is told of."""
    async with Service() as service:
        worker = Worker(broker, *QUIET)
        notify = notifier(broker, folder, service.url, "--set", f"notify.settle={settle}")
        load = Load(broker, rate, slow=SLOW)
        try:
            await asyncio.to_thread(worker.until, "csstream_partitions", PARTITIONS, 60.0, 'state="ready"')
            load.start()
            await asyncio.sleep(LONG_S)  # until levels are passed at the rate of the load
            calm, before_s = now_ms(), worker.cpu_seconds()
            applied = worker.applied()
            await asyncio.sleep(seconds)
            done_ms, used_s = now_ms(), worker.cpu_seconds() - before_s
            applied = await asyncio.to_thread(worker.applied) - applied
            await asyncio.sleep(3)  # for those of the last moment
            delays: list[float] = []
            ids: set[str] = set()
            for request in service.taken:
                event = request.json
                [alert] = event["data"]["alerts"]
                if event["type"] == "csstream.alert.firing" and calm <= alert["ts"] < done_ms:
                    delays.append(request.at_ms - alert["ts"])
                    ids.add(alert["alert"])
            assert len(ids) == len(delays), "told twice"
            print(
                f"{applied * 1000 / (done_ms - calm):,.0f} events/s ({100_000 * used_s / (done_ms - calm):.0f} % of a core), "
                f"settle {settle}: deadline to the sink's request: {quantiles(delays)}"
            )
            commits, steps = mean_ms(worker, "alert_delay_seconds"), mean_ms(worker, "step_seconds")
            print(f"  of it up to the commit {commits:,.0f} ms in the mean; a step takes {steps:,.0f} ms")
        finally:
            load.end()
            notify.terminate()
            notify.wait(20)
            worker.end()


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
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=2_000, help="events a second")
    parser.add_argument("--backlog", type=int, default=200_000)
    parser.add_argument("--only", choices=("told", "settled", "backlog"))
    given = parser.parse_args()
    runs: dict[str, Callable[[str, Path], Awaitable[None]]] = {
        "told": lambda broker, folder: told(broker, folder, given.rate, given.seconds, "0s"),
        "settled": lambda broker, folder: told(broker, folder, given.rate, given.seconds, "1s"),
        "backlog": lambda broker, folder: backlog(broker, folder, given.backlog),
    }
    for name, run in runs.items():
        if given.only in (None, name):
            with Node() as node, tempfile.TemporaryDirectory() as folder:
                await ensure(Connection(node.address), [*TOPICS, NOTIFIED], asked=PARTITIONS)
                await run(node.address, Path(folder))


if __name__ == "__main__":
    asyncio.run(main())
