"""The second pass: the customers of one range, told one after the other under every policy.

What they tell goes to part files in the order of the final ones, so that in the end there is little left to do
but to put the parts one behind the other.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from csstream.core.alert import Alert
from csstream.core.audit import Auditor
from csstream.core.canon import Standing
from csstream.core.changes import Change, of_agent
from csstream.core.crew import Crew
from csstream.core.facts import Wait
from csstream.core.orders.scripts import COLUMNS, outcomes
from csstream.core.scoreboard import WITHIN_MS, Scoreboard
from csstream.events import Event, Profile, Shift
from csstream.policy import Policy
from csstream.replay.crew import look_up
from csstream.replay.floor import Chunk, in_order, lay_down
from csstream.replay.lost import LostInquiry, LostList
from csstream.replay.report import LONGEST
from csstream.replay.sort import Run, read_range
from csstream.replay.tables import write_part

KINDS = ("consult", "flag", "order", "reception", "reminder", "wait")
"""Kinds of facts, in the order of `facts.jsonl`."""

_fact_id = attrgetter("fact")
_ts = attrgetter("ts")
_encode_lines = msgspec.json.Encoder().encode_lines
_AT_ONCE = 4_096  # facts encoded in one go


@dataclass(frozen=True, slots=True)
class Plan:
    """What every range needs to know. It lies in a file: workers may be older than it."""

    folder: Path
    runs: tuple[Run, ...]
    policies: tuple[Policy, ...]
    clocks: tuple[Mapping[str, int], ...]
    """By policy: the clock of each shop (epoch ms)."""
    roster: tuple[Sequence[Profile | Shift], ...]
    """By policy: the standing profiles and shifts."""


@dataclass(slots=True)
class Part:
    """What one range told under one policy; its files lie in `folder`."""

    folder: Path
    number: int
    ends: dict[str, tuple[str, str]] = field(default_factory=dict)
    """First and last fact id by kind."""
    facts: dict[str, int] = field(default_factory=dict)
    alerts: dict[tuple[str, str], int] = field(default_factory=dict)
    duplicates: int = 0
    conflicts: int = 0
    newest: dict[str, int] = field(default_factory=dict)
    """Newest `ts` of a standing event by shop."""
    hours: dict[str, list[list[int]]] = field(default_factory=dict)
    longest: list[Wait] = field(default_factory=list)
    changes: dict[str, list[Chunk]] = field(default_factory=dict)
    """What the floor of each shop has to know."""
    lost: list[LostInquiry] = field(default_factory=list)
    scripts: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    """By shop and script, the columns of `core.orders.scripts`."""
    roster: list[Profile | Shift] = field(default_factory=list)
    """Standing profiles and shifts."""

    def path(self, what: str) -> Path:
        """The file of a kind of fact, of `alerts`, of `changes` or of `rows`."""
        return self.folder / f"{self.number}.{what}"


@dataclass(slots=True)
class Told:
    """What one range told: how much was read, and one part a policy."""

    number: int
    bytes: int
    events: dict[str, int]
    customers: int
    parts: list[Part]


@lru_cache(maxsize=1)
def _plan(path: Path, _version: int) -> "tuple[Plan, list[_Teller]]":
    plan: Plan = pickle.loads(path.read_bytes())  # noqa: S301 - our own file, in a folder of our own
    return plan, [_Teller(plan, at) for at in range(len(plan.policies))]


def tell_range(path: Path, version: int, number: int, size: int) -> Told:
    """Tell all customers of range `number` (and agents: their profiles and shifts)."""
    plan, tellers = _plan(path, version)
    groups = read_range(plan.runs, number)
    told = Told(number, size, {}, 0, [])
    for teller in tellers:
        teller.begin(number)
    types: dict[type, int] = {}
    for place in sorted(groups):
        look_up()
        events = groups.pop(place)
        for event in events:
            cls = type(event)
            types[cls] = types.get(cls, 0) + 1
        if place[0]:
            told.customers += 1
            for teller in tellers:
                teller.customer(events)
        else:
            for teller in tellers:
                teller.agent(events)
    told.events = {str(cls.__struct_config__.tag): n for cls, n in types.items()}  # type: ignore[attr-defined]
    told.parts = [teller.end() for teller in tellers]
    return told


@dataclass(slots=True)
class Judged:
    """What the floor of one shop told under one policy; the alerts lie in `path`."""

    at: int
    path: Path
    alerts: dict[tuple[str, str], int]


def judge_shop(path: Path, version: int, at: int, shop: str, number: int, chunks: Sequence[Chunk]) -> Judged:
    """Judge the rules of a state in one shop under policy `at`; `number` names its file. The chunks are left."""
    _, tellers = _plan(path, version)
    teller = tellers[at]
    alerts = teller.auditor.floor(shop, in_order(chunks), teller.clocks[shop], teller.crews[shop].group_of)
    judged = Judged(at, teller.folder / f"floor-{number}", {})
    judged.alerts = _write_alerts(alerts, judged.path)
    return judged


def _write_alerts(alerts: list[Alert], path: Path) -> dict[tuple[str, str], int]:
    """Write alerts as they are sorted in `alerts.jsonl`; how many there are of each rule and severity."""
    alerts.sort(key=lambda alert: (alert.ts, alert.alert))
    path.write_bytes(_encode_lines(alerts))
    found: dict[tuple[str, str], int] = {}
    for alert in alerts:
        key = alert.rule, alert.severity
        found[key] = found.get(key, 0) + 1
    return found


class _Teller:
    """Tells under one policy."""

    def __init__(self, plan: Plan, at: int) -> None:
        self.policy = plan.policies[at]
        self.auditor = Auditor(self.policy)
        self.lost = LostList(self.auditor.calendar)
        self.clocks = plan.clocks[at]
        self.folder = plan.folder / f"policy-{at}"
        self.crews = {shop: Crew(self.auditor.calendar) for shop in self.clocks}
        for event in plan.roster[at]:
            self.crews[event.shop].hear((event,))

    def begin(self, number: int) -> None:
        self.part = Part(self.folder, number)
        self.boards: dict[str, Scoreboard] = {}
        self.alerts: list[Alert] = []
        self.changes: dict[str, list[Change]] = {}
        self.files = {kind: _Facts(self.part, kind) for kind in KINDS}
        self.waits = self.files["wait"]
        self.receptions = self.files["reception"]
        self.consults = self.files["consult"]
        self.flags = self.files["flag"]
        self.orders = self.files["order"]
        self.reminders = self.files["reminder"]
        self.long: list[tuple[int, Wait]] = []
        self.bar = -1

    def agent(self, events: list[Event]) -> None:
        """An agent's own events: what stands counts, and moves the clock."""
        standing = Standing(events, self.policy.lateness_horizon_ms)
        last = standing.events[-1]
        self._count(last.shop, last.ts_ms, standing.duplicates, standing.conflicts)
        self.part.roster += [event for event in standing.events if isinstance(event, Profile | Shift)]
        self._changes(last.shop).extend(of_agent(standing.events))

    def customer(self, events: list[Event]) -> None:
        """A customer's story."""
        shop, customer = events[0].shop, events[0].customer
        assert customer is not None
        clock = self.clocks[shop]
        story = self.auditor.story(shop, customer, events, clock, self.crews[shop], self._changes(shop))
        # Only a conflicting copy can be newer than all that stands: a duplicate has the same `ts`.
        stands = Standing(events, self.policy.lateness_horizon_ms).events if story.conflicts else events
        self._count(shop, max(map(_ts, stands)), story.duplicates, story.conflicts)
        board = self.boards.get(shop)
        if board is None:
            board = self.boards[shop] = Scoreboard(self.policy, self.auditor.calendar)
        facts = story.facts
        for wait in facts.waits:
            board.learn_wait(wait)
        for reception in facts.receptions:
            board.learn_reception(reception)
        for consult in facts.consults:
            board.learn_consult(consult)
        if story.book is not None:
            board.learn_orders(facts.orders)
            for reminder in facts.reminders:
                board.learn_reminder(reminder)
            for day, responsible in story.book.unpaid(clock):
                board.learn_unpaid(day, responsible)
            for order in story.book.purchases():
                for script, column in outcomes(order):
                    counts = self.part.scripts.setdefault((shop, script), dict.fromkeys(COLUMNS, 0))
                    counts[column] += 1
            self.orders.add(facts.orders)
            self.reminders.add(facts.reminders)
        self._look_at(shop, facts.waits, clock)
        self.lost.look_at(facts.consults, facts.waits, events, clock)
        self.waits.add(facts.waits)
        self.receptions.add(facts.receptions)
        self.consults.add(facts.consults)
        if facts.flags:
            self.flags.add(facts.flags)
        self.alerts += story.alerts

    def _changes(self, shop: str) -> list[Change]:
        found = self.changes.get(shop)
        if found is None:
            found = self.changes[shop] = []
        return found

    def _count(self, shop: str, newest: int, duplicates: int, conflicts: int) -> None:
        part = self.part
        part.duplicates += duplicates
        part.conflicts += conflicts
        if newest > part.newest.get(shop, -1):
            part.newest[shop] = newest

    def _look_at(self, shop: str, waits: Sequence[Wait], clock: int) -> None:
        """What only the report shows: waits by the hour, and the longest ones."""
        hours = self.part.hours.get(shop)
        if hours is None:
            hours = self.part.hours[shop] = [[0, 0] for _ in range(24)]
        calendar, span = self.auditor.calendar, self.policy.hours
        for wait in waits:
            outcome = wait.outcome
            if wait.class_ != "normal" or outcome == "void":
                continue
            since, until = wait.since, wait.until
            ms = (clock if until is None else until) - since
            if ms > self.bar:
                self._keep(ms, wait)
            if outcome != "bot" and (span is None or calendar.within(since, span)):
                hour = hours[calendar.time_of_day_ms(since) // 3_600_000]
                hour[0] += 1
                if outcome != "answered" or ms > WITHIN_MS:
                    hour[1] += 1

    def _keep(self, ms: int, wait: Wait) -> None:
        self.long.append((ms, wait))
        if len(self.long) >= 8 * LONGEST:
            self.long = longest(self.long)
            self.bar = self.long[-1][0] - 1

    def end(self) -> Part:
        part = self.part
        for file in self.files.values():
            file.close()
        part.alerts = _write_alerts(self.alerts, part.path("alerts"))
        self.alerts = []
        part.changes = lay_down(self.changes, part.path("changes"))
        self.changes = {}
        write_part(self.boards, part.path("rows"))
        part.lost = self.lost.take()
        part.longest = [wait for _, wait in longest(self.long)]
        return part


def longest(waits: Sequence[tuple[int, Wait]]) -> list[tuple[int, Wait]]:
    """The longest of some waits, longest first, ties by fact id."""
    return sorted(waits, key=lambda each: (-each[0], each[1].fact))[:LONGEST]


class _Facts:
    """The facts of one kind on their way to their file, sorted by id."""

    def __init__(self, part: Part, kind: str) -> None:
        self._part = part
        self._kind = kind
        self._path = part.path(kind)
        self._file = self._path.open("wb")
        self._held: list[Any] = []
        self._number = 0
        self._first = self._last = ""
        self._sorted = True

    def add(self, facts: list[Any]) -> None:
        """The facts of one customer; customers come in the order of their ids."""
        if len(facts) > 1:
            facts.sort(key=_fact_id)
        elif not facts:
            return
        first = facts[0].fact
        if first < self._last:
            self._sorted = False  # one customer's name begins with another's: `a` and `a|b`
        elif not self._number and not self._held:
            self._first = first
        self._last = facts[-1].fact
        self._held += facts
        if len(self._held) >= _AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._file.write(_encode_lines(self._held))
        self._number += len(self._held)
        self._held = []

    def close(self) -> None:
        self._flush()
        self._file.close()
        if not self._sorted:
            lines = sorted(self._path.read_bytes().splitlines(keepends=True), key=id_of)
            self._path.write_bytes(b"".join(lines))
            self._first, self._last = id_of(lines[0]), id_of(lines[-1])
        if self._number:
            self._part.facts[self._kind] = self._number
            self._part.ends[self._kind] = self._first, self._last


class _Name(msgspec.Struct):
    fact: str


_name = msgspec.json.Decoder(_Name).decode


def id_of(line: bytes) -> str:
    """The id of an encoded fact."""
    return _name(line).fact


def write_plan(plan: Plan, path: Path) -> None:
    """Lay the plan down for `tell_range`."""
    path.write_bytes(pickle.dumps(plan))
