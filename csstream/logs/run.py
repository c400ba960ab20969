"""One import: files in, events out, and an account of every row (SPEC 10, `csstream import`).

Nothing is written before all is read: a log is sorted and its ids told apart as a whole. Every row ends as
events, as a counted skip that the mapping asked for, or in the rejects.
"""

import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import orjson

from csstream.logs.fault import BadRow, Fault, LogError, shown
from csstream.logs.mapping import Mapping
from csstream.logs.plan import Plan
from csstream.logs.read import open_source
from csstream.logs.source import Source
from csstream.logs.spool import Spool
from csstream.logs.times import TimeReader

LISTED = 20
"""How many bad rows `Result.rejects` lists; all are counted, and written to the reject file."""

_STEP = 5_000  # rows between two calls of `on_progress`

Progress = Callable[[int, float], None]
"""Called with the rows read so far and the share of all inputs that is read, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the rows. `rows` = rows that gave events + `skipped` + `rejected`.

    `events` are those written (or that would be, with `check`); `duplicates` events were said again in the
    same words and dropped; `renamed` had an id that another event had first. `encodings`: how each file was
    read. `notes`: what a person should know, one sentence each.
    """

    rows: int
    events: int
    duplicates: int
    renamed: int
    spread: int
    skipped: int
    rejected: int
    rejects: tuple[BadRow, ...]
    encodings: dict[str, str]
    notes: tuple[str, ...]


def convert(
    inputs: Sequence[Path | Literal["-"]],
    mapping: Mapping,
    out: BinaryIO | None,
    *,
    spread: bool = False,
    sort: bool = True,
    check: bool = False,
    rejects: BinaryIO | None = None,
    on_progress: Progress | None = None,
) -> Result:
    """Turn foreign logs into events of the wire format, one JSON object a line (SPEC 1, 10).

    `-` is standard input. With `check`, or without `out`, no event is written. `spread` adds 1 ms per further
    row of the same customer and second, in file order (SPEC 3); `sort` orders by time, else by file order.
    `rejects` takes every bad row as a JSON line: `reason`, `error`, `file`, `line`, `column`, `raw` (the row's
    own text, which the messages never show). Memory does not grow with the log: events are kept and sorted on
    disk, under TMPDIR. Raises LogError where the import cannot go on; bad rows never raise.
    """
    tally = _Tally(rejects)
    readers: dict[object, TimeReader] = {}
    encodings: dict[str, str] = {}
    missing: list[str] = []
    with _disk_told(), Spool() as spool:
        for number, each in enumerate(inputs):
            with _opened(each, mapping) as (name, source):
                encodings[name] = source.how
                plan = Plan(mapping, source.header, name, readers)
                for _ in _rows(source, plan, spool, name, tally):
                    if on_progress is not None:
                        on_progress(tally.rows, (number + source.share()) / len(inputs))
                missing.extend(_unseen(mapping, source, name))
        spool.settle(spread=spread)
        if out is not None and not check:
            for line in spool.lines(sort=sort):
                out.write(line)
        if on_progress is not None:
            on_progress(tally.rows, 1.0)
        return Result(
            rows=tally.rows,
            events=spool.events,
            duplicates=spool.duplicates,
            renamed=spool.renamed,
            spread=spool.spread,
            skipped=tally.skipped,
            rejected=tally.rejected,
            rejects=tuple(tally.listed),
            encodings=encodings,
            notes=(*missing, *_notes(spool, tally, readers.values())),
        )


@contextmanager
def _disk_told() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LogError(
            f"temporary space: {error}; an import needs about the size of its events, under TMPDIR"
        ) from None


class _Tally:
    def __init__(self, rejects: BinaryIO | None) -> None:
        self.rows = 0
        self.skipped = 0
        self.rejected = 0
        self.listed: list[BadRow] = []
        self._out = rejects

    def reject(self, name: str, line: int, fault: Fault, raw: Callable[[], str]) -> None:
        self.rejected += 1
        bad = BadRow(name, line, fault.column, shown(fault.value), fault.reason, fault.fix)
        if len(self.listed) < LISTED:
            self.listed.append(bad)
        if self._out is not None:
            record = {
                "reason": fault.reason,
                "error": str(bad),
                "file": name,
                "line": line,
                "column": fault.column,
                "raw": raw(),
            }
            self._out.write(_safe_json(record) + b"\n")


def _safe_json(record: dict[str, object]) -> bytes:
    try:
        return orjson.dumps(record)
    except TypeError:
        # Bytes that did not fit the encoding: shown as \\udcXX, so that the row can still be found.
        clean = {
            key: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
            for key, value in record.items()
        }
        return orjson.dumps(clean)


def _rows(source: Source, plan: Plan, spool: Spool, name: str, tally: _Tally) -> Iterator[None]:
    """Work off a file; gives way after every few thousand rows."""
    for line, cells in source.rows:
        tally.rows += 1
        if isinstance(cells, Fault):
            tally.reject(name, line, cells, source.raw)
        else:
            try:
                made = plan.events(cells)
            except Fault as fault:
                tally.reject(name, line, fault, source.raw)
            else:
                if made:
                    spool.add(tally.rows, made)
                else:
                    tally.skipped += 1
        if tally.rows % _STEP == 0:
            yield
    yield


@contextmanager
def _opened(each: Path | Literal["-"], mapping: Mapping) -> Iterator[tuple[str, Source]]:
    with tempfile.TemporaryDirectory(prefix="csstream-import-") as folder:
        if str(each) == "-":
            # The encoding is found by reading all of it, so it must be possible to read it twice.
            name, path = "<stdin>", Path(folder, "stdin")
            with path.open("wb") as copy:
                shutil.copyfileobj(sys.stdin.buffer, copy)
        else:
            name, path = str(each), Path(each)
            if path.is_dir():
                raise LogError(f"{name}: a directory; name the files in it")
        source = open_source(path, mapping, name)
        try:
            yield name, source
        finally:
            source.close()


def _unseen(mapping: Mapping, source: Source, name: str) -> Iterator[str]:
    groups = [
        part
        for event in mapping.events
        for value in event.values
        if not value.optional
        for part in value.parts
        if isinstance(part, tuple)
    ]
    for group in dict.fromkeys(groups):
        if source.unseen.issuperset(group):
            yield f"{name}: no row has `{'|'.join(group)}`; check the name, or say `optional = true`."


def _notes(spool: Spool, tally: _Tally, readers: Iterable[TimeReader]) -> Iterator[str]:
    twice = sum(reader.twice for reader in readers)
    if spool.duplicates:
        yield f"{spool.duplicates} events stood in several rows with the same id and content; each was written once."
    if spool.renamed:
        yield (
            f"{spool.renamed} events had the id of another event; a digest of their content was added to it. "
            "If they are the same event, leave out what differs; else make the `id` of the mapping more precise."
        )
    if twice:
        yield f"{twice} local times happened twice, as clocks were put back; the first was taken."
    if tally.skipped:
        yield f"{tally.skipped} rows matched no event of the mapping and were left out, as it asks for."
    if tally.rows and tally.rejected == tally.rows:
        yield "No row could be read: the mapping likely belongs to another log."
