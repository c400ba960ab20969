"""Cells of any kind of file, as text: a mapping speaks of text, whatever a file holds."""

import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal

from csstream.logs.fault import Fault

Cells = Sequence[object]
"""The cells of one row, in the order of the header."""


def plain(name: str) -> str:
    """A column's name as it is compared: exports differ in spaces at its ends, and in width (（元） is (元))."""
    return unicodedata.normalize("NFKC", name.strip("\ufeff")).strip()


def cell_text(cell: object) -> str:
    """The text of a cell of any kind of file; "" for nothing. Numbers in full, whole ones without a point."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        if cell != cell:  # noqa: PLR0124 - not a number: an empty cell in many exports
            return ""
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else format(Decimal(repr(cell)), "f")
    if isinstance(cell, Decimal):
        return format(cell, "f")
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    if isinstance(cell, int | date | time):
        return str(cell)
    raise Fault(f"a {type(cell).__name__}, not one value", "map a field inside it: {outer.inner}")
