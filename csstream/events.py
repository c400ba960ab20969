"""The wire format, version 1 (SPEC 1): bytes become an `Event`, or a `Reject` that says why they cannot.

Decoding is the first cost of every message, so the common case is one call into msgspec, which parses
and checks at once. Only what it refuses is looked at a second time, slowly, to find the reason by which
SPEC 1 names the fault. Nothing here raises on any input: a bad record is set aside, and the stream goes on.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, final, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

MAX_BYTES = 1 << 20
"""Largest record accepted, in bytes (`too_large`)."""

MAX_TS_MS = 253_402_300_799_999
"""Last millisecond of the year 9999: beyond it no calendar day exists."""

LAST_TS_MS = 250_246_627_199_999
"""Last millisecond of 9899, up to which something can happen: what a policy counts from it stays in the calendar."""

Id = Annotated[str, Meta(min_length=1, max_length=128)]
Time = Annotated[int, Meta(ge=0, le=MAX_TS_MS)] | str
Instant = Annotated[int, Meta(ge=0, le=LAST_TS_MS)] | str

CUSTOMER_MESSAGE, AGENT_MESSAGE, ORDER, TRANSFER, SESSION, OTHER = range(6)
"""Ranks of the canonical order `(ts, rank, id)` of SPEC 3."""

Sender = Literal["customer", "human", "assist_bot", "bot", "auto", "template", "system"]
Kind = Literal["text", "image", "emoji", "shake", "card", "file", "voice", "video"]


class Record(Struct, kw_only=True, tag_field="type", omit_defaults=True, gc=False):
    """What all events share (SPEC 1). `ts` is epoch milliseconds once decoded. What goes without saying is not kept."""

    id: Id
    ts: Instant
    shop: Id
    v: Literal[1] = 1

    rank: ClassVar[int] = OTHER

    @property
    def ts_ms(self) -> int:
        """Event time in epoch milliseconds; an `int` by the time `decode` hands the event out."""
        return self.ts  # type: ignore[return-value]  # written times are gone after decoding


class OfCustomer(Record, kw_only=True):
    """An event in a customer's story; `agent` null is the queue, absent is unknown."""

    customer: Id
    agent: Id | UnsetType | None = UNSET


class OfAgent(Record, kw_only=True):
    """An event about an agent alone."""

    agent: Id

    customer: ClassVar[None] = None


class Message(OfCustomer, tag="message", kw_only=True):
    """A chat message; `agent` is whom it was routed to (customer) or who sent it (all others)."""

    sender: Sender
    kind: Kind | None = "text"
    text: str | None = None
    internal: bool | None = False
    sku: Id | None = None
    quick_reply: Id | None = None


class Transfer(OfCustomer, tag="transfer", kw_only=True):
    """The customer is handed to another agent, or back to the queue (`to_agent` null)."""

    to_agent: Id | None
    from_agent: Id | None = None
    reason: Literal["manual", "divert", "hang", "offline", "shift_end", "timeout"] | None = None
    authorised: bool | None = True

    rank: ClassVar[int] = TRANSFER


class Session(OfCustomer, tag="session", kw_only=True):
    """A platform session opens or closes; only a close by the customer ends a wait (W9, W10)."""

    action: Literal["open", "close", "window_closed"]
    by: Literal["customer", "agent", "system"]

    rank: ClassVar[int] = SESSION


class Spam(OfCustomer, tag="spam", kw_only=True):
    """A spam mark on one message, or without `message` on the customer's latest run."""

    value: bool
    message: Id | None = None
    by: str | None = None


class Dun(OfCustomer, tag="dun", kw_only=True):
    """A payment reminder sent to the customer."""

    order: Id
    channel: Literal["chat", "sms", "phone"]
    script: Id | None = None


class Rating(OfCustomer, tag="rating", kw_only=True):
    """The customer's score for an agent."""

    agent: Id
    score: Annotated[int, Meta(ge=1, le=5)]


class Complaint(OfCustomer, tag="complaint", kw_only=True):
    """A complaint about an agent, and what becomes of it."""

    complaint: Id
    status: Literal["opened", "confirmed", "withdrawn"]
    reason: Literal["service", "quarrel", "other"] | None = None


class Item(Struct):
    """One line of an order."""

    sku: Id
    qty: Annotated[int, Meta(ge=0)] | None = 1


class Order(OfCustomer, tag="order", kw_only=True):
    """A step in the life of an order; amounts in currency units, exact."""

    order: Id
    status: Literal[
        "created", "paid", "closed", "cancelled", "refund_requested", "refunded", "shipped", "memo"
    ]
    amount: Decimal | None = None
    items: list[Item] | None = None
    cod: bool | None = False
    pay_deadline: Time | None = None
    memo: str | None = None
    flag: str | None = None

    rank: ClassVar[int] = ORDER


class Presence(OfAgent, tag="presence", kw_only=True):
    """An agent signs on, hangs, steps away or leaves."""

    state: Literal["online", "hung", "away", "offline"]
    capacity: Annotated[int, Meta(ge=0)] | None = None


class Shift(OfAgent, tag="shift", kw_only=True):
    """An agent's rostered shift, from `start` to `end` (epoch milliseconds once decoded)."""

    shift: Id
    start: Instant
    end: Time
    group: str | None = None
    duty: bool | None = False


class Profile(OfAgent, tag="profile", kw_only=True):
    """Who an agent is, valid from `valid_from` (else from `ts`)."""

    number: str | int | None = None
    name: str | None = None
    group: str | None = None
    tenure: str | int | None = None
    valid_from: Time | None = None


Event: TypeAlias = (
    Message | Transfer | Session | Spam | Dun | Rating | Complaint | Order | Presence | Shift | Profile
)
TYPES: dict[str, type[Record]] = {str(c.__struct_config__.tag): c for c in get_args(Event)}

TOPICS: dict[str, frozenset[type[Record]]] = {
    "cs.chat": frozenset({Message, Transfer, Session, Spam, Dun, Rating, Complaint}),
    "cs.orders": frozenset({Order}),
    "cs.agents": frozenset({Presence, Shift, Profile}),
}
TOPIC_OF: dict[type[Record], str] = {cls: topic for topic, classes in TOPICS.items() for cls in classes}

_TIMES: dict[type[Record], tuple[str, ...]] = {
    Order: ("pay_deadline",),
    Shift: ("start", "end"),
    Profile: ("valid_from",),
}
_HAPPENS = ("ts", "start")
"""Times at which something happens, up to `LAST_TS_MS`; others may say that something never ends."""


@final
class Reject(Struct, frozen=True):
    """Why a record was set aside: `reason` is one of SPEC 1, `error` says what to do, without its text."""

    reason: str
    error: str


def content(event: Event) -> bytes:
    """The whole event as JSON with sorted keys: equal for duplicates, and the smaller one stands (SPEC 3)."""
    said = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not UNSET}
    return msgspec.json.encode(said | {"type": event.__struct_config__.tag}, order="sorted")


UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, OverflowError)
"""What `read` may raise on bytes from outside."""

_decoder = msgspec.json.Decoder(Event)
read: Callable[[bytes], Event] = _decoder.decode
"""An event of its JSON, as far as the types say; `check` says the rest. `decode` does both, and never raises."""
_decode_lines: Callable[[bytes], list[Event]] = _decoder.decode_lines

AT_ONCE = 1_000
"""Records decoded in one call, where there are many; one bad record makes these be looked at one by one."""


def decode(data: bytes) -> Event | Reject:
    """Decode one record. Never raises: what does not fit SPEC 1 comes back as a `Reject`."""
    if len(data) > MAX_BYTES:
        return Reject("too_large", f"{len(data)} bytes; at most {MAX_BYTES} are accepted")
    try:
        event = read(data)
        if type(event) is Message and type(event.ts) is int and type(event.agent) is str:
            return event  # by far the most common record: nothing is left to check
        fault = check(event)
    except UNREADABLE:
        return _refusal(data)
    return event if fault is None else fault


def decode_many(records: Sequence[bytes]) -> Iterator[Event | Reject]:
    """Decode records as `decode` does, faster: the common case is one call for a thousand of them.

    A thousand at a time: what uses an event soon after it was decoded finds it in the processor's cache.
    """
    return chain.from_iterable(
        _decode_some(records[start : start + AT_ONCE]) for start in range(0, len(records), AT_ONCE)
    )


def _decode_some(records: Sequence[bytes]) -> Sequence[Event | Reject]:
    data = b"\n".join(records)
    try:
        fits = len(data) <= MAX_BYTES or max(map(len, records)) <= MAX_BYTES
        events = _decode_lines(data) if fits else []
    except UNREADABLE:
        events = []
    # As many events as records, but not one each: one record held two, and a blank one or a torn one none.
    if len(events) != len(records) or not all(records) or set(map(_FIRST, records)) != _OBJECT:
        return [*map(decode, records)]
    if (
        _types(events) == {Message}
        and _types(map(_TS, events)) == {int}
        and _types(map(_AGENT, events)) == {str}
    ):
        return events  # by far the most common records: nothing is left to check
    return [
        event
        if type(event) is Message and type(event.ts) is int and type(event.agent) is str
        else check(event) or event
        for event in events
    ]


_TS, _AGENT = attrgetter("ts"), attrgetter("agent")
_FIRST, _OBJECT = itemgetter(0), {ord("{")}


def _types(values: Iterable[object]) -> set[type]:
    return set(map(type, values))


def check(event: Event) -> Reject | None:
    """What the types cannot say of what was `read`; turns written times into epoch milliseconds."""
    cls = type(event)
    if type(event.ts) is str or cls in _TIMES:
        for name in ("ts", *_TIMES.get(cls, ())):
            value = getattr(event, name)
            if type(value) is str:
                ms = _epoch_ms(value)
                if ms is None or (ms > LAST_TS_MS and name in _HAPPENS):
                    return _bad_time(name, value)
                setattr(event, name, ms)
    if cls is Message:
        assert isinstance(event, Message)
        if event.sender in NAMED_SENDERS and type(event.agent) is not str:
            return _missing("agent") if event.agent is UNSET else _bad("agent", event.agent)
        return None
    if isinstance(event, Order) and event.amount is not None and not _is_money(event.amount):
        return _bad("amount", str(event.amount))
    if isinstance(event, Shift) and _as_ms(event.end) < _as_ms(event.start):
        return Reject("bad:end", "the shift ends before it starts; swap `start` and `end`")
    return None


def _as_ms(value: Time) -> int:
    assert isinstance(value, int)
    return value


_MONEY = Decimal(10) ** 12
_FINEST = -30
"""Digits after the point that an amount may have; beyond them it is a mistake, and slow to round."""


def _is_money(amount: Decimal) -> bool:
    exponent = amount.as_tuple().exponent
    return isinstance(exponent, int) and _FINEST <= exponent <= 12 and 0 <= amount < _MONEY


NAMED_SENDERS = frozenset({"human", "assist_bot"})
"""Senders whose messages must name their agent (SPEC 1)."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _epoch_ms(value: str) -> int | None:
    """Epoch milliseconds of a written time, None if it is none. Digits beyond the third are cut off."""
    if not _RFC3339.fullmatch(value):
        return None
    try:
        at = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    offset = at.utcoffset()
    assert offset is not None
    seconds = (at.toordinal() - _EPOCH_ORDINAL) * 86_400 + at.hour * 3600 + at.minute * 60 + at.second
    ms = seconds * 1000 + at.microsecond // 1000 - offset.days * 86_400_000 - offset.seconds * 1000
    return ms if 0 <= ms <= MAX_TS_MS else None


_EPOCH_ORDINAL = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001 - a day number has no zone


def _refusal(data: bytes) -> Reject:
    """Find the reason for bytes that msgspec refused, in the order a person would look."""
    try:
        raw = msgspec.json.decode(data)
    except UNREADABLE:
        return Reject("not_json", "not one JSON value in UTF-8; send one object per record")
    if not isinstance(raw, dict):
        return Reject("not_object", f"a JSON {type(raw).__name__}; send an object")
    version = raw.get("v", 1)
    if isinstance(version, int) and not isinstance(version, bool) and version != 1:
        return _bad_version(version)
    if version != 1 or isinstance(version, bool):
        return _bad("v", version)
    if "type" not in raw:
        return _missing("type")
    kind = raw["type"]
    if not isinstance(kind, str):
        return _bad("type", kind)
    cls = TYPES.get(kind)
    if cls is None:
        return Reject("unknown_type", f"type {_shown(kind)}; known are {', '.join(TYPES)}")
    return _bad_field(raw, cls)


def _bad_field(raw: dict[str, Any], cls: type[Record]) -> Reject:
    for field in msgspec.structs.fields(cls):
        name = field.encode_name
        if name not in raw:
            if field.required:
                return _missing(name)
            continue
        try:
            msgspec.json.decode(msgspec.json.encode(raw[name]), type=field.type)
        except UNREADABLE:
            return (
                _bad_time(name, raw[name]) if name in ("ts", *_TIMES.get(cls, ())) else _bad(name, raw[name])
            )
    return Reject("not_json", "not one JSON object in UTF-8")


_PRIVATE = frozenset({"text", "memo"})


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return f"a JSON {'object' if isinstance(value, dict) else 'array'}"
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _bad(name: str, value: object) -> Reject:
    shown = "its value" if name in _PRIVATE else _shown(value)
    return Reject(
        f"bad:{name}", f"field `{name}`: {shown} does not fit; see the wire format for what may stand here"
    )


def _bad_time(name: str, value: object) -> Reject:
    return Reject(
        f"bad:{name}",
        f"field `{name}`: {_shown(value)}; send epoch milliseconds or RFC 3339 with an offset, "
        "like 2026-11-21T10:00:00.123+08:00" + (", of the years 1970 to 9899" if name in _HAPPENS else ""),
    )


def _missing(name: str) -> Reject:
    return Reject(f"missing:{name}", f"field `{name}` is required")


def _bad_version(version: int) -> Reject:
    if version > 1:
        return Reject(
            "unsupported_version", f"version {_shown(version)}; this program reads version 1: upgrade it"
        )
    return _bad("v", version)
