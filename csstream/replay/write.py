"""The last pass: the parts of all ranges become the files of SPEC 10.

Ranges lie in the order of fact ids, so facts are mostly put one behind the other by the kernel; only where one
customer's name begins with another's, and for alerts (sorted by time), lines are merged.
"""

import csv
import heapq
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from csstream.replay.crew import look_up
from csstream.replay.job import ReplayError
from csstream.replay.sort import DeadLetter, Run
from csstream.replay.tables import (
    AGENT_COLUMNS,
    AT_ONCE,
    SHOP_COLUMNS,
    WHAT_IF_COLUMNS,
    Cells,
    Provisional,
    Table,
    Totals,
    buckets,
    cells,
    merged,
)
from csstream.replay.tell import id_of

ROWS = 20_000
"""Rows of a table that the report gets at most; the CSV files have all."""


@dataclass(frozen=True, slots=True)
class FactsPart:
    """The facts of one kind from one range, and the first and last id among them."""

    path: Path
    first: str
    last: str


def write_facts(kinds: Sequence[Sequence[FactsPart]], out: Path, at_hand: int) -> None:
    """Write `facts.jsonl`: the kinds in order, each sorted by id. The parts are used up."""
    with out.open("wb", buffering=0) as file:
        for parts in kinds:
            if all(a.last < b.first for a, b in pairwise(parts)):
                for part in parts:
                    look_up()
                    _append(part.path, file)
                    part.path.unlink()
            else:
                merge_lines([part.path for part in parts], id_of, file, at_hand)


def _append(path: Path, out: BinaryIO) -> None:
    with path.open("rb", buffering=0) as file:
        left = os.fstat(file.fileno()).st_size
        while left:
            copied = os.sendfile(out.fileno(), file.fileno(), None, left)
            if not copied:
                raise ReplayError("a temporary file was changed by somebody else; start the replay again")
            left -= copied


class _Instant(msgspec.Struct):
    ts: int
    alert: str


_instant = msgspec.json.Decoder(_Instant).decode


def _when(line: bytes) -> tuple[int, str]:
    alert = _instant(line)
    return alert.ts, alert.alert


def write_alerts(paths: Sequence[Path], out: Path, at_hand: int) -> None:
    """Write `alerts.jsonl`, sorted by `ts`, then `alert`. The parts are used up."""
    with out.open("wb") as file:
        merge_lines(paths, _when, file, at_hand)


def merge_lines(paths: Sequence[Path], key: Callable[[bytes], Any], out: BinaryIO, at_hand: int) -> None:
    """Merge files of sorted lines, equal keys in the order of the files; at most `AT_ONCE` of them are open.

    Up to `at_hand` bytes are sorted in memory, which is quicker.
    """
    left = [path for path in paths if path.stat().st_size]
    while len(left) > AT_ONCE:
        level: list[Path] = []
        for start in range(0, len(left), AT_ONCE):
            some = left[start : start + AT_ONCE]
            into = some[0].with_name(f"{some[0].name}+")
            with into.open("wb") as file:
                _merge(some, key, file, at_hand)
            level.append(into)
        left = level
    _merge(left, key, out, at_hand)


def _merge(paths: Sequence[Path], key: Callable[[bytes], Any], out: BinaryIO, at_hand: int) -> None:
    if sum(path.stat().st_size for path in paths) <= at_hand:
        lines: list[bytes] = []
        for path in paths:
            lines += path.read_bytes().splitlines(keepends=True)
            path.unlink()
        lines.sort(key=key)
        out.writelines(lines)
        return
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in paths]
        out.writelines(heapq.merge(*files, key=key))
    for path in paths:
        path.unlink()


@dataclass(slots=True)
class Figures:
    """What the tables say, for those who go on with it."""

    shops: list[Cells] = field(default_factory=list)
    agents: list[Cells] = field(default_factory=list)
    left_out: int = 0
    """Rows beyond `ROWS`."""
    shop_totals: list[Cells] = field(default_factory=list)
    agent_totals: list[Cells] = field(default_factory=list)
    histogram: dict[str, list[int]] = field(default_factory=dict)


def write_tables(parts: Sequence[Path], folder: Path, scratch: Path, provisional: Provisional) -> Figures:
    """Write `agents.csv` and `shops.csv` into `folder`; the parts are used up, samples lie in `scratch` meanwhile."""
    figures = Figures()
    is_provisional = provisional.days()
    totals: dict[tuple[str, str | None], Totals] = {}
    shops = Table(folder / "shops.csv", SHOP_COLUMNS)
    agents = Table(folder / "agents.csv", AGENT_COLUMNS)
    with scratch.open("w+b") as samples:
        for row in merged(list(parts)):
            look_up()
            responses = sorted(row.responses)
            found = cells(row, responses)
            shop, day, agent = row.key
            if agent is None:
                found["provisional"] = is_provisional(shop, day)
            key = shop, agent
            total = totals.get(key)
            if total is None:
                total = totals[key] = Totals()
            total.add(row, responses, samples)
            table, kept = (shops, figures.shops) if agent is None else (agents, figures.agents)
            table.add(found)
            if len(kept) < ROWS:
                kept.append(found)
            else:
                figures.left_out += 1
            if agent is None:
                before = figures.histogram.get(shop)
                of_day = buckets(responses)
                figures.histogram[shop] = (
                    of_day if before is None else [a + b for a, b in zip(before, of_day, strict=True)]
                )
        for (shop, agent), total in sorted(totals.items(), key=lambda item: (item[0][0], item[0][1] or "")):
            look_up()
            (figures.shop_totals if agent is None else figures.agent_totals).append(
                total.cells(shop, agent, samples)
            )
    shops.close()
    agents.close()
    scratch.unlink()
    return figures


def write_dead_letters(runs: Sequence[Run], out: Path) -> list[DeadLetter]:
    """Write `dead_letters.jsonl` in the order of the input; gives the first few. The runs' own ones are used up."""
    examples: list[DeadLetter] = []
    decode = msgspec.json.Decoder(DeadLetter).decode
    encode = msgspec.json.Encoder().encode
    before = 0
    source = -1
    with out.open("wb") as file:
        for run in sorted(runs, key=lambda run: run.number):
            if run.source != source:
                source, before = run.source, 0
            if run.rejected:
                with run.dead.open("rb") as letters:
                    for line in letters:
                        letter = decode(line)
                        letter.line += before
                        file.write(encode(letter) + b"\n")
                        if len(examples) < 5:
                            examples.append(letter)
                run.dead.unlink()
            before += run.lines
    return examples


def write_what_if(folders: Mapping[str, Path], out: Path) -> None:
    """Write the shop figures of several policies (name to folder) side by side."""
    with ExitStack() as stack, out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(WHAT_IF_COLUMNS)

        def rows(at: int, name: str, folder: Path) -> Iterator[tuple[str, str, int, dict[str, str]]]:
            opened = stack.enter_context((folder / "shops.csv").open(encoding="utf-8", newline=""))
            for row in csv.DictReader(opened):
                yield row["shop"], row["day"], at, row | {"policy": name}

        streams = [rows(at, name, folder) for at, (name, folder) in enumerate(folders.items())]
        for *_, row in heapq.merge(*streams, key=lambda each: each[:3]):
            table.writerow([row[name] for name in WHAT_IF_COLUMNS])
