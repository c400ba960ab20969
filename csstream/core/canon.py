"""Which of a customer's events stand, and what they tell (SPEC 3, and Spam in SPEC 4).

The facts of a customer are a pure function of a *set* of events. This module is that function: it puts the
set in canonical order, lets one of several copies of an event stand, drops what spam marks cover, and folds
the rest. The audit calls it once per customer; live, `customer.py` calls it when something comes in late.
"""

from collections.abc import Sequence
from operator import attrgetter

from csstream.core.changes import Change, Word
from csstream.core.conversation import Concluded, Conversation, Rules, State
from csstream.core.facts import Leg, Wait
from csstream.core.kinds import MESSAGE
from csstream.core.rows import decode_state, encode_state
from csstream.events import AGENT_MESSAGE, CUSTOMER_MESSAGE, Event, Message, Spam, content

_ts = attrgetter("ts")


def canonical(event: Event) -> tuple[int, int, str]:
    """The place of an event among its customer's: `(ts, rank, id)` (SPEC 3)."""
    if type(event) is MESSAGE:
        rank = CUSTOMER_MESSAGE if event.sender == "customer" else AGENT_MESSAGE
    else:
        rank = event.rank
    return event.ts, rank, event.id  # type: ignore[return-value]  # decoded


class Standing:
    """Events in canonical order, one copy of each (SPEC 3), and how many were left out as what."""

    __slots__ = ("conflicts", "duplicates", "events")

    def __init__(self, events: Sequence[Event], horizon_ms: int) -> None:
        self.duplicates = 0
        self.conflicts = 0
        ordered = _in_order(events)
        if len({event.id for event in ordered}) < len(ordered):
            ordered = self._single(ordered, horizon_ms)
        self.events = ordered

    def _single(self, ordered: list[Event], horizon_ms: int) -> list[Event]:
        ordered.sort(key=lambda event: (canonical(event), content(event)))
        stands: dict[str, Event] = {}
        kept = []
        for event in ordered:
            copy = stands.get(event.id)
            if copy is None or event.ts_ms - copy.ts_ms > horizon_ms:
                stands[event.id] = event
                kept.append(event)
            elif event == copy:
                self.duplicates += 1
            else:
                self.conflicts += 1
        return kept


def _in_order(events: Sequence[Event]) -> list[Event]:
    """Events in canonical order; few share an instant, so only of these are whole places made and compared."""
    ordered = sorted(events, key=_ts)
    first = 0
    before = -1
    for at, event in enumerate(ordered):
        ts: int = event.ts  # type: ignore[assignment]  # decoded
        if ts != before:
            if at - first > 1:
                ordered[first:at] = sorted(ordered[first:at], key=canonical)
            first = at
            before = ts
    ordered[first:] = sorted(ordered[first:], key=canonical)
    return ordered


def tell(
    rules: Rules,
    shop: str,
    customer: str,
    events: Sequence[Event],
    state: State | None = None,
    changes: list[Change] | None = None,
) -> Conversation:
    """Fold standing events onto `state` (a fresh customer's if None; it is changed). Time stops at the last event.

    `changes`, where somebody listens, are told what was known at each instant: a mark changes what comes after it.
    """
    if Spam not in set(map(type, events)):
        conversation = Conversation(rules, shop, customer, Concluded(), state)
        if changes is None:
            conversation.play(events)
        else:
            conversation.tell(events, changes)
        return conversation
    marked = _Marked(rules, shop, customer, events, State() if state is None else state)
    if changes is not None:
        marked.tell_changes(changes)
    return marked.tell()


def without_spam(rules: Rules, shop: str, customer: str, events: Sequence[Event]) -> Sequence[Event]:
    """The standing events less the messages that marks drop, as if these had never been sent."""
    if Spam not in set(map(type, events)):
        return events
    dropped = _Marked(rules, shop, customer, events, State()).dropped(len(events))
    return [event for place, event in enumerate(events) if place not in dropped]


def settle(
    rules: Rules, shop: str, customer: str, events: Sequence[Event], limit_ms: int, state: State
) -> State:
    """The state after the standing events before `limit_ms`, as all marks among `events` decide about them."""
    marked = _Marked(rules, shop, customer, events, state)
    until = sum(event.ts_ms < limit_ms for event in events)
    return marked.fold(until, marked.dropped(len(events))).state


class _Marked:
    """A story with spam marks: each mark may change what was told before it."""

    def __init__(self, rules: Rules, shop: str, customer: str, events: Sequence[Event], state: State) -> None:
        self.rules = rules
        self.shop = shop
        self.customer = customer
        self.events = events
        self.state = state

    def tell(self) -> Conversation:
        dropped: set[int] = set()
        voids: dict[str, tuple[Wait, set[int]]] = {}
        for at, mark in enumerate(self.events):
            if type(mark) is not Spam:
                continue
            drops = self.dropped(at + 1)
            if drops == dropped:
                continue
            for wait, messages in self._waits_before(at, mark.ts_ms, dropped):
                if messages <= drops:
                    voids[wait.wait] = _void(wait, mark.ts_ms), messages
            dropped = drops
            voids = {name: void for name, void in voids.items() if void[1] <= dropped}
        told = self.fold(len(self.events), dropped)
        told.out.waits.extend(void for void, _ in voids.values())
        return told

    def tell_changes(self, changes: list[Change]) -> None:
        """What was known at each instant: up to a mark without it, from its `ts` on with it."""
        start, dropped = 0, self.dropped(0)
        told = self.fold(0, dropped)
        for at, mark in enumerate(self.events):
            if type(mark) is not Spam:
                continue
            drops = self.dropped(at + 1)
            if drops == dropped:
                continue
            self._tell_events(told, start, at, dropped, changes)
            told.expire(mark.ts_ms, changes)
            start, dropped = at, drops
            told = self.fold(at, dropped)
            told.pass_time(mark.ts_ms)
            changes.append(told.view(mark.ts_ms, mark.id, None))
        self._tell_events(told, start, len(self.events), dropped, changes)

    def _tell_events(
        self, told: Conversation, start: int, until: int, dropped: set[int], changes: list[Change]
    ) -> None:
        """Fold the events of some places; a dropped one is heard of all the same."""
        first = start
        for at in range(start, until):
            if at in dropped:
                told.tell(self.events[first:at], changes)
                event = self.events[at]
                changes.append(Word(event.ts_ms, event.id, "", None))
                first = at + 1
        told.tell(self.events[first:until], changes)

    def dropped(self, until: int) -> set[int]:
        """Places of the messages that the marks before place `until` drop; the last mark for each decides."""
        decided: dict[int, bool] = {}
        for at in range(until):
            mark = self.events[at]
            if type(mark) is Spam:
                for place in self._covered(at, mark):
                    decided[place] = mark.value
        return {place for place, spam in decided.items() if spam}

    def _covered(self, at: int, mark: Spam) -> list[int]:
        reach = self.rules.ttl
        if mark.message is not None:
            return [
                place
                for place, event in enumerate(self.events)
                if type(event) is Message
                and event.sender == "customer"
                and event.id == mark.message
                and abs(mark.ts_ms - event.ts_ms) <= reach
            ]
        covered = []
        later = None
        for place in range(at - 1, -1, -1):
            event = self.events[place]
            if type(event) is not Message or event.internal:
                continue
            if later is not None and later - event.ts_ms > self.rules.gap:
                break
            later = event.ts_ms
            if event.sender == "customer" and mark.ts_ms - event.ts_ms <= reach:
                covered.append(place)
        return covered

    def fold(self, until: int, dropped: set[int]) -> Conversation:
        """The conversation of the events before place `until` without the dropped ones."""
        state = copy_state(self.state)
        conversation = Conversation(self.rules, self.shop, self.customer, Concluded(), state)
        conversation.play([e for at, e in enumerate(self.events[:until]) if at not in dropped])
        return conversation

    def _waits_before(self, at: int, now: int, dropped: set[int]) -> list[tuple[Wait, set[int]]]:
        """The waits as known just before the mark at place `at`, each with the places of its messages."""
        told = self.fold(at, dropped)
        told.pass_time(now)
        waiting = told.open_wait(now)
        waits = told.out.waits if waiting is None else [*told.out.waits, waiting]
        places = [
            place
            for place, event in enumerate(self.events[:at])
            if place not in dropped
            and type(event) is Message
            and event.sender == "customer"
            and not event.internal
        ]
        start_of = {(e.id, e.ts): n for n, e in enumerate(self.events[place] for place in places)}
        found = []
        for wait in waits:
            start = start_of.get((wait.wait.removeprefix(f"{told.prefix}{wait.since}|"), wait.since))
            if start is not None:  # else it began before what is kept, out of reach of any mark
                found.append((wait, set(places[start : start + wait.messages])))
        return found


def copy_state(state: State) -> State:
    """A state that shares nothing mutable with the other."""
    return decode_state(encode_state(state))


def _void(wait: Wait, mark_ms: int) -> Wait:
    """The wait once more, as a wait that never was (SPEC 4, Spam)."""

    def end(until: int | None) -> int:
        return mark_ms if until is None else min(until, mark_ms)

    wait.until = end(wait.until)
    wait.outcome = "void"
    wait.legs = [Leg(leg.agent, leg.from_ms, end(leg.until), "void") for leg in wait.legs]
    wait.levels = []
    return wait
