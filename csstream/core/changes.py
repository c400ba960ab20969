"""What a customer's story tells the floor of the shop, instant by instant (SPEC 8, rules of kind s).

The fold knows one customer at a time, the rules of a state need all of them at each instant. Between the two lie
these records: small, flat, of the kind that one call turns into bytes, so that an audit can lay down a whole shop's
on disk, put them in order of time and read them again. Each event gives one record, and most say little: a `View` is
the whole of what the floor knows of a customer from then on, after a `Turn` only his wait is another, and a `Word`
says that there was nothing new but the word itself.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import TypeAlias

import msgspec
from msgspec import Struct

from csstream.events import Event, Presence, Shift


class OpenWait(Struct, array_like=True, gc=False):
    """An open wait: its start, its first message, the holder (None: the queue) and since when he has it."""

    since: int
    first: str
    holder: str | None
    leg_from: int
    closing: bool


class Word(Struct, array_like=True, gc=False, tag=0):
    """An event at `ts` (epoch ms). `customer` is empty where it was no message; `sent`: who wrote effectively."""

    ts: int
    event: str
    customer: str
    sent: str | None


class View(Struct, array_like=True, gc=False, tag=1):
    """A customer from `ts` on. `event` is empty where time alone brought it about.

    `last` is the last message, `received` the agents with a reception in its session; `wrote` and `first` the first
    message of its local day (-1: none), `replied` whether that day has a reply (SPEC 5, `reply_rate.any`).
    """

    ts: int
    event: str
    customer: str
    sent: str | None
    last: int
    wait: OpenWait | None
    received: tuple[str, ...]
    wrote: int
    first: str
    replied: bool


class Turn(Struct, array_like=True, gc=False, tag=4):
    """A customer from `ts` on whose wait has begun, changed hands or ended; else he is as in his last `View`."""

    ts: int
    event: str
    customer: str
    sent: str | None
    last: int
    wait: OpenWait | None


class Sign(Struct, array_like=True, gc=False, tag=2):
    """An agent signs on, hangs, steps away or leaves."""

    ts: int
    event: str
    agent: str
    state: str
    capacity: int | None


class Rota(Struct, array_like=True, gc=False, tag=3):
    """A shift is announced, or announced anew."""

    ts: int
    event: str
    agent: str
    shift: str
    start: int
    end: int


Change: TypeAlias = Word | View | Turn | Sign | Rota

instant = attrgetter("ts")
"""The key that sorts changes; of one customer or agent they stay in their order."""

encode = msgspec.msgpack.Encoder().encode
"""Changes as bytes."""

decode = msgspec.msgpack.Decoder(list[Change]).decode
"""Changes from the bytes of a list of them."""


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
