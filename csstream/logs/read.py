"""Rows of any file, with the line where each begins.

A message may hold line breaks, so the line of a row is not its number: it is counted where the text is
read, and the same place keeps the row's own text for the reject file. Text and Parquet are streamed; a sheet (at most
1,048,576 rows) is held by the library that reads it.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars
from python_calamine import CalamineError, CalamineWorkbook

from csstream.events import MAX_BYTES
from csstream.logs.encoding import detect
from csstream.logs.fault import Fault, LogError, nearest
from csstream.logs.mapping import Mapping, Read
from csstream.logs.plan import Cells, cell_text, plain

DELIMITERS = (",", "\t", ";", "|")
_BATCH = 20_000  # rows of Parquet at a time
_KINDS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
    ".parquet": "parquet", ".pq": "parquet",
    ".xlsx": "excel", ".xlsm": "excel", ".xlsb": "excel", ".xls": "excel", ".ods": "excel",
}  # fmt: skip


class Source:
    """One input: its header, its rows, and of the row last given the original text and how far it is in the file."""

    def __init__(
        self,
        header: Sequence[str],
        rows: Iterator[tuple[int, Cells | Fault]],
        *,
        raw: Callable[[], str],
        share: Callable[[], float],
        how: str,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.header = header
        self.rows = rows
        self.raw = raw
        self.share = share
        self.how = how
        self.close = close


def open_source(path: Path, mapping: Mapping, name: str) -> Source:
    """Open a file as the mapping says, else by its suffix. `name` stands in errors. Raises LogError."""
    kind = mapping.read.format or _KINDS.get(path.suffix.lower(), "csv")
    try:
        if kind == "parquet":
            return _parquet(path, mapping, name)
        if kind == "excel":
            return _excel(path, mapping.read, name)
        return _text(path, mapping, name, kind)
    except OSError as error:
        raise LogError(f"{name}: cannot be read: {error.strerror or error}") from None


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
        self._ahead = self._ahead or self._file.readline(MAX_BYTES)
        return self._ahead

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, self._ahead = self._ahead or self._file.readline(MAX_BYTES), ""
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == MAX_BYTES and not line.endswith("\n"):
            raise LogError(
                f"{self._name}:{self.number}: a line of more than {MAX_BYTES} characters; is this a text file?"
            )
        self.kept.append(line)
        return line


def _text(path: Path, mapping: Mapping, name: str, kind: str) -> Source:
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
    try:
        lines = _Lines(file, name)
        for _ in range(read.skip):
            next(lines, None)
        how = f"{kind}, {encoding.removesuffix('-sig')}"
        if kind == "jsonl":
            header: Sequence[str] = mapping.columns
            rows = _json_rows(lines, mapping.columns)
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
    first = lines.peek()
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


def _json_rows(lines: _Lines, columns: Sequence[str]) -> Iterator[tuple[int, Cells | Fault]]:
    """Amounts keep the digits they are written with: a float is never made of them."""
    paths = [(column, column.split(".")) for column in columns]
    while True:
        lines.kept.clear()
        line = next(lines, None)
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
        yield (
            lines.number,
            [found[column] if column in found else _inner(found, path) for column, path in paths],
        )


def _inner(found: Any, path: list[str]) -> object:
    for key in path:
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def _parquet(path: Path, mapping: Mapping, name: str) -> Source:
    try:
        frame = polars.scan_parquet(path)
        there = {plain(column): column for column in frame.collect_schema().names()}
        columns = [there[plain(column)] for column in mapping.columns if plain(column) in there] or list(
            there.values()
        )
        total = frame.select(polars.len()).collect().item()
        batches = frame.select(dict.fromkeys(columns)).collect_batches(
            chunk_size=_BATCH, maintain_order=True, lazy=True
        )
    except (polars.exceptions.PolarsError, OSError) as error:
        raise LogError(f"{name}: no Parquet file that can be read: {error}") from None
    at = _Place()

    def rows() -> Iterator[tuple[int, Cells | Fault]]:
        for batch in batches:
            for cells in batch.iter_rows():
                at.row += 1
                at.cells = cells
                yield at.row, cells

    header = list(dict.fromkeys(columns))
    return Source(
        header,
        rows(),
        raw=lambda: _as_json(header, at.cells),
        share=lambda: at.row / max(1, total),
        how="parquet",
    )


def _excel(path: Path, read: Read, name: str) -> Source:
    try:
        book = CalamineWorkbook.from_path(path)
        sheet_name = read.sheet or book.sheet_names[0]
        if sheet_name not in book.sheet_names:
            raise LogError(f"{name}: no sheet {sheet_name!r}; {nearest(sheet_name, book.sheet_names)}")
        sheet = book.get_sheet_by_name(sheet_name)
    except (CalamineError, IndexError) as error:
        raise LogError(f"{name}: no workbook that can be read: {error}") from None
    at = _Place()
    # Rows above the first filled one are not given, but count for who looks them up.
    at.row = sheet.start[0] if sheet.start else 0
    given = sheet.iter_rows()
    if read.columns is not None:
        header: Sequence[str] = read.columns
    else:
        top: list[Any] = []
        while at.row < read.skip or not any(cell_text(cell) for cell in top):
            found = next(given, None)
            if found is None:
                raise LogError(f"{name}: sheet {sheet_name!r} has no header")
            at.row += 1
            top = found if at.row > read.skip else []
        header = [cell_text(cell) for cell in top]

    def rows() -> Iterator[tuple[int, Cells | Fault]]:
        for cells in given:
            at.row += 1
            at.cells = cells
            if at.row > read.skip and any(cell != "" for cell in cells):
                yield at.row, [*cells, *[""] * (len(header) - len(cells))]

    total = max(1, sheet.total_height)
    return Source(
        header,
        rows(),
        raw=lambda: _as_json(header, at.cells),
        share=lambda: min(1.0, at.row / total),
        how=f"excel, sheet {sheet_name!r}",
        close=book.close,
    )


class _Place:
    """The row at hand."""

    def __init__(self) -> None:
        self.row = 0
        self.cells: Cells = ()


def _as_json(header: Sequence[str], cells: Cells) -> str:
    return json.dumps(dict(zip(header, cells, strict=False)), ensure_ascii=False, default=str)
