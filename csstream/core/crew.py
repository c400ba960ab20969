"""Who works for a shop, as known at an instant: groups, numbers, duty (SPEC 6, 8).

Everything asked here is asked *as known at t*: by the events with `ts <= t`, in the order `(ts, id)`, so what an
agent's own topic brings later changes nothing that was decided before its time. Both the audit and the live shop
ask this one class; they differ only in how the events come in, and in what they still keep.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from csstream.core.calendar import Calendar
from csstream.core.orders.memo import plain
from csstream.events import Profile, Shift


class Known(NamedTuple):
    """A profile, in the order in which profiles supersede each other."""

    valid_ms: int
    ts: int
    id: str
    group: str | None
    number: str | None


class Duty(NamedTuple):
    """One version of a shift."""

    ts: int
    id: str
    start: int
    end: int
    duty: bool


class Crew:
    """The agents of one shop."""

    __slots__ = ("_by_day", "_by_number", "_calendar", "profiles", "shifts")

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.profiles: dict[str, list[Known]] = {}
        """By agent, ascending."""
        self.shifts: dict[tuple[str, str], list[Duty]] = {}
        """By agent and shift id, ascending."""
        self._by_number: dict[str, set[str]] = {}
        self._by_day: dict[str, set[tuple[str, str]]] = {}

    def hear(self, events: Iterable[Profile | Shift]) -> None:
        """Take standing events in, in any order."""
        for event in events:
            if isinstance(event, Profile):
                self.profile(event.agent, known(event))
            else:
                self.shift(event.agent, event.shift, version(event))

    def profile(self, agent: str, found: Known) -> None:
        """An agent's profile."""
        own = self.profiles.setdefault(agent, [])
        own.append(found)
        own.sort()
        if found.number is not None:
            self._by_number.setdefault(found.number, set()).add(agent)

    def shift(self, agent: str, shift: str, found: Duty) -> None:
        """A version of an agent's shift."""
        own = self.shifts.setdefault((agent, shift), [])
        own.append(found)
        own.sort()
        self._by_day.setdefault(self._calendar.day(found.start).name, set()).add((agent, shift))

    def forget(self, agent: str) -> None:
        """Nothing is known of an agent any more."""
        self.profiles.pop(agent, None)
        for key in [key for key in self.shifts if key[0] == agent]:
            del self.shifts[key]

    def profile_at(self, agent: str | None, ts: int) -> Known | None:
        """An agent's latest profile known and valid at `ts`."""
        own = None if agent is None else self.profiles.get(agent)
        if own is not None:
            for found in reversed(own):
                if found.valid_ms <= ts and found.ts <= ts:
                    return found
        return None

    def group_of(self, agent: str | None, ts: int) -> str | None:
        """The group of an agent at `ts`."""
        found = self.profile_at(agent, ts)
        return None if found is None else found.group

    def with_number(self, number: str, ts: int) -> str | None:
        """The agent who has a number at `ts`: of two, the one whose profile is later."""
        found = None
        latest: tuple[int, int, str, str] | None = None
        for agent in self._by_number.get(number, ()):
            profile = self.profile_at(agent, ts)
            if profile is not None and profile.number == number:
                place = (*profile[:3], agent)
                if latest is None or place > latest:
                    found, latest = agent, place
        return found

    def on_duty(self, ts: int, known_ms: int) -> str | None:
        """The duty agent of the day of `ts`, as known at `known_ms`: who covers `ts` first, then by start, then id."""
        day = self._calendar.day(ts)
        best: tuple[bool, int, str] | None = None
        for agent, shift in self._by_day.get(day.name, ()):
            last = next((v for v in reversed(self.shifts.get((agent, shift), ())) if v.ts <= known_ms), None)
            if last is not None and last.duty and day.start_ms <= last.start < day.end_ms:
                place = (not last.start <= ts < last.end, last.start, agent)
                if best is None or place < best:
                    best = place
        return None if best is None else best[2]


def known(event: Profile) -> Known:
    """What a profile says."""
    ts = event.ts_ms
    valid = event.valid_from if isinstance(event.valid_from, int) else ts
    return Known(valid, ts, event.id, event.group, None if event.number is None else plain(event.number))


def version(event: Shift) -> Duty:
    """What a shift says."""
    assert isinstance(event.start, int)
    assert isinstance(event.end, int)
    return Duty(event.ts_ms, event.id, event.start, event.end, bool(event.duty))


def without_repeats(profiles: Sequence[Known], sure_ms: int) -> list[Known]:
    """Profiles, ascending, without those between two that say the same; nothing older than `sure_ms` comes in any more.

    The second has to be in force by then: what comes in may be valid from long ago, and then supersedes the first one.
    """
    kept: list[Known] = []
    for found, after in zip(profiles, [*profiles[1:], None], strict=False):
        if (
            not kept
            or after is None
            or max(after.valid_ms, after.ts) >= sure_ms
            or not kept[-1][3:] == found[3:] == after[3:]
            or kept[-1].ts > found.ts
        ):
            kept.append(found)
    return kept
