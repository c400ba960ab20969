"""The longest silence at a steady load, beside other stream processors: `python -m tests.bench.bench_silence`.

Each contender alone, on a node of its own with 4 partitions, reads 400 messages a second that are answered after some
seconds. What counts is the longest time in which a reader of committed records got no fact of some partition.
"""

import argparse
import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from csstream.kafka.topics import ensure
from csstream.ledgers.kafka import Connection
from tests.bench.bench_live import PARTITIONS, Load, Reader, now_ms
from tests.bench.bench_worker import DEADLINE_S, TOPIC, peer, streams
from tests.bench.peers import load
from tests.bench.watched import Worker
from tests.kafka.node import Node

RATE = 400
BEFORE_S = 10.0
"""From the first fact of the last partition until silences count: programs are started, and warm, by then."""

ENDLESS = 1 << 40

Contender = tuple[str, str, str, Callable[[str], AbstractContextManager[object]]]
"""Its name, the topics it reads and writes, and what runs it at a broker."""


@contextmanager
def worker(broker: str, tree: Path | None) -> Iterator[None]:
    """csstream."""
    running = Worker(broker, tree=tree)
    try:
        yield
    finally:
        running.end()


@contextmanager
def peers(command: AbstractContextManager[list[str]]) -> Iterator[None]:
    """A peer, ended by its process id."""
    with command as given:
        running = subprocess.Popen(given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            running.kill()
            running.wait()


def contenders(tree: Path | None) -> Iterator[Contender]:
    """Who sends facts; bytewax and raw aiokafka send none here."""
    yield "csstream", "cs.chat", "cs.facts", lambda broker: worker(broker, tree)
    for name, module in (
        ("Faust, dictionary", "faust_items"),
        ("Faust, Table", "faust_table"),
        ("Quix Streams", "quix"),
    ):
        yield name, TOPIC, "bench.facts", _python(module)
    yield (
        "Kafka Streams exactly_once_v2",
        TOPIC,
        "bench.facts",
        lambda broker: peers(streams(broker, ENDLESS, ENDLESS, 1)),
    )


def _python(module: str) -> Callable[[str], AbstractContextManager[object]]:
    return lambda broker: peers(nullcontext(peer(module, broker, PARTITIONS, ENDLESS)))


async def silence(broker: str, contender: Contender, seconds: float) -> int:
    """The longest silence of one contender (ms). Raises `TimeoutError` where no facts come."""
    _, reads, writes, run = contender
    sending = Load(broker, RATE, ENDLESS, reads)
    with run(broker):
        try:
            async with Reader(broker, writes) as facts:
                sending.start()
                end = time.monotonic() + DEADLINE_S
                while len({partition for _, partition, _ in facts.seen}) < PARTITIONS:
                    if time.monotonic() > end:
                        raise TimeoutError(f"no facts of every partition within {DEADLINE_S:.0f} s")
                    await asyncio.sleep(0.1)
                await asyncio.sleep(BEFORE_S)
                since = now_ms()
                await asyncio.sleep(seconds)
                return max(facts.silences(since).values())
        finally:
            sending.end()


async def main() -> None:
    """A line a contender."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--only", default="", help="contenders whose name holds this")
    parser.add_argument("--compiled", type=Path, help="a folder with a csstream whose core is compiled")
    given = parser.parse_args()
    for contender in contenders(given.compiled):
        if given.only in contender[0]:
            with Node() as node:
                await ensure(Connection(node.address), asked=PARTITIONS)
                load.make(node.address, {"bench.facts": PARTITIONS, TOPIC: PARTITIONS})
                print(
                    f"{contender[0]:32} {await silence(node.address, contender, given.seconds):>8,} ms",
                    flush=True,
                )


if __name__ == "__main__":
    asyncio.run(main())
