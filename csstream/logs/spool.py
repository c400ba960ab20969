"""Events of a whole run, on disk: told apart by id, spread, and sorted, with the same memory for any size.

SQLite's private temporary database keeps small runs in memory, spills large ones to the temporary
directory, removes itself, and its sorter merges on disk: what an import needs, without code of ours.
"""

import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from types import TracebackType

from csstream.logs.plan import Made, wire_line

_CACHE_KIB = 32_768  # what SQLite may hold in memory before it writes to disk
_BATCH = 2_000
_LAST_MS = 999  # a spread event stays inside its second, so that it never passes one of the next
_LONGEST_ID = 128

_TABLES = """
CREATE TABLE events(seq INTEGER PRIMARY KEY, source_row INT, ts INT, who TEXT, id TEXT, own INT, body BLOB);
CREATE TABLE renamed(seq INTEGER PRIMARY KEY, id TEXT);
CREATE TABLE dropped(seq INTEGER PRIMARY KEY);
CREATE TABLE shifted(seq INTEGER PRIMARY KEY, ms INT);
"""

_LINES = """
SELECT ifnull(renamed.id, events.id), ts + ifnull(ms, 0) AS at, body FROM events
LEFT JOIN renamed USING (seq) LEFT JOIN shifted USING (seq)
WHERE seq NOT IN (SELECT seq FROM dropped) ORDER BY """


class Spool:
    """Takes the events of one run, then gives them as lines. A context manager."""

    def __init__(self) -> None:
        self.events = 0
        self.duplicates = 0
        self.renamed = 0
        self.spread = 0
        self._seq = 0
        self._batch: list[tuple[int, int, int, str, str, bool, bytes]] = []
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(
            f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=FILE; PRAGMA cache_size=-{_CACHE_KIB};"
            + _TABLES
        )
        self._db.execute("BEGIN")

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def add(self, row: int, made: list[Made]) -> None:
        """Take the events of a row; `row` counts over all files."""
        for event in made:
            self._seq += 1
            self._batch.append((self._seq, row, event.ts_ms, event.who, event.id, event.own_id, event.body))
        if len(self._batch) >= _BATCH:
            self._flush()

    def settle(self, *, spread: bool) -> None:
        """Tell events of one id apart, then spread those of one second (SPEC 3). Once, after the last `add`."""
        self._flush()
        self._tell_apart()
        if spread:
            self._spread()
        self.events = self._seq - self.duplicates

    def lines(self, *, sort: bool) -> Iterator[bytes]:
        """The events as wire lines, by time (then file order), or in file order."""
        for event_id, at, body in self._db.execute(_LINES + ("at, seq" if sort else "seq")):
            yield wire_line(event_id, at, body) + b"\n"

    def _flush(self) -> None:
        self._db.executemany("INSERT INTO events VALUES (?,?,?,?,?,?,?)", self._batch)
        self._batch.clear()

    def _tell_apart(self) -> None:
        """An id that the log gives names one event: said again, it is dropped. With other content it is another
        event, which keeps its id apart by a digest of that content. An id that we made cannot tell a repeated
        row from a thing that happened twice: both stay, numbered.
        """
        last, seen, first = None, dict[bytes, int](), b""
        for seq, event_id, own, ts, body in self._db.execute(
            "SELECT seq, id, own, ts, body FROM events WHERE id IN"
            " (SELECT id FROM events GROUP BY id HAVING count(*) > 1) ORDER BY id, seq"
        ):
            digest = blake2b(b"%d" % ts + body, digest_size=8).digest()
            if event_id != last:
                last, first = event_id, digest
                seen.clear()
            seen[digest] = count = seen.get(digest, 0) + 1
            if own and count > 1:
                self._db.execute("INSERT INTO dropped VALUES (?)", (seq,))
                self.duplicates += 1
            elif digest != first or count > 1:
                suffix = f"~{digest[:4].hex()}" if own else f"~{count}"
                name = event_id[: _LONGEST_ID - len(suffix)] + suffix
                self._db.execute("INSERT INTO renamed VALUES (?,?)", (seq, name))
                self.renamed += own

    def _spread(self) -> None:
        """1 ms per further row of the same customer and second. Times with milliseconds already tell an order."""
        last, last_row, ms = None, None, 0
        for seq, row, ts, who in self._db.execute(
            "SELECT seq, source_row, ts, who FROM events WHERE ts % 1000 = 0"
            " AND seq NOT IN (SELECT seq FROM dropped) ORDER BY who, ts, seq"
        ):
            if (who, ts) != last:
                last, last_row, ms = (who, ts), row, 0
            elif row != last_row:
                last_row, ms = row, min(ms + 1, _LAST_MS)
            if ms:
                self._db.execute("INSERT INTO shifted VALUES (?,?)", (seq, ms))
                self.spread += 1
