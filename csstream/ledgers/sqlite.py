"""The SQLite ledger: one shop's real use on one machine, a step a SQL transaction.

What is committed is on the disk (`synchronous=FULL`), so a power cut takes back nothing that was answered. A
step's rows, positions and everything published go in together; who has been replaced as owner is told by the
epoch, which is looked at inside the same transaction. What was published is read by its number (`read`), and swept
when it is old.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec

from csstream.core import facts
from csstream.core.alert import encode as encode_alert
from csstream.core.engine import DeadLetter, Step
from csstream.core.rows import CODEC
from csstream.ledgers import FencedError, LedgerError, Positions

_SCHEMA = """
create table if not exists rows (key blob primary key, value blob not null) without rowid;
create table if not exists positions (topic text primary key, next integer not null) without rowid;
create table if not exists facts (
    seq integer primary key autoincrement, at_ms integer not null,
    fact text not null, rev integer not null, record blob not null);
create table if not exists alerts (
    seq integer primary key autoincrement, at_ms integer not null, alert text not null, record blob not null);
create table if not exists dead_letters (
    seq integer primary key autoincrement, at_ms integer not null, reason text not null, error text not null,
    topic text not null, position integer not null, raw blob not null);
create table if not exists owner (one integer primary key check (one = 1), epoch integer not null);
insert or ignore into owner values (1, 0);
"""

PUBLISHED = ("facts", "alerts", "dead_letters")
"""What can be read of a ledger file."""

_SWEPT_AT_ONCE = 5_000


class SqliteLedger:
    """One owner of a ledger file. Its methods run in a thread: a commit waits for the disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._epoch = -1
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> tuple[dict[bytes, bytes], dict[str, int]]:
        """Take the file over: all rows, and the positions that they are at. Raises LedgerError."""
        return await asyncio.to_thread(self._open)

    async def commit(self, step: Step, positions: Positions) -> None:
        """Keep a step, whole or not at all. Raises FencedError, or LedgerError."""
        await asyncio.to_thread(self._commit, step, positions)

    async def sweep(self, before_ms: int) -> None:
        """Forget what was published before an instant (epoch ms, wall clock); rows stay. Raises LedgerError."""
        more = True
        while more:
            more = await asyncio.to_thread(self._sweep, before_ms)

    async def close(self) -> None:
        """Leave the file in order."""
        await asyncio.to_thread(self._close)

    def _open(self) -> tuple[dict[bytes, bytes], dict[str, int]]:
        self._close()
        try:
            # Autocommit: transactions begin and end where this module says so.
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=10)
            self._connection = connection
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            connection.executescript(_SCHEMA)
            connection.execute("begin immediate")
            self._check_codec(connection)
            connection.execute("update owner set epoch = epoch + 1")
            (self._epoch,) = connection.execute("select epoch from owner").fetchone()
            rows: dict[bytes, bytes] = dict(connection.execute("select key, value from rows"))
            positions: dict[str, int] = dict(connection.execute("select topic, next from positions"))
            connection.execute("commit")
        except LedgerError:
            self._close()
            raise
        except sqlite3.Error as error:
            self._close()
            raise LedgerError(
                f"{self.path}: {error}; is the folder there, writable, and on a local disk?"
            ) from error
        return rows, positions

    def _check_codec(self, connection: sqlite3.Connection) -> None:
        """Rows of a newer program would be misread."""
        (codec,) = connection.execute("pragma user_version").fetchone()
        if codec > CODEC:
            raise LedgerError(
                f"{self.path} was written by a newer csstream (codec {codec}): upgrade this one"
            )
        connection.execute(f"pragma user_version = {CODEC}")

    def _commit(self, step: Step, positions: Positions) -> None:
        connection = self._connection
        if connection is None:
            raise LedgerError(f"{self.path} is not open")
        try:
            connection.execute("begin immediate")
            (epoch,) = connection.execute("select epoch from owner").fetchone()
            if epoch != self._epoch:
                connection.execute("rollback")
                raise FencedError(f"another process has opened {self.path} since; this one leaves it alone")
            self._write(connection, step, positions)
            connection.execute("commit")
        except sqlite3.Error as error:
            # Where the commit itself failed nobody knows: only opening again tells.
            self._close()
            raise LedgerError(f"{self.path}: {error}; is there space on the disk?") from error

    @staticmethod
    def _write(connection: sqlite3.Connection, step: Step, positions: Positions) -> None:
        connection.executemany(
            "insert or replace into rows values (?, ?)",
            ((key, row) for key, row in step.rows.items() if row is not None),
        )
        connection.executemany(
            "delete from rows where key = ?", ((key,) for key, row in step.rows.items() if row is None)
        )
        connection.executemany("insert or replace into positions values (?, ?)", positions.items())
        at_ms = int(time.time() * 1000)
        connection.executemany(
            "insert into facts (at_ms, fact, rev, record) values (?, ?, ?, ?)",
            ((at_ms, fact.fact, fact.rev, facts.encode(fact)) for fact in step.facts),
        )
        connection.executemany(
            "insert into alerts (at_ms, alert, record) values (?, ?, ?)",
            ((at_ms, alert.alert, encode_alert(alert)) for alert in step.alerts),
        )
        connection.executemany(
            "insert into dead_letters (at_ms, reason, error, topic, position, raw) values (?, ?, ?, ?, ?, ?)",
            ((at_ms, *letter) for letter in _letters(step.dead_letters)),
        )

    def _sweep(self, before_ms: int) -> bool:
        """One transaction; whether there may be more."""
        connection = self._connection
        if connection is None:
            return False
        more = False
        try:
            for table in PUBLISHED:
                oldest = f"select seq, at_ms from {table} order by seq limit {_SWEPT_AT_ONCE}"  # noqa: S608 - our names
                done = connection.execute(
                    f"delete from {table} where seq in (select seq from ({oldest}) where at_ms < ?)",  # noqa: S608
                    (before_ms,),
                )
                more |= done.rowcount == _SWEPT_AT_ONCE
        except sqlite3.Error as error:
            raise LedgerError(f"{self.path}: {error}") from error
        return more

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _letters(letters: Iterable[DeadLetter]) -> Iterable[tuple[str, str, str, int, bytes]]:
    for letter in letters:
        record = letter.record
        yield letter.reason, letter.error, record.topic, record.offset, record.value


def read(path: Path, table: str, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Of `PUBLISHED` records of one table those behind number `after`, as (number, JSON). Raises sqlite3.Error."""
    columns = "reason, error, topic, position, raw" if table == "dead_letters" else "record"
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            f"select seq, {columns} from {table} where seq > ? order by seq limit ?",  # noqa: S608 - our names
            (after, limit),
        )
        return [(seq, record[0] if len(record) == 1 else _letter(*record)) for seq, *record in rows]


def _letter(reason: str, error: str, topic: str, position: int, raw: bytes) -> bytes:
    return msgspec.json.encode(
        {
            "reason": reason,
            "error": error,
            "topic": topic,
            "position": position,
            "raw": raw.decode("utf-8", "replace"),
        }
    )
