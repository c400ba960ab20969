"""Parquet, streamed in batches, and sheets, which the library that reads them holds (1,048,576 rows at most)."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars
from python_calamine import CalamineError, CalamineWorkbook

from csstream.logs.cell import Cells, cell_text, plain
from csstream.logs.fault import Fault, LogError, nearest
from csstream.logs.mapping import Mapping, Read
from csstream.logs.source import Source

_BATCH = 20_000  # rows of Parquet at a time


def open_parquet(path: Path, mapping: Mapping, name: str) -> Source:
    """The rows of a Parquet file, batch by batch; raises LogError where it cannot be read."""
    try:
        frame = polars.scan_parquet(path)
        there = {plain(column): column for column in frame.collect_schema().names()}
        wanted = [there[plain(column)] for column in mapping.columns if plain(column) in there]
        header = list(dict.fromkeys(wanted)) if len(wanted) == len(mapping.columns) else list(there.values())
        total = frame.select(polars.len()).collect().item()
        batches = frame.select(header).collect_batches(chunk_size=_BATCH, maintain_order=True, lazy=True)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise LogError(f"{name}: no Parquet file that can be read: {error}") from None
    at = _Place()

    def rows() -> Iterator[tuple[int, Cells | Fault]]:
        for batch in batches:
            for cells in batch.iter_rows():
                at.row += 1
                at.cells = cells
                yield at.row, cells

    return Source(
        header,
        rows(),
        raw=lambda: _as_json(header, at.cells),
        share=lambda: at.row / max(1, total),
        how="parquet",
    )


def open_sheet(path: Path, read: Read, name: str) -> Source:
    """The rows of a sheet of a workbook; raises LogError where it cannot be read."""
    try:
        book = CalamineWorkbook.from_path(path)
        sheet_name = read.sheet or book.sheet_names[0]
        if sheet_name not in book.sheet_names:
            raise LogError(f"{name}: no sheet {sheet_name!r}; {nearest(sheet_name, book.sheet_names)}")
        sheet = book.get_sheet_by_name(sheet_name)
    except (CalamineError, IndexError) as error:
        raise LogError(f"{name}: no workbook that can be read: {error}") from None
    at = _Place()
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
