"""How soon a change is on the screens, on a real Kafka: `python -m tests.bench.bench_wall`.

From the instant at which a customer's message is handed to the producer, through worker, `cs.scoreboard` and
`csstream wall`, to the last of many viewers' streams, while other shops go on at a steady rate.
"""

import argparse
import asyncio
import re
import subprocess
import sys
from contextlib import suppress

import aiohttp
import orjson

from csstream.kafka.topics import ensure
from csstream.ledgers.kafka import Connection
from tests.bench.bench_live import Load, now_ms, quantiles
from tests.bench.watched import Worker
from tests.kafka.node import Node

PARTITIONS = 4
EVERY_S = 0.31
"""Between two messages that are looked for: no multiple of any period of ours."""

MARK = re.compile(rb'"customer":"seen-(\d+)"')


async def look(
    session: aiohttp.ClientSession, address: str, seen: dict[int, int], opened: asyncio.Event
) -> None:
    """One viewer: when each marked customer is shown for the first time (epoch ms)."""
    async with session.get(f"{address}wall/stream", timeout=aiohttp.ClientTimeout(None)) as answer:
        async for line in answer.content:
            opened.set()
            for found in MARK.findall(line):
                seen.setdefault(int(found), now_ms())


async def shown(broker: str, rate: int, viewers: int, seconds: float) -> None:
    """Message to screen."""
    worker, load = Worker(broker), Load(broker, rate, slow=1_000)
    command = [sys.executable, "-m", "csstream", "wall", "--broker", broker, "--port", "0"]
    wall = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: ASYNC220
    looking: list[asyncio.Task[None]] = []
    try:
        await asyncio.to_thread(worker.until, "csstream_partitions", PARTITIONS, 60.0, 'state="ready"')
        assert wall.stdout is not None
        found = re.search(r"the wall is on (\S+)", await asyncio.to_thread(wall.stdout.readline))
        assert found is not None
        load.start()
        await asyncio.sleep(5)
        seen: list[dict[int, int]] = [{} for _ in range(viewers)]
        opened = [asyncio.Event() for _ in range(viewers)]
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=0)
        ) as session:
            looking = [
                asyncio.create_task(look(session, found[1], *own)) for own in zip(seen, opened, strict=True)
            ]
            await asyncio.gather(*(each.wait() for each in opened))
            sent: list[int] = []
            while len(sent) * EVERY_S < seconds:
                sent.append(now_ms())
                said = {"id": f"seen-{len(sent)}", "type": "message", "ts": sent[-1], "shop": f"w{len(sent) % 16}",
                        "customer": f"seen-{len(sent) - 1}", "sender": "customer"}  # fmt: skip
                load.send(f"w{len(sent) % 16}".encode(), orjson.dumps(said))
                await asyncio.sleep(EVERY_S)
            await asyncio.sleep(3)
        missed = sum(number not in own for own in seen for number in range(len(sent)))
        assert missed == 0, f"{missed} changes were never shown"
        last = [float(max(own[number] for own in seen) - at) for number, at in enumerate(sent)]
        within = sum(ms <= 1_000 for ms in last)
        print(
            f"{rate:,} events/s, {viewers} viewers: message to the last screen: {quantiles(last)}; "
            f"{100 * within / len(last):.0f} % within 1 s"
        )
    finally:
        for task in looking:
            task.cancel()
        with suppress(asyncio.CancelledError, aiohttp.ClientError):
            await asyncio.gather(*looking)
        load.end()
        wall.terminate()
        wall.wait(20)
        worker.end()


async def main() -> None:
    """On a node of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=200, help="events a second of the other shops")
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=40.0)
    given = parser.parse_args()
    with Node() as node:
        await ensure(Connection(node.address), asked=PARTITIONS)
        await shown(node.address, given.rate, given.viewers, given.seconds)


if __name__ == "__main__":
    asyncio.run(main())
