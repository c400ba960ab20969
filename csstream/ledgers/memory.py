"""The memory ledger: for the demo, and for proofs.

Its store outlives its owners, so that a test may kill a runner at every point a real ledger knows and let
another one go on: before a commit, after it (done, but nobody was told), or fenced by a second owner.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from csstream.core.alert import Alert
from csstream.core.engine import DeadLetter, Step
from csstream.core.facts import AnyFact
from csstream.ledgers import FencedError, LedgerError, Positions


class Fault(Enum):
    """What happens to a commit."""

    NONE = "none"
    BEFORE = "the process dies before anything is kept"
    AFTER = "all is kept, but the process dies before it knows"


@dataclass
class Store:
    """What is kept of one partition. `keep_published` False forgets what went out (the demo needs no trail)."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    facts: list[AnyFact] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    owner: int = 0
    keep_published: bool = True


class MemoryLedger:
    """One owner of a store. `faults` says what happens to each of its commits, in order."""

    def __init__(self, store: Store, faults: Iterator[Fault] | None = None) -> None:
        self.store = store
        self._faults = faults
        self._owner = -1

    async def open(self) -> tuple[dict[bytes, bytes], dict[str, int]]:
        """Take the store over."""
        self.store.owner += 1
        self._owner = self.store.owner
        return dict(self.store.rows), dict(self.store.positions)

    async def commit(self, step: Step, positions: Positions) -> None:
        """Keep a step at once."""
        store = self.store
        if self._owner != store.owner:
            raise FencedError("another owner has opened this partition since")
        fault = Fault.NONE if self._faults is None else next(self._faults, Fault.NONE)
        if fault is Fault.BEFORE:
            raise LedgerError(fault.value)
        for key, row in step.rows.items():
            if row is None:
                store.rows.pop(key, None)
            else:
                store.rows[key] = row
        store.positions.update(positions)
        if store.keep_published:
            store.facts += step.facts
            store.alerts += step.alerts
            store.dead_letters += step.dead_letters
        if fault is Fault.AFTER:
            raise LedgerError(fault.value)

    async def close(self) -> None:
        """Nothing is left to do."""
