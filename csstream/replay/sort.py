"""The first pass: each block of a log becomes a *run*, its lines grouped by customer.

An external sort, but coarser than one: within a customer the lines stay as they came, for whoever tells the story
sorts a few dozen events in memory anyway. A run is the lines, group after group, and beside it the place where
each group starts, so that any range of customers is found by bisection.
"""

import base64
import hashlib
import os
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.json import Decoder, Encoder

from csstream.events import MAX_BYTES, Event, Order, Profile, Reject, Shift, decode, decode_many
from csstream.replay.crew import look_up
from csstream.replay.job import ReplayError
from csstream.replay.read import KEPT, Block, Oversized, lines_of

Place = tuple[int, str, str]
"""Where a group lies among all: agents' own events (0) first; then `shop|customer|`, the order of fact ids; the shop."""

FIRST_CUSTOMER: Place = (1, "", "")
SAMPLES = 64
"""Groups of a run that are reported, to cut the log into even ranges."""

_ALL_TIME = 1 << 62
_encode = Encoder().encode
_decode_lines = Decoder(Event).decode_lines  # the lines of a run have passed `decode`: no need to find faults
_TIMED = frozenset({Order, Shift, Profile})  # types with further times that may be written out


class DeadLetter(Struct):
    """One rejected line (SPEC 1). Of a line over 1 MiB `raw` is the beginning; other bytes than UTF-8 are in `raw_base64`."""

    reason: str
    error: str
    file: str
    line: int
    raw: str
    raw_base64: str | UnsetType = UNSET
    raw_bytes: int | UnsetType = UNSET
    raw_sha256: str | UnsetType = UNSET


@dataclass(slots=True)
class Run:
    """What became of one block."""

    number: int
    source: int
    bytes: int
    folder: Path
    lines: int = 0
    blank: int = 0
    outside: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    """Newest `ts` by shop."""
    first_ts: int = -1
    last_ts: int = -1
    disordered: bool = False
    size: int = 0
    samples: list[tuple[Place, int]] = field(default_factory=list)
    """Some groups, and how many bytes lie before each."""
    agents: bool = False
    """Whether there are events of agents alone."""

    @property
    def path(self) -> Path:
        """The lines."""
        return self.folder / f"{self.number}.run"

    @property
    def starts(self) -> Path:
        """Where the groups start, 8 bytes each."""
        return self.folder / f"{self.number}.starts"

    @property
    def cuts(self) -> Path:
        """Where the ranges start, 8 bytes each."""
        return self.folder / f"{self.number}.cuts"

    @property
    def dead(self) -> Path:
        """The dead letters, with lines counted from the block's own first."""
        return self.folder / f"{self.number}.dead"


def place_of(event: Event) -> Place:
    """The group of an event."""
    if event.customer is None:
        return 0, f"{event.shop}|{event.agent}|", event.shop
    return 1, f"{event.shop}|{event.customer}|", event.shop


def sort_block(
    block: Block, shown: str, folder: Path, block_bytes: int, from_ms: int | None, to_ms: int | None
) -> Run:
    """Decode a block, set aside what does not fit, and write the rest as a run into `folder`."""
    run = Run(block.number, block.source, block.size, folder)
    low = -_ALL_TIME if from_ms is None else from_ms
    high = _ALL_TIME if to_ms is None else to_ms
    shops: dict[str, _ShopLines] = {}
    letters: list[bytes] = []
    ts = -1
    lines = lines_of(block, block_bytes)
    whole = not any(type(line) is Oversized for line in lines)
    decoded = decode_many(lines) if whole else map(_decode_any, lines)  # type: ignore[arg-type]
    line: Any
    event: Any
    for number, (line, event) in enumerate(zip(lines, decoded, strict=True), 1):
        if not number & 0xFFF:
            look_up()
        if type(event) is Reject:
            if type(line) is bytes and not line.strip():
                run.blank += 1
            else:
                run.rejected[event.reason] = run.rejected.get(event.reason, 0) + 1
                letters.append(_encode(dead_letter(event, shown, number, line)))
            continue
        at: int = event.ts
        if not low <= at < high:
            run.outside += 1
            continue
        if at < ts:
            run.disordered = True
        elif ts < 0:
            run.first_ts = at
        ts = at
        shop = shops.get(event.shop)
        if shop is None:
            shop = shops[event.shop] = _ShopLines()
        shop.newest = max(shop.newest, at)
        name = event.customer
        group = shop.agents if name is None else shop.customers
        name = event.agent if name is None else name
        mine = group.get(name)
        if mine is None:
            group[name] = [line]
        else:
            mine.append(line)
    run.lines = len(lines)
    run.last_ts = ts
    run.newest = {name: shop.newest for name, shop in shops.items()}
    _write(run, shops)
    if letters:
        run.dead.write_bytes(b"\n".join(letters) + b"\n")
    return run


class _ShopLines:
    """The lines of a shop in a block, by agent and by customer, and its newest `ts`."""

    __slots__ = ("agents", "customers", "newest")

    def __init__(self) -> None:
        self.agents: dict[str, list[bytes]] = {}
        self.customers: dict[str, list[bytes]] = {}
        self.newest = -1


def _write(run: Run, shops: dict[str, _ShopLines]) -> None:
    placed = sorted(
        ((kind, f"{shop}|{name}|", shop), lines)
        for shop, own in shops.items()
        for kind, groups in ((0, own.agents), (1, own.customers))
        for name, lines in groups.items()
    )
    shops.clear()
    starts = array("Q")
    at = 0
    every = max(1, len(placed) // SAMPLES)
    with run.path.open("wb") as file:
        for n, (place, lines) in enumerate(placed):
            data = b"\n".join(lines)
            starts.append(at)
            if n % every == 0:
                run.samples.append((place, at))
            file.write(data)
            file.write(b"\n")
            at += len(data) + 1
    run.size = at
    run.agents = bool(placed) and placed[0][0][0] == 0
    run.starts.write_bytes(starts.tobytes())


def _decode_any(line: bytes | Oversized) -> Event | Reject:
    if isinstance(line, bytes):
        return decode(line)
    return Reject("too_large", f"{line.size} bytes; at most {MAX_BYTES} are accepted")


def dead_letter(reject: Reject, shown: str, number: int, line: bytes | Oversized) -> DeadLetter:
    """The record of a rejected line."""
    letter = DeadLetter(reject.reason, reject.error, shown, number, "")
    raw = line if isinstance(line, bytes) else line.head
    if isinstance(line, Oversized):
        letter.raw_bytes, letter.raw_sha256 = line.size, line.sha256
    elif len(raw) > MAX_BYTES:
        letter.raw_bytes, letter.raw_sha256 = len(raw), hashlib.sha256(raw).hexdigest()
        raw = raw[:KEPT]
    try:
        letter.raw = raw.decode()
    except UnicodeDecodeError:
        letter.raw = raw.decode(errors="backslashreplace")
        letter.raw_base64 = base64.b64encode(raw).decode()
    return letter


def cut_run(run: Run, cuts: Sequence[Place]) -> None:
    """Find where in a run each range starts, and keep it beside the run."""
    found = array("Q")
    if run.size:
        starts = array("Q")
        starts.frombytes(run.starts.read_bytes())
        with run.path.open("rb", buffering=0) as file:
            groups = _Groups(file.fileno(), starts, run.size)
            for cut in cuts:
                at = bisect_left(groups, cut)
                found.append(starts[at] if at < len(starts) else run.size)
    else:
        found.extend([0] * len(cuts))
    found.append(run.size)
    run.cuts.write_bytes(found.tobytes())


class _Groups(Sequence[Place]):
    """The places of a run's groups, each looked up in the group's first line when it is asked for."""

    def __init__(self, file: int, starts: "array[int]", size: int) -> None:
        self._file = file
        self._starts = starts
        self._size = size
        self._known: dict[int, Place] = {}

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, at: int) -> Place:  # type: ignore[override]
        found = self._known.get(at)
        if found is None:
            start = self._starts[at]
            step = 1024
            line = os.pread(self._file, step, start)
            while b"\n" not in line and start + len(line) < self._size:
                line += os.pread(self._file, max(step, len(line)), start + len(line))
            event = decode(line.partition(b"\n")[0])
            if isinstance(event, Reject):
                raise ReplayError("a temporary file was changed by somebody else; start the replay again")
            found = self._known[at] = place_of(event)
        return found


def read_range(runs: Sequence[Run], number: int) -> dict[Place, list[Event]]:
    """All events of range `number`, by group."""
    groups: dict[Place, list[Event]] = {}
    for run in runs:
        with run.cuts.open("rb", buffering=0) as cuts:
            bounds = array("Q")
            bounds.frombytes(os.pread(cuts.fileno(), 16, 8 * number))
        start, end = bounds
        if start == end:
            continue
        with run.path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), end - start, start)
        shop = customer = None
        add: Any = None
        look_up()
        event: Any
        for event in _decode_lines(data):
            if type(event.ts) is not int or type(event) in _TIMED:
                event = decode(_encode(event))  # noqa: PLW2901 - turns written times into numbers
            if event.customer is None or event.customer != customer or event.shop != shop:
                shop, customer = event.shop, event.customer
                add = groups.setdefault(place_of(event), []).append
            add(event)
    return groups
