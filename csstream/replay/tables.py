"""Rows of figures: as parts on disk while the log is told, and as the columns of SPEC 10 in the end.

A row's samples may come from every range of customers, and percentiles need them all at once. So parts are
merged row by row, and only one row's samples are in memory.
"""

import csv
import heapq
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO

import msgspec

from csstream.core.calendar import Calendar
from csstream.core.scoreboard import Scoreboard
from csstream.core.scores import COUNTS, Scores, mean_s, percentile_s
from csstream.policy import Policy
from csstream.replay.report import BOUNDS_S

_ROW = (
    *(
        "consulted",
        "replied_any",
        "replied_strict",
        "receptions",
        "receptions_unanswered",
        "waits",
        "within_30",
    ),
    *(
        "responses",
        "response_sum_ms",
        "response_mean_s",
        "response_p50_s",
        "response_p90_s",
        "response_p95_s",
    ),
    *("response_max_s", "excluded_long", "first_responses", "first_response_sum_ms", "first_response_mean_s"),
    *("first_excluded_long", "transferred_unanswered", "orders_owned", "turnover_fen", "refunds_fen"),
    *("unpaid_open", "reminders_due", "reminders_missed"),
)
AGENT_COLUMNS = ("shop", "day", "agent", *_ROW)
SHOP_COLUMNS = (
    *("shop", "day", *_ROW, "abandoned", "expired", "void", "bot", "inquirers", "ordered_same_day"),
    *("ordered_final", "orderers", "payers", "silent_orders", "buyers", "buyers_served", "buyers_silent"),
    *("turnover_served_fen", "provisional"),
)
"""Columns of SPEC 10."""

WHAT_IF_COLUMNS = (
    *(
        "shop",
        "day",
        "policy",
        "consulted",
        "replied_any",
        "replied_strict",
        "receptions",
        "waits",
        "within_30",
    ),
    *("responses", "response_mean_s", "response_p50_s", "response_p90_s", "response_p95_s", "response_max_s"),
    *("excluded_long", "first_responses", "first_response_mean_s", "first_excluded_long"),
    *("transferred_unanswered", "abandoned", "expired", "void", "bot", "orders_owned", "turnover_fen"),
    *(
        "reminders_due",
        "reminders_missed",
        "inquirers",
        "ordered_same_day",
        "ordered_final",
        "orderers",
        "payers",
    ),
)

Cell = str | int | float | None
Cells = dict[str, Cell]
Key = tuple[str, str, str | None]
"""(shop, day, agent); agent None is the shop."""

AT_ONCE = 64
"""Files merged at a time."""

_pack = msgspec.msgpack.Encoder().encode
_HEAD = msgspec.msgpack.Decoder(tuple[str, str, str | None, list[int], int, int])


class Row:
    """One row: counts by name, and samples in ms."""

    __slots__ = ("counts", "first_responses", "key", "responses")

    def __init__(
        self, key: Key, counts: list[int], responses: "array[int]", first_responses: "array[int]"
    ) -> None:
        self.key = key
        self.counts = counts
        self.responses = responses
        self.first_responses = first_responses

    @property
    def place(self) -> tuple[str, str, bool, str]:
        """Its place in the files: by shop, day, agent, the shop's own row first."""
        shop, day, agent = self.key
        return shop, day, agent is not None, agent or ""

    def add(self, other: "Row") -> None:
        """Count another part of the same row in."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.responses += other.responses
        self.first_responses += other.first_responses

    def empty(self) -> bool:
        """Whether nothing counts here."""
        return not (any(self.counts) or self.responses or self.first_responses)


def write_part(boards: Mapping[str, Scoreboard], path: Path) -> None:
    """Write the rows of some scoreboards, in order."""
    rows = [
        Row(
            (shop, day, agent),
            counts_of(scores),
            array("q", scores.responses),
            array("q", scores.first_responses),
        )
        for shop, board in boards.items()
        for (day, agent), scores in board.rows.items()
    ]
    rows.sort(key=lambda row: row.place)
    with path.open("wb") as file:
        for row in rows:
            _put(row, file)


def counts_of(scores: Scores) -> list[int]:
    """The plain counts of a row, in the order of `COUNTS`."""
    return [getattr(scores, name) for name in COUNTS]


def _put(row: Row, file: BinaryIO) -> None:
    head = _pack((*row.key, row.counts, len(row.responses), len(row.first_responses)))
    file.write(len(head).to_bytes(4, "little"))
    file.write(head)
    file.write(row.responses.tobytes())
    file.write(row.first_responses.tobytes())


def _rows(file: IO[bytes]) -> Iterator[Row]:
    while length := file.read(4):
        shop, day, agent, counts, responses, first_responses = _HEAD.decode(
            file.read(int.from_bytes(length, "little"))
        )
        yield Row((shop, day, agent), counts, _samples(file, responses), _samples(file, first_responses))


def _samples(file: IO[bytes], number: int) -> "array[int]":
    found = array("q")
    if number:
        found.frombytes(file.read(8 * number))
    return found


def merged(paths: list[Path]) -> Iterator[Row]:
    """The rows of all parts, each whole, in order; at most `AT_ONCE` files are open. The parts are used up."""
    paths = list(paths)
    while len(paths) > AT_ONCE:
        some, paths = paths[:AT_ONCE], paths[AT_ONCE:]
        into = some[0].with_name(f"{some[0].name}+")
        with into.open("wb") as file:
            for row in _merge(some):
                _put(row, file)
        for path in some:
            path.unlink()
        paths.append(into)
    yield from _merge(paths)


def _merge(paths: list[Path]) -> Iterator[Row]:
    files = [path.open("rb") for path in paths]
    try:
        stream = heapq.merge(*(_rows(file) for file in files), key=lambda row: row.place)
        row = next(stream, None)
        for other in stream:
            assert row is not None
            if other.key == row.key:
                row.add(other)
                continue
            if not row.empty():
                yield row
            row = other
        if row is not None and not row.empty():
            yield row
    finally:
        for file in files:
            file.close()


def cells(row: Row, responses: list[int]) -> Cells:
    """The columns of a row by name; `responses` are its ordered samples."""
    found: Cells = dict(zip(COUNTS, row.counts, strict=True))
    total, first_total = sum(responses), sum(row.first_responses)
    found |= {
        "shop": row.key[0],
        "day": row.key[1],
        "agent": row.key[2],
        "responses": len(responses),
        "response_sum_ms": total,
        "response_mean_s": mean_s(total, len(responses)),
        "response_p50_s": percentile_s(responses, 50),
        "response_p90_s": percentile_s(responses, 90),
        "response_p95_s": percentile_s(responses, 95),
        "response_max_s": responses[-1] / 1000 if responses else None,
        "first_responses": len(row.first_responses),
        "first_response_sum_ms": first_total,
        "first_response_mean_s": mean_s(first_total, len(row.first_responses)),
    }
    return found


class Provisional:
    """Whether the conversion of a day may still change: its final window is not over on the shop's clock (SPEC 6)."""

    def __init__(self, policy: Policy, clocks: Mapping[str, int]) -> None:
        self._timezone = policy.timezone
        self._days = policy.attribution_final_window_days
        self._clocks = clocks

    def days(self) -> Callable[[str, str], int]:
        """The column of a shop's row of a day."""
        calendar = Calendar(self._timezone)

        def provisional(shop: str, day: str) -> int:
            return int(self._clocks[shop] <= calendar.days_after(calendar.named(day), self._days))

        return provisional


class Table:
    """A CSV file of cells by name: `\\n` line ends, floats by `repr`, an empty cell where there is nothing.

    Ids stand as they are, even where a spreadsheet would take them for a formula: scripts compare them.
    """

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._file = path.open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(columns)

    def add(self, found: Mapping[str, Cell]) -> None:
        """Write one row."""
        get = found.get
        self._rows.writerow(["" if (cell := get(name)) is None else cell for name in self._columns])

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


DISTINCT = 50_000
"""Distinct values that a `Spread` keeps at most."""


class Spread:
    """Samples of a whole log: exact, until there are too many distinct ones; then to 10 ms, 100 ms, ...

    The result depends on the samples alone, not on their order.
    """

    __slots__ = ("_of", "step")

    def __init__(self) -> None:
        self.step = 1
        self._of: dict[int, int] = {}

    def add(self, samples: Iterable[int]) -> None:
        """Count samples in."""
        of, step = self._of, self.step
        for ms in samples:
            ms -= ms % step  # noqa: PLW2901
            of[ms] = of.get(ms, 0) + 1
            if len(of) > DISTINCT:
                self._coarsen()
                of, step = self._of, self.step

    def _coarsen(self) -> None:
        while len(self._of) > DISTINCT:
            self.step *= 10
            coarse: dict[int, int] = {}
            for ms, number in self._of.items():
                ms -= ms % self.step  # noqa: PLW2901
                coarse[ms] = coarse.get(ms, 0) + number
            self._of = coarse

    def ordered(self) -> "Ordered":
        """The samples in order."""
        return Ordered(self._of)


class Ordered:
    """Samples in order without laying them out: what `percentile_s` needs of a list."""

    def __init__(self, of: Mapping[int, int]) -> None:
        self._values = sorted(of)
        self._ends: list[int] = []
        end = 0
        for value in self._values:
            end += of[value]
            self._ends.append(end)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, at: int) -> int:
        return self._values[bisect_right(self._ends, at)]


AT_HAND = 2_000_000
"""Samples that are sorted in memory; of more, a `Spread` is made."""


class Totals:
    """A shop or an agent over all days. Samples lie in a file, piece by piece, and are read again in the end."""

    __slots__ = ("_pieces", "counts", "first_number", "first_total", "longest", "number", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(COUNTS)
        self.first_number = 0
        self.first_total = 0
        self.number = 0
        self.total = 0
        self.longest: int | None = None
        self._pieces = array("Q")

    def add(self, row: Row, responses: list[int], file: BinaryIO) -> None:
        """Count a day in; its samples go to the end of `file`."""
        self.counts = [a + b for a, b in zip(self.counts, row.counts, strict=True)]
        self.first_number += len(row.first_responses)
        self.first_total += sum(row.first_responses)
        if responses:
            self.number += len(responses)
            self.total += sum(responses)
            self.longest = max(responses[-1], self.longest or 0)
            self._pieces.extend((file.tell(), len(responses)))
            file.write(array("q", responses).tobytes())

    def _ordered(self, file: BinaryIO) -> Any:
        pieces = self._samples(file)
        if self.number <= AT_HAND:
            return sorted(chain.from_iterable(pieces))
        spread = Spread()
        for piece in pieces:
            spread.add(piece)
        return spread.ordered()

    def _samples(self, file: BinaryIO) -> Iterator["array[int]"]:
        for at in range(0, len(self._pieces), 2):
            file.seek(self._pieces[at])
            yield _samples(file, self._pieces[at + 1])

    def cells(self, shop: str, agent: str | None, file: BinaryIO) -> Cells:
        """The columns over all days, without `day`."""
        found: Cells = dict(zip(COUNTS, self.counts, strict=True))
        found |= {"shop": shop} if agent is None else {"shop": shop, "agent": agent}
        ordered = self._ordered(file)
        found |= {
            "responses": self.number,
            "response_sum_ms": self.total,
            "response_mean_s": mean_s(self.total, self.number),
            "response_p50_s": percentile_s(ordered, 50),
            "response_p90_s": percentile_s(ordered, 90),
            "response_p95_s": percentile_s(ordered, 95),
            "response_max_s": None if self.longest is None else self.longest / 1000,
            "first_responses": self.first_number,
            "first_response_sum_ms": self.first_total,
            "first_response_mean_s": mean_s(self.first_total, self.first_number),
        }
        return found


def buckets(responses: list[int]) -> list[int]:
    """Ordered samples by the bounds of SPEC 5: up to each, then over the last."""
    ends = [bisect_right(responses, bound * 1000) for bound in BOUNDS_S]
    return [end - start for start, end in zip([0, *ends], [*ends, len(responses)], strict=True)]
