"""What is kept, in rows: families, keys, and the one codec between them and bytes (DESIGN 6).

A row is one small thing with a name of its own; none grows with the number of events. Whoever stores rows
(a ledger) sees bytes and asks nothing. A change of what a field means is a new `CODEC`, and a worker refuses
rows of a codec that it does not know.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import msgspec
from msgspec import Struct, field

from csstream.core.conversation import AgentDay, Aside, Closing, Complaining, Receiving, State
from csstream.core.crew import Duty, Known
from csstream.core.facts import Leg
from csstream.core.record import names_of
from csstream.core.shop_row import ShopRow
from csstream.events import Event

CODEC = 1
"""Version of all rows; kept beside them (`@meta`)."""


class CustomerRow(Struct, array_like=True):
    """A customer as of a place in the chapters of the shop: what stands there after it goes on from here."""

    place: int
    mark: bytes
    """The state there (`encode_state`)."""
    base: bytes
    """The state before the oldest kept event, on which corrections build; empty is a fresh customer's."""
    last: tuple[int, int, str]
    """Place of the newest event in the canonical order."""
    newest_chat: int
    newest_order: int
    oldest: int
    trimmed_ms: int
    worked: int
    started: tuple[int, str]
    revs: dict[str, tuple[int, int]]
    marked: list[str]
    carried: list[bytes]
    """Events of ended chapters that a spam mark may still concern."""


class ChapterRow(Struct, array_like=True):
    """Events of a shop in the order in which they were accepted, and of whom each is.

    `oldest_ms` and `newest_ms` bound their instants. `forgotten_ms` is the shop's of that time: who is first heard
    of in this chapter is told nothing from before it.
    """

    oldest_ms: int
    newest_ms: int
    forgotten_ms: int
    customers: list[str]
    events: list[bytes]


class TallyRow(Struct, array_like=True):
    """First conclusions of one agent (or the shop) since the beginning: counters and histograms, by name."""

    counts: dict[str, int] = field(default_factory=dict)
    histograms: dict[str, list[int]] = field(default_factory=dict)
    """Per bucket, the last one unbounded, then the sum in ms."""
    newest_ms: int = -1
    """Newest event of the agent; series end a day after it (SPEC 9, `agents_left_out`)."""


class DayRow(Struct, array_like=True):
    """The plain counts of one row of today's scoreboard, and how many samples lie in `samples` rows."""

    counts: list[int]
    responses: int
    first_responses: int


class AgentRow(Struct, array_like=True):
    """An agent: presence and profile as last said."""

    state: str = ""
    state_at: tuple[int, str] = (-1, "")
    profiles: list[Known] = field(default_factory=list)
    """Ascending; the newest few."""
    shifts: list[tuple[str, Duty]] = field(default_factory=list)
    """By shift id; as long as an order of their day can look for who was on duty."""
    newest_ms: int = -1
    recent: list[tuple[int, str, bytes]] = field(default_factory=list)
    """(ts, id, digest) of events inside the horizon, to know copies."""


@dataclass(frozen=True)
class Family:
    """One kind of row: how its key reads, what it costs, and what ends it."""

    name: str
    key: str
    bytes_a_row: str
    ends: str


FAMILIES = (
    Family(
        "chapter",
        "shop, number of its first event",
        "125 an event (simulated shop), at most 131,072 and an event",
        "2 x (wait_ttl + gap + horizon) after its newest event",
    ),
    Family("customer", "shop, customer", "360 (8 events and more)", "with the chapter of the last event"),
    Family(
        "book",
        "shop, customer who ordered and wrote",
        "140 (simulated shop; 20 to 320)",
        "with his last order's row, or when nothing looks back to his chat any more",
    ),
    Family(
        "order",
        "shop, customer, order",
        "240 (150 to 420)",
        "attribution.order_ttl + 2 x (wait_ttl + gap + horizon) after its last event",
    ),
    Family("shop", "shop", "60", "never"),
    Family("tally", "shop, agent", "380 to 830", "never (one a known agent)"),
    Family("day", "shop, day, agent", "65", "the shop's midnight"),
    Family(
        "samples", "shop, day, agent, kind, number", "at most 1,010 (256 responses)", "the shop's midnight"
    ),
    Family("agent", "shop, agent", "110 to 140", "never (one a known agent)"),
    Family("floor", "shop, part, agent", "70 to 200; 40 a shift", "never (one a known agent, two a shop)"),
)

SAMPLES_A_ROW = 256

Key = tuple[str, ...]

encode_key = msgspec.json.Encoder().encode
"""A key as a JSON array of strings: unambiguous whatever the ids contain, and readable in a topic."""

decode_key = msgspec.json.Decoder(list[str]).decode


def family_of(key: bytes) -> str:
    """The family of a row, from its key."""
    return key[2 : key.index(b'"', 2)].decode()


_STATE = names_of(State())
_LEGS = list[Leg]


def _of(kind: Callable[..., object]) -> Callable[[list[Any]], object]:
    return lambda values: kind(*values)


def _by_key(kind: Callable[..., object]) -> Callable[[dict[str, list[Any]]], dict[str, object]]:
    return lambda found: {key: kind(*values) for key, values in found.items()}


_BUILDERS: dict[str, Callable[[Any], object]] = {
    "legs": lambda found: msgspec.convert(found, _LEGS),
    "others": _by_key(Aside),
    "flag": _of(Closing),
    "received": _by_key(Receiving),
    "shop_received": _of(Receiving),
    "agent_days": _by_key(AgentDay),
    "complaints": _by_key(Complaining),
}
_NESTED = tuple((_STATE.index(name), build) for name, build in _BUILDERS.items())
"""Fields of `State` that hold records, and what makes them of arrays."""


def decode_state(row: bytes) -> State:
    """A state from its row; fields that are newer than the row are a fresh customer's."""
    values = _unpack(row)
    if len(values) < len(_STATE):
        fresh = State()
        values += [getattr(fresh, name) for name in _STATE[len(values) :]]
    for place, build in _NESTED:
        found = values[place]
        if found:  # most are empty
            values[place] = build(found)
    return State(values)


_pack = msgspec.msgpack.Encoder(enc_hook=methodcaller("fields")).encode
_unpack = msgspec.msgpack.Decoder(list[Any]).decode
encode_row = _pack
encode_state = _pack
decode_customer = msgspec.msgpack.Decoder(CustomerRow).decode
decode_chapter = msgspec.msgpack.Decoder(ChapterRow).decode
encode_event = _pack
decode_event = msgspec.msgpack.Decoder(Event).decode


class Named(Struct):
    """Of an event, what a duplicate is known by."""

    id: str
    ts: int


decode_named = msgspec.msgpack.Decoder(Named).decode


def decode_shop(row: bytes) -> ShopRow:
    """A shop from its row."""
    return ShopRow(*_unpack(row))


decode_tally = msgspec.msgpack.Decoder(TallyRow).decode
decode_day = msgspec.msgpack.Decoder(DayRow).decode
decode_samples = msgspec.msgpack.Decoder(list[int]).decode
decode_agent = msgspec.msgpack.Decoder(AgentRow).decode
