"""Where the steps of a partition are kept (DESIGN decision 2): one small protocol, one contract suite.

A step is one transaction. After `commit` returns, all of it is there; if it raises, all of it is there or none,
and only `open` tells which. Whoever opens a ledger takes it over: an earlier owner is fenced, and its next
commit fails.
"""

from collections.abc import Mapping
from typing import Protocol

from csstream.core.engine import Step

Positions = Mapping[str, int]
"""By topic, the position of the next record to be read."""


class LedgerError(Exception):
    """A step could not be committed, or it is not known whether it was: open again."""


class FencedError(LedgerError):
    """Somebody else has opened this ledger since: leave the partition alone."""


class Ledger(Protocol):
    """The state of one partition."""

    async def open(self) -> tuple[dict[bytes, bytes], dict[str, int]]:
        """Take the partition over: all its rows, and the positions that they are at."""

    async def commit(self, step: Step, positions: Positions) -> None:
        """Keep a step. Raises `FencedError`, or `LedgerError` where the outcome is not known."""

    async def close(self) -> None:
        """Leave the partition in order."""
