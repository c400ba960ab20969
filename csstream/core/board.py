"""The board: what a supervisors' wall shows, as small documents by key (SPEC 4, 5; DESIGN "Live topology" 3).

A document changes when something happened, never because time passed: it names instants (`since_ms`), and whoever
shows it works out the ages. So a quiet shop costs nothing, however many look on, and what goes over the wire is what
changed. It names customers and messages by their ids; chat text is never in it.

Key and document are JSON, and a new board begins with the key `["begin"]`: what was shown before it, by an engine that
is no more, no longer holds. A reader forgets it then, and needs nobody to remember what has to be taken back.
"""

from collections.abc import Iterator, Sequence
from heapq import nsmallest

import msgspec
from msgspec import Struct

from csstream.core.customer import Customer
from csstream.core.engine import Engine
from csstream.core.rows import encode_key
from csstream.core.scores import Scores, mean_s, percentile_s
from csstream.core.shop import Shop
from csstream.events import Message

WAITS = 300
"""Open waits of a shop shown one by one, the oldest; nobody reads more, and a storm may have thousands."""

BEAT_MS = 2_000
"""The clock alone is shown anew this often: a wall knows by it that somebody still looks."""

BEGIN = encode_key(("begin",))
CLOCK = encode_key(("clock",))

Changes = dict[bytes, bytes | None]
"""Documents by key, in the order in which they are to be taken; None ends one."""


class Clock(Struct):
    """Up to where the partition has been worked off, and its newest event (epoch ms; null if there was none)."""

    clock_ms: int
    newest_ms: int | None


class Figures(Struct, kw_only=True):
    """Waits now, and the local day so far as in SPEC 5; a mean of nothing is null."""

    open_waits: int
    oldest_since_ms: int | None
    consulted: int
    replied_any: int
    replied_strict: int
    waits: int
    within_30: int
    responses: int
    mean_s: float | None
    p90_s: float | None


class ShopDocument(Struct, kw_only=True):
    """A shop, by the customer clock. `levels` are those of the policy: (over so many ms, severity), ascending."""

    shop: str
    day: str
    timezone: str
    policy: str
    levels: list[tuple[int, str]]
    figures: Figures
    unpaid: list[tuple[str, int]]
    """Unpaid orders by the last stage passed (`new`, `12h`, ...); empty if there are none."""
    stopped_ms: int | None
    """Where the shop's own clock stands, if it is too old for the wall clock to move it (`live.within`)."""


class AgentDocument(Struct, kw_only=True):
    """An agent, by the agent clock (but `oldest_since_ms`, which is the customer's); `state` is the presence."""

    shop: str
    agent: str
    group: str | None
    state: str
    figures: Figures


class LegShown(Struct):
    """One holder of the waiting customer (null: the queue); `until_ms` null while it is open."""

    agent: str | None
    from_ms: int
    until_ms: int | None


class WaitDocument(Struct, kw_only=True):
    """An open `normal` wait. `said` names its first messages: (id, epoch ms, sender); `messages` is their number."""

    shop: str
    customer: str
    wait: str
    agent: str | None
    since_ms: int
    messages: int
    legs: list[LegShown]
    said: list[tuple[str, int, str]]


_encode = msgspec.json.Encoder().encode


class Board:
    """What was shown last, and so what has to be shown next."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._shown: dict[bytes, bytes] = {}
        self._clock_ms = 0
        self._waits: dict[tuple[str, str], tuple[tuple[object, ...], bytes]] = {}

    def changes(self, engine: Engine, now_ms: int) -> Changes:
        """What is to be shown anew of an engine whose step was taken; `now_ms` is the time of its partition.

        An engine that is not the one of the last call begins a new board, so that a step that failed after it was
        shown here leaves no trace. Call it at most twice a second.
        """
        changed: Changes = {}
        if engine is not self._engine:
            self._engine = engine
            self._shown = {}
            self._waits = {}
            self._clock_ms = -BEAT_MS
            changed[BEGIN] = _encode({"from_ms": now_ms})
        current = dict(self._documents(engine, now_ms))
        for key, document in current.items():
            if self._shown.get(key) != document:
                changed[key] = document
        changed.update(dict.fromkeys(self._shown.keys() - current.keys()))
        self._shown = current
        if engine.shops and (changed or now_ms - self._clock_ms >= BEAT_MS):
            self._clock_ms = now_ms
            newest_ms = max(engine.process.newest_ms.values(), default=None)
            changed[CLOCK] = _encode(Clock(now_ms, newest_ms))
        return changed

    def _documents(self, engine: Engine, now_ms: int) -> Iterator[tuple[bytes, bytes]]:
        levels = [(level.over_ms, level.severity) for level in engine.policy.levels]
        waits: dict[tuple[str, str], tuple[tuple[object, ...], bytes]] = {}
        for name, shop in engine.shops.items():
            open_ = _open_waits(shop)
            document = ShopDocument(
                shop=name,
                day=shop.row.day,
                timezone=engine.policy.timezone,
                policy=engine.policy.tag,
                levels=levels,
                figures=_figures(shop, None, [since for since, _, _ in open_]),
                unpaid=shop.unpaid() if any(shop.desk.unpaid.values()) else [],
                stopped_ms=shop.row.clock_ms
                if shop.row.clock_ms < now_ms - engine.policy.live_within_ms
                else None,
            )
            yield encode_key(("shop", name)), _encode(document)
            yield from _agents(shop, open_)
            for _, who, _ in nsmallest(WAITS, open_):
                known = self._waits.get((name, who))
                customer = shop.customers[who]
                s = customer.conversation.state
                mark = (s.since, s.first_id, s.holder, len(s.legs), s.messages, len(s.evidence))
                if known is None or known[0] != mark:
                    known = mark, _encode(_wait(customer))
                waits[name, who] = known
                yield encode_key(("wait", name, who)), known[1]
        self._waits = waits


Open = tuple[int, str, str]
"""An open `normal` wait: since, customer, holder (empty: the queue)."""


def _open_waits(shop: Shop) -> list[Open]:
    """All of them, in one pass: a storm has many thousands."""
    found = []
    for customer in shop.waiting():
        s = customer.conversation.state
        if not s.closing:
            found.append((s.since, customer.name, s.holder or ""))
    return found


def _agents(shop: Shop, open_: list[Open]) -> Iterator[tuple[bytes, bytes]]:
    """Agents with a customer waiting, with figures today, or who are there."""
    held: dict[str, list[int]] = {}
    for since, _, holder in open_:
        if holder:
            held.setdefault(holder, []).append(since)
    there = {agent for agent, row in shop.agents.items() if row.state not in ("", "offline")}
    counted = {
        agent
        for (_, agent), scores in shop.today.rows.items()
        if agent is not None and (scores.consulted or scores.waits or scores.responses)
    }
    for agent in sorted(held.keys() | there | counted):
        known = shop.agents.get(agent)
        document = AgentDocument(
            shop=shop.name,
            agent=agent,
            group=shop.group_of(agent, shop.row.clock_ms),
            state="" if known is None else known.state,
            figures=_figures(shop, agent, held.get(agent, ())),
        )
        yield encode_key(("agent", shop.name, agent)), _encode(document)


def _figures(shop: Shop, agent: str | None, instants: Sequence[int]) -> Figures:
    """Of an agent, or of the shop (None), with the instants since which customers wait."""
    scores = shop.today.rows.get((shop.today.day, agent)) or Scores()
    samples = scores.responses
    return Figures(
        open_waits=len(instants),
        oldest_since_ms=min(instants, default=None),
        consulted=scores.consulted,
        replied_any=scores.replied_any,
        replied_strict=scores.replied_strict,
        waits=scores.waits,
        within_30=scores.within_30,
        responses=len(samples),
        mean_s=mean_s(sum(samples), len(samples)),
        p90_s=percentile_s(scores.ordered(), 90),
    )


def _wait(customer: Customer) -> WaitDocument:
    s = customer.conversation.state
    legs = [LegShown(leg.agent, leg.from_ms, leg.until) for leg in s.legs]
    return WaitDocument(
        shop=customer.shop,
        customer=customer.name,
        wait=f"{customer.conversation.prefix}{s.since}|{s.first_id}",
        agent=s.holder,
        since_ms=s.since,
        messages=s.messages,
        legs=[*legs, LegShown(s.holder, s.leg_from, None)],
        said=_said(customer, set(s.evidence), s.since),
    )


def _said(customer: Customer, ids: set[str], since_ms: int) -> list[tuple[str, int, str]]:
    """The messages of these ids, by time."""
    found = {
        event.id: (event.id, event.ts_ms, event.sender)
        for event in customer.kept_since(since_ms)
        if type(event) is Message and event.id in ids
    }
    return list(found.values())
