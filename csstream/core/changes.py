"""What a customer's story tells the floor of the shop, instant by instant (SPEC 8, rules of kind s).

The fold knows one customer at a time, the rules of a state need all of them at each instant. Between the two lie
these records: small and flat, so that an audit can lay down a whole shop's on disk, put them in order of time and
read them again. Each event gives one record, and most say little: a `View` is the whole of what the floor knows of a
customer from then on, after a `Turn` only his wait is another, and a `Word` says that there was nothing new but the
word itself.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Final, final

import msgspec

from csstream.events import Event, Presence, Shift


@final
class OpenWait:
    """An open wait: its start, its first message, the holder (None: the queue) and since when he has it."""

    __slots__ = ("closing", "first", "holder", "leg_from", "since")

    def __init__(self, since: int, first: str, holder: str | None, leg_from: int, closing: bool) -> None:
        self.since = since
        self.first = first
        self.holder = holder
        self.leg_from = leg_from
        self.closing = closing

    def fields(self) -> tuple[Any, ...]:
        """All of them, in the order of `__init__`."""
        return self.since, self.first, self.holder, self.leg_from, self.closing

    def equals(self, other: "OpenWait") -> bool:
        """Whether the two say the same."""
        return (
            self.since == other.since
            and self.leg_from == other.leg_from
            and self.closing == other.closing
            and self.holder == other.holder
            and self.first == other.first
        )


class Change:
    """What one event at `ts` (epoch ms) changes; `event` is empty where time alone brought it about."""

    __slots__ = ("event", "ts")

    ts: int
    event: str

    def fields(self) -> tuple[Any, ...]:
        """What it is, as a number, and all that it says: `of_fields` makes the same of it."""
        raise NotImplementedError


@final
class Word(Change):
    """An event. `customer` is empty where it was no message; `sent`: who wrote effectively."""

    __slots__ = ("customer", "sent")

    def __init__(self, ts: int, event: str, customer: str, sent: str | None) -> None:
        self.ts = ts
        self.event = event
        self.customer = customer
        self.sent = sent

    def fields(self) -> tuple[Any, ...]:
        """As `Change.fields`."""
        return _WORD, self.ts, self.event, self.customer, self.sent


@final
class View(Change):
    """A customer from `ts` on.

    `last` is the last message, `received` the agents with a reception in its session; `wrote` and `first` the first
    message of its local day (-1: none), `replied` whether that day has a reply (SPEC 5, `reply_rate.any`).
    """

    __slots__ = ("customer", "first", "last", "received", "replied", "sent", "wait", "wrote")

    def __init__(
        self,
        ts: int,
        event: str,
        customer: str,
        sent: str | None,
        last: int,
        wait: OpenWait | None,
        received: tuple[str, ...],
        wrote: int,
        first: str,
        replied: bool,
    ) -> None:
        self.ts = ts
        self.event = event
        self.customer = customer
        self.sent = sent
        self.last = last
        self.wait = wait
        self.received = received
        self.wrote = wrote
        self.first = first
        self.replied = replied

    def fields(self) -> tuple[Any, ...]:
        """As `Change.fields`."""
        return (
            _VIEW, self.ts, self.event, self.customer, self.sent, self.last,
            None if self.wait is None else self.wait.fields(),
            self.received, self.wrote, self.first, self.replied,
        )  # fmt: skip

    def still(self, ts: int) -> "View":
        """The same at a later instant, which no event has brought about."""
        return View(
            ts, "", self.customer, None, self.last, self.wait,
            self.received, self.wrote, self.first, self.replied,
        )  # fmt: skip


@final
class Turn(Change):
    """A customer from `ts` on whose wait has begun, changed hands or ended; else he is as in his last `View`."""

    __slots__ = ("customer", "last", "sent", "wait")

    def __init__(
        self, ts: int, event: str, customer: str, sent: str | None, last: int, wait: OpenWait | None
    ) -> None:
        self.ts = ts
        self.event = event
        self.customer = customer
        self.sent = sent
        self.last = last
        self.wait = wait

    def fields(self) -> tuple[Any, ...]:
        """As `Change.fields`."""
        wait = None if self.wait is None else self.wait.fields()
        return _TURN, self.ts, self.event, self.customer, self.sent, self.last, wait


@final
class Sign(Change):
    """An agent signs on, hangs, steps away or leaves."""

    __slots__ = ("agent", "capacity", "state")

    def __init__(self, ts: int, event: str, agent: str, state: str, capacity: int | None) -> None:
        self.ts = ts
        self.event = event
        self.agent = agent
        self.state = state
        self.capacity = capacity

    def fields(self) -> tuple[Any, ...]:
        """As `Change.fields`."""
        return _SIGN, self.ts, self.event, self.agent, self.state, self.capacity


@final
class Rota(Change):
    """A shift is announced, or announced anew."""

    __slots__ = ("agent", "end", "shift", "start")

    def __init__(self, ts: int, event: str, agent: str, shift: str, start: int, end: int) -> None:
        self.ts = ts
        self.event = event
        self.agent = agent
        self.shift = shift
        self.start = start
        self.end = end

    def fields(self) -> tuple[Any, ...]:
        """As `Change.fields`."""
        return _ROTA, self.ts, self.event, self.agent, self.shift, self.start, self.end


_WORD: Final = 0
_VIEW: Final = 1
_SIGN: Final = 2
_ROTA: Final = 3
_TURN: Final = 4


def of_fields(fields: Sequence[Any]) -> Change:
    """The change that gave these `fields`."""
    kind: int = fields[0]
    if kind == _WORD:
        return Word(fields[1], fields[2], fields[3], fields[4])
    if kind == _SIGN:
        return Sign(fields[1], fields[2], fields[3], fields[4], fields[5])
    if kind == _ROTA:
        return Rota(fields[1], fields[2], fields[3], fields[4], fields[5], fields[6])
    ts, event, customer, sent, last = fields[1], fields[2], fields[3], fields[4], fields[5]
    wait = None if fields[6] is None else OpenWait(*fields[6])
    if kind == _TURN:
        return Turn(ts, event, customer, sent, last, wait)
    return View(ts, event, customer, sent, last, wait, tuple(fields[7]), fields[8], fields[9], fields[10])


instant = attrgetter("ts")
"""The key by which changes are sorted."""


def sort(changes: list[Change]) -> None:
    """Put changes in order of time; of one customer or agent they stay in their order."""
    if changes:
        # Numbers of 30 bits, as the distances of a few days are, are compared by a much shorter way than larger ones.
        first = changes[0].ts
        distances = iter([change.ts - first for change in changes])
        changes.sort(key=partial(next, distances))  # which ignores the change: they come in its sequence


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[list[Any]]).decode


def encode(changes: Iterable[Change]) -> bytes:
    """Changes as bytes."""
    return _pack([change.fields() for change in changes])


def decode(data: bytes) -> list[Change]:
    """Changes from their bytes."""
    return [of_fields(fields) for fields in _unpack(data)]


def of_agent(events: Iterable[Event]) -> list[Change]:
    """What an agent's own events tell, in the order given."""
    found: list[Change] = []
    for event in events:
        if type(event) is Presence:
            found.append(Sign(event.ts_ms, event.id, event.agent, event.state, event.capacity))
        elif type(event) is Shift:
            start, end = event.start, event.end
            assert isinstance(start, int)
            assert isinstance(end, int)
            found.append(Rota(event.ts_ms, event.id, event.agent, event.shift, start, end))
        else:
            found.append(Word(event.ts_ms, event.id, "", None))
    return found
