"""CSV and JSON lines, streamed.

A message may hold line breaks, so the line of a row is not its number: it is counted where the text is
read, and the same place keeps the row's own text for the reject file.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from csstream.events import MAX_BYTES
from csstream.logs.cell import Cells, plain
from csstream.logs.encoding import detect
from csstream.logs.fault import Fault, LogError
from csstream.logs.mapping import Mapping, Read
from csstream.logs.source import Source

DELIMITERS = (",", "\t", ";", "|")
_ENDS = ("\n", "\r")
_TOO_LONG = Fault(
    f"a line of more than {MAX_BYTES} characters", "cut it short: no event may be so large (`too_large`)"
)


class _TooLongError(LogError):
    """A line that is too long to be an event; its rest has been read past, so that the next row can follow."""


class _Lines:
    """Physical lines, counted, and those of the row at hand kept."""

    def __init__(self, file: io.TextIOWrapper, name: str) -> None:
        self.number = 0
        self.kept: list[str] = []
        self._file = file
        self._name = name
        self._ahead = ""

    def peek(self) -> str:
        """The next line, which is still to come; "" at the end."""
        if not self._ahead:
            try:
                self._ahead = self._file.readline(MAX_BYTES)
            except UnicodeError as error:
                raise LogError(
                    f"{self._name}:{self.number + 1}: not {self._file.encoding}: {error.reason if isinstance(error, UnicodeDecodeError) else error};"
                    " set `encoding` under [read]"
                ) from None
        return self._ahead

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, self._ahead = self.peek(), ""
        if not line:
            raise StopIteration
        self.number += 1
        self.kept.append(line)
        if len(line) == MAX_BYTES and not line.endswith(_ENDS):
            while (rest := self.peek()) and not rest.endswith(_ENDS):
                self._ahead = ""
            self._ahead = ""
            raise _TooLongError(
                f"{self._name}:{self.number}: a line of more than {MAX_BYTES} characters; is this a text file?"
            )
        return line


def open_text(path: Path, mapping: Mapping, name: str, kind: str) -> Source:
    """The rows of a text file (CSV or JSON lines), in the encoding found; raises LogError where it cannot be read."""
    read = mapping.read
    encoding = read.encoding or detect(path)
    size = max(1, path.stat().st_size)
    binary = path.open("rb")
    if (read.encoding or "").lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"  # a byte order mark is no part of the first column's name
    # Broken bytes spoil only the rows they stand in: they become surrogates, which no event may hold.
    file = io.TextIOWrapper(
        binary, encoding=encoding, errors="surrogateescape", newline="" if kind == "csv" else "\n"
    )
    unseen: set[str] = set()
    try:
        lines = _Lines(file, name)
        for _ in range(read.skip):
            next(lines, None)
        how = f"{kind}, {encoding.removesuffix('-sig')}"
        if kind == "jsonl":
            header: Sequence[str] = mapping.columns
            rows = _json_rows(lines, mapping.columns, unseen)
        else:
            header, delimiter, rows = _csv(lines, mapping, name)
            how += f", delimiter {delimiter!r}"
    except BaseException:
        file.close()
        raise
    return Source(
        header,
        rows,
        raw=lambda: "".join(lines.kept),
        share=lambda: min(1.0, binary.tell() / size),
        how=how + ("" if read.encoding else " (detected)"),
        close=file.close,
        unseen=unseen,
    )


def _dialect(read: Read, delimiter: str) -> dict[str, Any]:
    quoting = csv.QUOTE_MINIMAL if read.quote else csv.QUOTE_NONE
    # Strict, as a misplaced quote read leniently swallows rows without a word.
    return {"delimiter": delimiter, "quotechar": read.quote, "quoting": quoting, "strict": True}


def _delimiter(line: str, mapping: Mapping) -> str:
    """The one that gives most of the mapped columns, or of the declared number of cells; else most cells."""
    read = mapping.read
    wanted = {plain(column) for column in mapping.columns}
    best, chosen = (-1, 0), DELIMITERS[0]
    for delimiter in DELIMITERS:
        try:
            found = next(csv.reader([line], **_dialect(read, delimiter) | {"strict": False}), [])
        except csv.Error:
            continue
        fit = sum(plain(cell) in wanted for cell in found)
        if read.columns is not None:
            fit = int(len(found) == len(read.columns))
        if (fit, len(found)) > best:
            best, chosen = (fit, len(found)), delimiter
    return chosen


def _csv(
    lines: _Lines, mapping: Mapping, name: str
) -> tuple[Sequence[str], str, Iterator[tuple[int, Cells | Fault]]]:
    read = mapping.read
    while (first := lines.peek()) and not first.strip():
        next(lines)
    delimiter = read.delimiter or _delimiter(first, mapping)
    reader = csv.reader(lines, **_dialect(read, delimiter))
    if read.columns is not None:
        return read.columns, delimiter, _csv_rows(lines, reader, len(read.columns))
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise LogError(f"{name}:{lines.number}: the header is no CSV: {error}") from None
    if not header:
        raise LogError(
            f"{name}: no header; name the columns with `columns` under [read], or `skip` lines above it"
        )
    return header, delimiter, _csv_rows(lines, reader, len(header))


def _csv_rows(lines: _Lines, reader: Iterator[list[str]], width: int) -> Iterator[tuple[int, Cells | Fault]]:
    csv.field_size_limit(MAX_BYTES)
    while True:
        lines.kept.clear()
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLongError:
            yield line, _TOO_LONG
            continue
        except csv.Error as error:
            yield (
                line,
                Fault(
                    f"no CSV: {error}", 'mend the quotes, or set `quote = ""` under [read] if none are used'
                ),
            )
            continue
        if len(cells) == width:
            yield line, cells
        elif cells:
            if len(cells) > width and not any(cells[width:]):
                yield line, cells[:width]
                continue
            yield (
                line,
                Fault(
                    f"{len(cells)} cells where the header has {width}",
                    "quote the cell that holds the delimiter, or set `delimiter` or `quote` under [read]",
                ),
            )


_LOADS = json.JSONDecoder(parse_float=str, parse_constant=lambda _: None).decode


def _json_rows(
    lines: _Lines, columns: Sequence[str], unseen: set[str]
) -> Iterator[tuple[int, Cells | Fault]]:
    """Amounts keep the digits they are written with: no float is made of them. What no row had stays in `unseen`."""
    unseen.update(columns)
    paths = [(column, column.split(".")) for column in columns]
    while True:
        lines.kept.clear()
        try:
            line = next(lines, None)
        except _TooLongError:
            yield lines.number, _TOO_LONG
            continue
        if line is None:
            return
        if not line.strip():
            continue
        try:
            found = _LOADS(line)
        except (ValueError, RecursionError) as error:
            yield lines.number, Fault(f"no JSON: {error}", "write one JSON object per line")
            continue
        if not isinstance(found, dict):
            yield (
                lines.number,
                Fault(
                    f"a JSON {type(found).__name__}, not an object",
                    "write one object per line, e.g. jq -c '.[]'",
                ),
            )
            continue
        cells = [found[column] if column in found else _inner(found, path) for column, path in paths]
        if unseen:
            for column, cell in zip(columns, cells, strict=True):
                if cell is not None or column in found:
                    unseen.discard(column)
        yield lines.number, cells


def _inner(found: Any, path: list[str]) -> object:
    for key in path:
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found
