"""Alerts to people inside `csstream serve`: a notifier, fed from the alerts of the store by their numbers.

It reads what is committed, never what is in memory, so an alert is told if and only if it can be read; its marks lie
in a file of their own, so a slow sink holds up nothing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from csstream.core.alert import Alert
from csstream.core.engine import Step
from csstream.ledgers import sqlite
from csstream.ledgers.sqlite import SqliteLedger
from csstream.notify.config import Config
from csstream.notify.marks import Read
from csstream.notify.notifier import Notifier
from csstream.policy import Policy

SOURCE = "alerts"
PAGE = 2_000

_decode = msgspec.json.Decoder(Alert).decode


class Notices:
    """A notifier on the alerts in a ledger file; its marks go to another."""

    def __init__(self, config: Config, policy: Policy, ledger: Path, marks: Path) -> None:
        self._ledger = ledger
        self._notifier = Notifier(config, SqliteLedger(marks), policy)
        self._published = asyncio.Event()
        self._published.set()

    def hear(self, step: Step) -> None:
        """A step was committed."""
        if step.alerts:
            self._published.set()

    def readings(self) -> Mapping[str, Sequence[tuple[tuple[str, ...], float | tuple[float, ...]]]]:
        """Its metrics, by name."""
        return self._notifier.readings()

    async def run(self) -> None:
        """Tell people, until cancelled. Raises LedgerError, sqlite3.Error."""
        reads = await self._notifier.open()
        running = asyncio.create_task(self._notifier.run())
        feeding = asyncio.create_task(self._feed(reads[SOURCE].next if SOURCE in reads else 1))
        try:
            done, _ = await asyncio.wait((running, feeding), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            feeding.cancel()
            await self._notifier.close()
            await asyncio.gather(running, feeding, return_exceptions=True)

    async def _feed(self, number: int) -> None:
        """Hand over the alerts from `number` on."""
        while True:
            await self._published.wait()
            self._published.clear()
            while found := await asyncio.to_thread(sqlite.read, self._ledger, "alerts", number - 1, PAGE):
                number = found[-1][0] + 1
                await self._notifier.take(SOURCE, Read(number), [_decode(record) for _, record in found])
