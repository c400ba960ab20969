"""The worker beside other stream processors, on one real Kafka: `make peers`.

All contenders read the same topics in the same run. The peers do the simple work (one open wait a customer, a fact an
answer), csstream the whole of its definitions, exactly once. Two shapes: many shops over 4 partitions, and one shop
alone in one of 12. A rate of one machine says little; what counts is the ratio. Kafka Streams is measured warm.
"""

import argparse
import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

import csstream.core
from csstream.kafka.topics import ensure, named
from csstream.ledgers.kafka import Connection
from tests.bench.peers import load
from tests.bench.watched import Worker
from tests.kafka.node import Node, fetched, java

PEERS = Path(__file__).parent / "peers"
DEADLINE_S = 180.0
TOPIC = "bench.chat"
"""What the peers read; csstream has topics of its own, filled with the same."""


@dataclass(frozen=True)
class Shape:
    """How the load lies in the topic."""

    name: str
    shops: int
    partitions: int
    records: int


SHAPES = (
    Shape("64 shops over 4 partitions", 64, 4, 400_000),
    Shape("one shop, one of 12 partitions", 1, 12, 400_000),
)


@dataclass(frozen=True)
class Result:
    """What a contender did: records, and seconds of wall and CPU."""

    records: int
    seconds: float
    cpu_seconds: float
    facts: int = 0

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds

    @property
    def cpu_rate(self) -> float:
        """Records a CPU second of the process."""
        return self.records / self.cpu_seconds


def peer(module: str, broker: str, partitions: int, records: int) -> list[str]:
    """How a peer in Python is started, to end after so many records."""
    of = f"tests.bench.peers.{module}"
    return [sys.executable, "-m", of, broker, TOPIC, str(partitions), str(records)]


@contextmanager
def streams(broker: str, warm: int, records: int, threads: int) -> Iterator[list[str]]:
    """How Kafka Streams is started, measured after as many records as it takes to be warm."""
    jars = fetched(PEERS / "pom.xml", "kafka-streams")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{jars}/*:{folder}"
        subprocess.run(
            ["javac", "-cp", path, "-d", folder, str(PEERS / "StreamsPeer.java")], check=True, timeout=120
        )
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
        yield [java(), "-Xmx1g", quiet, f"-Djava.io.tmpdir={folder}", "-cp", path, "StreamsPeer", broker, TOPIC,
               str(warm), str(records), str(threads)]  # fmt: skip


def _warm(broker: str, shape: Shape) -> Result:
    with streams(broker, shape.records // 2, shape.records, 1) as command:
        return _told(command)


def _told(command: Sequence[str]) -> Result:
    run = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    line = re.search(r'\{"records".*\}', run.stdout)
    if line is None:
        raise RuntimeError(f"{command[2:4]} ended without a result: {run.stdout[-500:]} {run.stderr[-1500:]}")
    return Result(**orjson.loads(line[0]))


# ---- csstream -------------------------------------------------------------------------------------------------


def worker(broker: str, shape: Shape, prefix: str, tree: Path | None) -> Result:
    """csstream from its first applied event to the last, as an application of its own with topics of its own."""
    connection = Connection(broker)
    asyncio.run(ensure(connection, named(prefix)[2], asked=shape.partitions))
    start_ms = int(time.time() * 1000) - 3_600_000
    load.fill(broker, f"{prefix}chat", shape.records, shape.shops, start_ms)
    end = time.monotonic() + DEADLINE_S
    running = Worker(broker, "--application", prefix, "--topics-prefix", prefix, tree=tree)
    try:
        while (began := running.applied()) == 0:
            _still(end)
            time.sleep(0.05)
        since, cpu = time.perf_counter(), running.cpu_seconds()
        while (done := running.applied()) < shape.records:
            _still(end)
            time.sleep(0.25)  # a scrape costs the worker a little
        return Result(done - began, time.perf_counter() - since, running.cpu_seconds() - cpu)
    finally:
        running.end()


def _still(end: float) -> None:
    if time.monotonic() > end:
        raise TimeoutError(f"not done within {DEADLINE_S:.0f} s")


# ---- the run --------------------------------------------------------------------------------------------------


def contenders(
    node: str, shape: Shape, few: int, compiled: Path | None
) -> Iterator[tuple[str, Callable[[], Result]]]:
    """Who takes part."""

    def run(module: str, records: int) -> Callable[[], Result]:
        return lambda: _told(peer(module, node, shape.partitions, records))

    if compiled is not None:
        yield "csstream, core compiled", lambda: worker(node, shape, "compiled.", compiled)
    here = "core compiled" if csstream.core.COMPILED else "core in Python"
    yield f"csstream, {here}", lambda: worker(node, shape, "cs.", None)
    yield "Faust, dictionary (nothing kept)", run("faust_items", few)
    yield "Faust, Table", run("faust_table", few // 4)
    yield "Quix Streams, state and changelog", run("quix", few)
    yield "bytewax, keyed state (nothing kept)", run("bytewax_flow", shape.records // 2)
    yield "raw aiokafka (nothing kept)", run("raw", shape.records)
    yield "Kafka Streams exactly_once_v2, 1 thread", lambda: _warm(node, shape)


def main() -> None:
    """Print a table a shape."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--few", type=int, default=100_000, help="records for the slow ones")
    parser.add_argument("--only", default="", help="contenders whose name holds this")
    parser.add_argument("--shape", default="", help="shapes whose name holds this")
    parser.add_argument("--compiled", type=Path, help="a folder with a csstream whose core is compiled")
    given = parser.parse_args()
    for shape in (shape for shape in SHAPES if given.shape in shape.name):
        with Node() as node:
            load.make(node.address, {"bench.facts": shape.partitions, TOPIC: shape.partitions})
            load.fill(node.address, TOPIC, shape.records, shape.shops, int(time.time() * 1000) - 3_600_000)
            print(f"{shape.name}: {shape.records:,} records")
            print(f"  {'':42} {'records/s':>10} {'per CPU s':>10}  the first is")
            own: Result | None = None
            for name, run in contenders(node.address, shape, given.few, given.compiled):
                if given.only not in name:
                    continue
                result = run()
                own = own or result
                times = (
                    ""
                    if result is own
                    else f"  {own.rate / result.rate:5.2f} x  {own.cpu_rate / result.cpu_rate:5.2f} x per CPU s"
                )
                print(f"  {name:42} {result.rate:>10,.0f} {result.cpu_rate:>10,.0f}{times}", flush=True)


if __name__ == "__main__":
    main()
