"""A process that keeps steps in a SQLite file as fast as it can, until it is killed: `python -m ... FILE`.

It prints the number of each step after the commit has returned.
"""

import asyncio
import sys
from pathlib import Path

from csstream.ledgers.sqlite import SqliteLedger
from tests.ledgers.contract import step


async def main() -> None:
    """Commit steps for ever; step N has N in its row, its position and its fact."""
    ledger = SqliteLedger(Path(sys.argv[1]))
    _, positions = await ledger.open()
    number = positions.get("cs.chat", 0)
    while True:
        number += 1
        await ledger.commit(step(f"f{number}", {b"last": b"%d" % number}), {"cs.chat": number})
        print(number, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
