"""A notifier that is killed: `python -m tests.notify.dying CONFIG LEDGER ALERTS`.

It follows a file of alerts as the embedded driver follows its store, and keeps its marks in SQLite. Alerts are lines
of JSON; a line is there once it ends.
"""

import asyncio
import logging
import sys
from pathlib import Path

import msgspec

from csstream.core.alert import Alert
from csstream.ledgers.sqlite import SqliteLedger
from csstream.notify.config import load
from csstream.notify.marks import Read
from csstream.notify.notifier import Notifier
from csstream.policy import load as load_policy


def lines_of(alerts: str) -> list[bytes]:
    """The lines that have ended."""
    return Path(alerts).read_bytes().split(b"\n")[:-1]


async def main(config: str, ledger: str, alerts: str) -> None:
    """Notify for ever."""
    logging.basicConfig(level=logging.DEBUG)
    notifier = Notifier(load(Path(config)), SqliteLedger(Path(ledger)), load_policy("handbook"))
    reads = await notifier.open()
    running = asyncio.create_task(notifier.run())
    at = reads["file"].next if "file" in reads else 0
    print("up", flush=True)
    while not running.done():
        lines = lines_of(alerts)
        if at < len(lines):
            taken = [msgspec.json.decode(line, type=Alert) for line in lines[at:]]
            at = len(lines)
            await notifier.take("file", Read(at), taken)
        await asyncio.sleep(0.02)
    await running


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
