"""An owner that is killed at the worst moment: `python -m tests.kafka.dying`, started by test_ledger.py.

It sends a whole step, says so, and never commits it.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import NoReturn

from csstream.kafka.topics import INPUTS
from csstream.ledgers.kafka import Connection, KafkaLedger, Outputs
from tests.ledgers.contract import step


class Dying(KafkaLedger):
    """Waits for ever where it should end its transaction."""

    async def _end(self, ending: Awaitable[None]) -> NoReturn:
        print("sent", flush=True)
        await asyncio.Event().wait()
        raise AssertionError(f"nobody sets the event, and {ending} is never awaited")


async def main(broker: str, application: str, partition: str, outputs: str) -> None:
    """Open, and commit one step, almost."""
    ledger = Dying(Connection(broker), application, int(partition), INPUTS, Outputs(*json.loads(outputs)))
    await ledger.open()
    await ledger.commit(step("never", {b"a": b"lost", b"z": b"lost"}), {"cs.chat": 9})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
