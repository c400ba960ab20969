"""What can be wrong with a log or a mapping, kept apart by who must act.

A bad row is set aside and counted, and the import goes on; a bad mapping or an unreadable file ends it
before anything is written. Both say the place, the value and the way out.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

PRIVATE = frozenset({"text", "memo"})
"""Fields whose values are what people wrote to each other: never shown in a message."""

SHOWN = 80  # characters of a value that help; the rest is in the reject file


class LogError(Exception):
    """The import cannot go on: an unreadable file, a missing column, an unknown format (exit status 1)."""


class MappingError(LogError, ValueError):
    """The mapping itself is wrong; nothing was read (exit status 2)."""


class Fault(Exception):  # noqa: N818 - a fault of one row is expected, no error of ours
    """Why one row cannot become events. `reason` states it, `fix` says how to get out of it."""

    def __init__(self, reason: str, fix: str = "", *, column: str = "", value: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix
        self.column = column
        self.value = value


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was set aside: where it begins (line, or row of a sheet, from 1), what is wrong, the way out."""

    file: str
    line: int
    column: str
    value: str
    reason: str
    fix: str

    def __str__(self) -> str:
        column = f" column `{self.column}`:" if self.column else ""
        value = f" {self.value}:" if self.value else ""
        fix = f"; {self.fix}" if self.fix else ""
        return f"{self.file}:{self.line}:{column}{value} {self.reason}{fix}"


def shown(value: object) -> str:
    """A value as a message may show it: quoted, in one line, cut short."""
    if value is None:
        return ""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the name that was probably meant, else all there are."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else f"known are: {', '.join(names)}"
