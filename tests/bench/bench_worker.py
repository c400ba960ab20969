"""The worker beside other stream processors, on one real Kafka: `make peers`.

All contenders read the same topics in the same run. The peers do the simple work (one open wait a customer, a fact an
answer), csstream the whole of its definitions, exactly once. Two shapes: many shops over 4 partitions, and one shop
alone in one of 12. A rate of one machine says little; what counts is the ratio. Each runs three times, by turns, and the
median is told.

Each contender times itself in its own process, wall and CPU: those in Python from their first record at hand to the
last one done (`peers/work.py`), where csstream's last is done once it is committed (`timed_worker.py`). Of Kafka Streams
only the second half of the records is measured, for a JIT's beginning says nothing. How warm it is by then depends on
their number: it gets faster up to a million and more, and csstream slower, whose state grows (`--records`).

Where the machine is a virtual one, its host may take away part of the CPU time that is wanted; `taken` says how much of
it meanwhile. Wall figures are lower by that, and figures of a CPU second are not.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import orjson

import csstream.core
import tests
from csstream.kafka.topics import ensure, named
from csstream.ledgers.kafka import Connection
from tests.bench.peers import load
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
    records: int = 400_000


SHAPES = (
    Shape("64 shops over 4 partitions", 64, 4),
    Shape("one shop, one of 12 partitions", 1, 12),
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


def _told(command: Sequence[str], folder: Path | None = None) -> Result:
    paths = {"PYTHONPATH": str(Path(tests.__file__).parents[1])}  # behind `folder`
    run = subprocess.run(
        command, capture_output=True, text=True, timeout=DEADLINE_S, cwd=folder, env=os.environ | paths
    )
    line = re.search(r'\{"records".*\}', run.stdout)
    if line is None:
        raise RuntimeError(f"{command[2:4]} ended without a result: {run.stdout[-500:]} {run.stderr[-1500:]}")
    return Result(**orjson.loads(line[0]))


# ---- csstream -------------------------------------------------------------------------------------------------


def worker(broker: str, shape: Shape, prefix: str, tree: Path | None) -> Result:
    """csstream as an application of its own with topics of its own; `tree`: where another one lies, as a compiled one.

    It is timed as the peers are, from its first record at hand to the commit of its last (`timed_worker`).
    """
    asyncio.run(ensure(Connection(broker), named(prefix)[2], asked=shape.partitions))
    start_ms = int(time.time() * 1000) - 3_600_000
    load.fill(broker, f"{prefix}chat", shape.records, shape.shops, start_ms)
    command = [sys.executable, "-m", "tests.bench.timed_worker", str(shape.records), "--broker", broker,
               "--application", prefix, "--topics-prefix", prefix, "--metrics-port", "0"]  # fmt: skip
    return _told(command, tree)


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
    # All of them: its changelog is written with its checkpoints, each five seconds.
    yield "Quix Streams, state and changelog", run("quix", shape.records)
    yield "bytewax, keyed state (nothing kept)", run("bytewax_flow", shape.records // 2)
    yield "raw aiokafka (nothing kept)", run("raw", shape.records)
    yield "Kafka Streams exactly_once_v2, 1 thread", lambda: _warm(node, shape)


def main() -> None:
    """Print a table a shape."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=SHAPES[0].records, help="records in the topic")
    parser.add_argument("--few", type=int, default=100_000, help="records for the slow ones")
    parser.add_argument("--only", default="", help="contenders whose name holds this")
    parser.add_argument("--shape", default="", help="shapes whose name holds this")
    parser.add_argument("--compiled", type=Path, help="a folder with a csstream whose core is compiled")
    parser.add_argument("--turns", type=int, default=3, help="runs of each; told is their median")
    given = parser.parse_args()
    print(f"Python {sys.version}")
    for shape in (replace(shape, records=given.records) for shape in SHAPES if given.shape in shape.name):
        runs: dict[str, list[tuple[float, float, float]]] = {}
        for turn in range(given.turns):
            with Node() as node:  # a new one each time: it compacts for a while what was written before
                load.make(node.address, {"bench.facts": shape.partitions, TOPIC: shape.partitions})
                load.fill(
                    node.address, TOPIC, shape.records, shape.shops, int(time.time() * 1000) - 3_600_000
                )
                for name, run in contenders(node.address, shape, given.few, given.compiled):
                    if given.only not in name:
                        continue
                    before = _cpu_times()
                    result = run()
                    wanted, taken = (now - then for now, then in zip(_cpu_times(), before, strict=True))
                    runs.setdefault(name, []).append((result.rate, result.cpu_rate, taken / wanted))
                    print(f"  {turn + 1} {name}: {result.rate:,.0f}", file=sys.stderr)
        print(f"{shape.name}: {shape.records:,} records")
        print(f"  {'':42} {'records/s':>10} {'per CPU s':>10} {'taken':>6}  the first is")
        _print(runs)


def _print(runs: Mapping[str, Sequence[tuple[float, float, float]]]) -> None:
    """The median of each column, and the first contender's rates by those of each other one."""
    rows = {name: [median(column) for column in zip(*each, strict=True)] for name, each in runs.items()}
    for number, (name, (rate, cpu_rate, taken)) in enumerate(rows.items()):
        own_rate, own_cpu_rate, _ = next(iter(rows.values()))
        ratios = f"  {own_rate / rate:5.2f} x  {own_cpu_rate / cpu_rate:5.2f} x per CPU s" if number else ""
        print(f"  {name:42} {rate:>10,.0f} {cpu_rate:>10,.0f} {taken:>6.0%}{ratios}", flush=True)


def _cpu_times() -> tuple[int, int]:
    """Time of all processors since the start that somebody wanted, and what of it the host took away."""
    user, nice, system, _idle, _waiting, irq, softirq, stolen = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return user + nice + system + irq + softirq + stolen, stolen


if __name__ == "__main__":
    main()
