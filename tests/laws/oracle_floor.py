"""The rules of a state (SPEC 8, kind s) read a second time: each instant is judged from the definition, by brute force.

Like `oracle.py`, of which this is a part, it shares no code with the program. For each instant at which anything may
change, the state is made anew from all events up to it; the rules are the sentences of the table, one after the other.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from operator import itemgetter
from typing import Any

from csstream.policy import Policy
from tests.laws import oracle as o

Row = dict[str, Any]
AGENT_RULES = ("overload", "idle_online", "hung_with_waits", "offline_with_waits")


@dataclass(frozen=True)
class Leg:
    """An open leg of a `normal` wait."""

    customer: str
    agent: str | None
    since: int
    start: int


@dataclass(frozen=True)
class Moment:
    """What is known of one customer by some of his events."""

    story: o.Story

    @property
    def open_wait(self) -> o.Wait | None:
        """The wait that no event has ended."""
        waits = self.story.waits
        return waits[-1] if waits and waits[-1].until is None else None

    @cached_property
    def receivers(self) -> AbstractSet[str]:
        """Agents with a reception in the latest session."""
        if not self.story.sessions:
            return set()
        latest = self.story.sessions[-1][0].ts
        return {r.agent for r in o.receptions(self.story) if r.agent is not None and r.session == latest}

    @cached_property
    def consults(self) -> Mapping[str, tuple[int, list[int]]]:
        """By day: the first message, and the replies at or after it on that day."""
        story, day = self.story, self.story.calendar.day
        wrote: dict[str, int] = {}
        for wait in o.counted_waits(story):
            for m in wait.messages:
                wrote[day(m.ts)] = min(m.ts, wrote.get(day(m.ts), m.ts))
        return {
            d: (
                first,
                [
                    m.ts
                    for m in story.messages
                    if m.sender in story.policy.effective_reply_rate and m.ts >= first and day(m.ts) == d
                ],
            )
            for d, first in wrote.items()
        }


class Shop:
    """The standing events of one shop, and its state at any instant."""

    def __init__(self, shop: str, events: Sequence[o.Event], policy: Policy, calendar: o.Calendar) -> None:
        self.shop = shop
        self.policy = policy
        self.calendar = calendar
        self.events = sorted(events, key=o.canonical)
        self.clock = max(e["ts"] for e in events)
        self.customers: dict[str, list[o.Event]] = {}
        self.agents: dict[str, list[o.Event]] = {}
        for e in self.events:
            group = self.agents if e.get("customer") is None else self.customers
            group.setdefault(e["agent" if e.get("customer") is None else "customer"], []).append(e)
        for e in self.events:
            for name in ("agent", "to_agent"):
                if isinstance(e.get(name), str):
                    self.agents.setdefault(e[name], [])
        # What has been made of an instant, for every rule and agent asks for all of them.
        self._moments: dict[tuple[str, int], Moment] = {}
        self._known: dict[int, list[tuple[str, Moment]]] = {}
        self._waits: dict[int, list[tuple[str, o.Wait]]] = {}
        self._legs: dict[int, list[Leg]] = {}
        self.busy: dict[str, list[tuple[int, int | None, str | None]]] = {}

    def moments(self, t: int) -> list[tuple[str, Moment]]:
        """What the events up to `t` say of each customer: a mark that comes later is not known."""
        if t not in self._known:
            self._known[t] = [(name, self._moment(name, t)) for name in self.customers]
        return self._known[t]

    def _moment(self, name: str, t: int) -> Moment:
        known = bisect_right(self.customers[name], t, key=itemgetter("ts"))
        found = self._moments.get((name, known))
        if found is None:
            events = self.customers[name][:known]
            dropped = o.dropped_by(events, o.marks(events), self.policy)
            story = o.Story(self.shop, name, events, self.policy, self.calendar, clock=-1)
            story.messages = [m for m in o.messages(events) if m.pos not in dropped]
            story.waits = o.run(events, dropped, -1, self.policy)
            story.sessions = o.sessions(story)
            found = self._moments[name, known] = Moment(story)
        return found

    def waits(self, t: int) -> list[tuple[str, o.Wait]]:
        """The open waits at `t`, "after every timer due by t"."""
        ttl = self.policy.wait_ttl_ms
        if t not in self._waits:
            self._waits[t] = [
                (name, wait)
                for name, moment in self.moments(t)
                for wait in [moment.open_wait]
                if wait is not None and (ttl is None or t < wait.since + ttl)
            ]
        return self._waits[t]

    def legs(self, agent: str, t: int) -> list[Leg]:
        """ "A's legs: the open legs of `normal` waits that A holds"."""
        if t not in self._legs:
            self._legs[t] = [
                Leg(name, wait.legs[-1].agent, wait.since, wait.legs[-1].start)
                for name, wait in self.waits(t)
                if wait.normal
            ]
        return [leg for leg in self._legs[t] if leg.agent == agent]

    def concurrent(self, agent: str, t: int) -> int:
        """ "customers with such a leg, or whose latest session has a reception of A and whose last message is less
        than `session_gap` back"."""
        received = {
            name
            for name, moment in self.moments(t)
            if agent in moment.receivers and t - moment.story.messages[-1].ts < self.policy.session_gap_ms
        }
        return len(received | {leg.customer for leg in self.legs(agent, t)})

    def sent(self, agent: str, t: int) -> int:
        """ "Last sent: A's last `effective.response` message to anyone"; -1 if none."""
        return max(
            (
                e["ts"]
                for e in self.events
                if e["ts"] <= t
                and e["type"] == "message"
                and not e.get("internal", False)
                and e["sender"] in self.policy.effective_response
                and e.get("agent") == agent
            ),
            default=-1,
        )

    def spell(self, agent: str, t: int) -> tuple[str, int]:
        """ "an unbroken time online, hung or away (one spell), or offline"; its name and start."""
        now = "", -1
        at = -1
        for e in self.agents[agent]:
            if e["type"] == "presence" and e["ts"] <= t:
                state = "hung" if e["state"] == "away" else e["state"]
                # Of one millisecond only the last word counts: a spell of no length breaks none.
                if at != e["ts"]:
                    before, at = now, e["ts"]
                now = before if state == before[0] else (state, e["ts"])
        return now

    def capacity(self, agent: str, t: int) -> int:
        """A's latest in `presence`, else the policy's."""
        said = [e["capacity"] for e in self.agents[agent] if e["ts"] <= t and e.get("capacity") is not None]
        return int(said[-1]) if said else self.policy.overload_concurrent

    def group(self, agent: str, t: int) -> str | None:
        """By the latest profile valid and known at `t`."""
        known = [
            (e.get("valid_from") or e["ts"], e["ts"], e["id"], e.get("group"))
            for e in self.agents[agent]
            if e["type"] == "profile" and e["ts"] <= t and (e.get("valid_from") or 0) <= t
        ]
        group = max(known, key=lambda p: p[:3])[3] if known else None
        return None if group is None else str(group)

    def rostered(self, t: int) -> tuple[int, int] | None:
        """The stretch that holds `t`: unbroken shifts, or, without any shift, somebody online."""
        told = [e for own in self.agents.values() for e in own if e["type"] == "shift" and e["ts"] <= t]
        if told:
            shifts = {(e["agent"], e["shift"]): (e["start"], e["end"]) for e in sorted(told, key=o.canonical)}
            start = end = t
            holding = [s for s in shifts.values() if s[0] <= t < s[1]]
            if not holding:
                return None
            while True:
                wider = [
                    s for s in shifts.values() if s[0] < s[1] and s[0] <= end and start <= s[1]
                ]  # touching is no break
                new = min([start, *(s[0] for s in wider)]), max([end, *(s[1] for s in wider)])
                if new == (start, end):
                    return new
                start, end = new
        start = t + 1
        for at in sorted(
            {e["ts"] for own in self.agents.values() for e in own if e["ts"] <= t}, reverse=True
        ):
            if not any(self.spell(agent, at)[0] == "online" for agent in self.agents):
                break
            start = at
        return (start, 1 << 62) if start <= t else None

    @cached_property
    def instants(self) -> list[int]:
        """Every instant before the clock at which a state may change, and some at which none does."""
        p = self.policy
        later = {
            30_000, p.storm_over_ms, p.reply_rate_settle_ms, p.idle_online_silent_ms, p.idle_online_wait_ms,
            p.with_waits_over_ms, p.session_gap_ms, p.wait_ttl_ms or 0, p.feed_silent_over_ms or 0,
        }  # fmt: skip
        starts = {e["ts"] for e in self.events}
        shifts = {
            e[name]
            for own in self.agents.values()
            for e in own
            if e["type"] == "shift"
            for name in ("start", "end")
        }
        found = {start + ms for start in starts | shifts for ms in (0, *later)}
        day = self.calendar.day(min(starts))
        while (end := self.calendar.end(day)) <= self.clock:
            found |= {end, *(self.calendar.shows(day, mark) for mark in p.midnight_at)}
            day = self.calendar.day(end)
        found |= {self.calendar.shows(day, mark) for mark in p.midnight_at}
        return sorted(t for t in found if min(starts) <= t < self.clock)


def alerts(shop: Shop) -> Iterator[Row]:
    """All alerts of kind s, as they stand at the end of the log."""
    for agent in sorted(shop.agents):
        for rule in AGENT_RULES:
            yield from agent_alerts(shop, rule, agent)
    yield from midnight_alerts(shop)
    yield from rate_alerts(shop)
    yield from silent_alerts(shop)
    yield from storm_alerts(shop)


def record(
    shop: Shop, rule: str, place: str, severity: str, agent: str | None, since: int, ts: int, value: Row,
    end: int | None, outcome: str | None, divert_to: str | None = None,
) -> Row:  # fmt: skip
    """An alert."""
    return {
        "alert": f"{rule}|{shop.shop}|{place}",
        "rule": rule,
        "state": "firing" if end is None else "resolved",
        "severity": severity,
        "shop": shop.shop,
        "agent": agent,
        "customer": None,
        "since": since,
        "ts": ts,
        "end": end,
        "outcome": outcome,
        "value": value,
        "divert_to": divert_to,
    }


def spans(
    instants: Iterable[int],
    holds: Callable[[int, bool], bool],
    passes: Callable[[int, int], bool] | None = None,
) -> Iterator[tuple[int, int | None, str | None]]:
    """ "It fires at the first such instant at which it holds and ends at the first later one at which it does not"."""
    begun: int | None = None
    for t in instants:
        if begun is None:
            begun = t if holds(t, False) else None
        elif passes is not None and passes(begun, t):
            yield begun, t, "passed"
            begun = None
        elif not holds(t, True):
            yield begun, t, "cleared"
            begun = None
    if begun is not None:
        yield begun, None, None


# ---- rules about an agent --------------------------------------------------------------------------------


def load(shop: Shop, agent: str, t: int) -> Row:
    """The four figures of `overload`."""
    legs = shop.legs(agent, t)
    return {
        "open_waits": len(legs),
        "over_30": sum(leg.since + 30_000 <= t for leg in legs),
        "concurrent": shop.concurrent(agent, t),
        "capacity": shop.capacity(agent, t),
    }


def overloaded(shop: Shop, agent: str, t: int, stands: bool) -> bool:
    """ "open waits >= 5, or >= 3 customers over 30 s, or concurrent >= capacity", until all <= 0.6 x limit."""
    p, now = shop.policy, load(shop, agent, t)
    limits = [
        (now["open_waits"], p.overload_open_waits),
        (now["over_30"], p.overload_over_30),
        (now["concurrent"], now["capacity"]),
    ]
    if not stands and all(figure < limit for figure, limit in limits):
        return False
    return any(Fraction(figure) > p.clear_ratio * limit for figure, limit in limits)


def idle(shop: Shop, agent: str, t: int) -> bool:
    """ "A online, and max(spell start + 300 s, last sent + 300 s, start of A's oldest leg + 60 s) <= t"."""
    p, (spell, start) = shop.policy, shop.spell(agent, t)
    return (
        spell == "online"
        and any(leg.start + p.idle_online_wait_ms <= t for leg in shop.legs(agent, t))
        and max(start, shop.sent(agent, t)) + p.idle_online_silent_ms <= t
    )


def let_lie(shop: Shop, agent: str, t: int, spell: str) -> list[Leg]:
    """ "some leg of A with max(spell start, leg start) + 30 s <= t"."""
    now, start = shop.spell(agent, t)
    if now != spell:
        return []
    return [leg for leg in shop.legs(agent, t) if max(start, leg.start) + shop.policy.with_waits_over_ms <= t]


def agent_holds(shop: Shop, rule: str, agent: str, t: int, stands: bool) -> bool:
    """Whether the condition of a rule about an agent holds."""
    if rule == "overload":
        return overloaded(shop, agent, t, stands)
    if rule == "idle_online":
        return idle(shop, agent, t)
    return bool(let_lie(shop, agent, t, rule.split("_", maxsplit=1)[0]))


def overload_spans(shop: Shop, agent: str) -> list[tuple[int, int | None, str | None]]:
    """When an agent is overloaded."""
    if agent not in shop.busy:
        shop.busy[agent] = [*spans(shop.instants, lambda t, stands: overloaded(shop, agent, t, stands))]
    return shop.busy[agent]


def divert_to(shop: Shop, agent: str, t: int) -> str | None:
    """ "of A's group, another agent who is online and not overloaded, with the fewest open waits, then concurrent,
    then the smallest id; null if none"."""

    def busy(x: str) -> bool:
        return any(ts <= t and (end is None or t < end) for ts, end, _ in overload_spans(shop, x))

    free = [
        (len(shop.legs(x, t)), shop.concurrent(x, t), x)
        for x in shop.agents
        if x != agent
        and shop.spell(x, t)[0] == "online"
        and shop.group(x, t) == shop.group(agent, t)
        and not busy(x)
    ]
    return min(free)[2] if free else None


def agent_alerts(shop: Shop, rule: str, agent: str) -> Iterator[Row]:
    """The alerts of a rule about an agent."""
    for ts, end, outcome in spans(shop.instants, lambda t, stands: agent_holds(shop, rule, agent, t, stands)):
        legs = shop.legs(agent, ts)
        if rule == "overload":
            value = load(shop, agent, ts)
        elif rule == "idle_online":
            value = {
                "silent_ms": ts - max(shop.spell(agent, ts)[1], shop.sent(agent, ts)),
                "leg_ms": ts - min(leg.start for leg in legs),
            }
        else:
            legs = let_lie(shop, agent, ts, rule.split("_", maxsplit=1)[0])
            value = {"waits": len(legs)}
        since = min((leg.since for leg in legs), default=ts)
        severity = "critical" if rule == "offline_with_waits" else "warning"
        place, other = f"{agent}|{ts}", divert_to(shop, agent, ts)
        yield record(shop, rule, place, severity, agent, since, ts, value, end, outcome, other)


# ---- rules about a shop ----------------------------------------------------------------------------------


def midnight_alerts(shop: Shop) -> Iterator[Row]:
    """ "at 23:30, 23:45, 23:55 local, if any wait of any class is open"."""
    marks = shop.policy.midnight_at
    instants = shop.instants
    for t in instants:
        day = shop.calendar.day(t)
        end_of_day = shop.calendar.end(day)
        at = {shop.calendar.shows(day, mark): mark for mark in marks}
        waits = shop.waits(t)
        if t not in at or not waits:
            continue
        of_day = at[t]
        limit = min([end_of_day, *(other for other in at if other > t)])
        end, outcome = None, None
        for after in instants:
            if after > t and end is None:
                if not any(wait.since <= t for _, wait in shop.waits(after)):
                    end, outcome = after, "cleared"
                elif after == limit:
                    end, outcome = after, "passed"
        shown = f"{of_day // 3_600_000:02}:{of_day // 60_000 % 60:02}"
        severity = "critical" if of_day == marks[-1] else "warning"
        since = min(wait.since for _, wait in waits)
        value = {"waits": len(waits)}
        yield record(shop, "midnight", f"{day}|{shown}", severity, None, since, t, value, end, outcome)


def settled(shop: Shop, t: int) -> tuple[int, list[int]]:
    """The customers of the day who were answered, and the first messages of the others who are settled."""
    day = shop.calendar.day(t)
    today = [m.consults[day] for _, m in shop.moments(t) if day in m.consults]
    left = [
        first for first, replies in today if not replies and first + shop.policy.reply_rate_settle_ms <= t
    ]
    return sum(bool(replies) for _, replies in today), sorted(left)


def rate_alerts(shop: Shop) -> Iterator[Row]:
    """ "`settled` >= 20 and `100 x replied < 97 x settled`, both of the local day of t"."""

    def low(t: int, _stands: bool) -> bool:
        replied, left = settled(shop, t)
        number = replied + len(left)
        return (
            number >= shop.policy.reply_rate_after and 100 * replied < shop.policy.reply_rate_target * number
        )

    def other_day(begun: int, t: int) -> bool:
        return shop.calendar.day(begun) != shop.calendar.day(t)

    for ts, end, outcome in spans(shop.instants, low, other_day):
        replied, left = settled(shop, ts)
        value = {"replied": replied, "settled": replied + len(left)}
        yield record(shop, "reply_rate", str(ts), "warning", None, left[0], ts, value, end, outcome)


def silent_alerts(shop: Shop) -> Iterator[Row]:
    """ "at `max(shop's newest event, start of the rostered stretch) + 300 s`, if rostered then"."""
    over = shop.policy.feed_silent_over_ms

    def newest(t: int) -> int:
        return max(int(e["ts"]) for e in shop.events if e["ts"] <= t)

    def silent(t: int, stands: bool) -> bool:
        stretch = shop.rostered(t)
        if over is None or stretch is None:
            return False
        return stands or max(newest(t), stretch[0]) + over <= t

    begun: int | None = None
    for t in shop.instants:
        end, outcome = None, None
        if begun is None:
            begun = t if silent(t, False) else None
            continue
        if newest(t) > begun:
            end, outcome = t, "cleared"
        elif not silent(t, True):
            end, outcome = t, "passed"
        if end is not None:
            yield silent_record(shop, newest(begun), begun, end, outcome)
            begun = None
    if begun is not None:
        yield silent_record(shop, newest(begun), begun, None, None)


def silent_record(shop: Shop, since: int, ts: int, end: int | None, outcome: str | None) -> Row:
    """A `feed_silent`."""
    value = {"silent_ms": ts - since}
    return record(shop, "feed_silent", str(ts), "critical", None, since, ts, value, end, outcome)


def crossings(shop: Shop) -> list[int]:
    """ "a `normal` wait, open, reaches `since + 30 s`, as known then"; one entry a crossing."""
    over = shop.policy.storm_over_ms
    return [t for t in shop.instants for _, wait in shop.waits(t) if wait.normal and wait.since + over == t]


def storm_alerts(shop: Shop) -> Iterator[Row]:
    """ "more than 20 crossings in `[t - 60 s, t]`, t itself one", until a whole block has at most 20."""
    within, limit = shop.policy.storm_within_ms, shop.policy.storm_waits
    crossed = crossings(shop)
    over_at = -1
    for t in sorted(set(crossed)):
        recent = [c for c in crossed if t - within <= c <= t]
        if t <= over_at or len(recent) <= limit:
            continue
        block = t
        while len([c for c in crossed if block < c <= block + within]) > limit:
            block += within
        over_at = block + within
        normal = [wait for _, wait in shop.waits(t) if wait.normal]
        ends = over_at < shop.clock
        total = len([c for c in crossed if t - within <= c <= over_at]) if ends else len(recent)
        value = {"waits": total, "open_waits": len(normal)}
        end, outcome = (over_at, "cleared") if ends else (None, None)
        yield record(shop, "storm", str(t), "critical", None, recent[0], t, value, end, outcome)


def floor_alerts(standing: Sequence[o.Event], policy: Policy) -> list[Row]:
    """All alerts of kind s of all shops."""
    calendar = o.Calendar(policy)
    return [
        row
        for name in sorted({e["shop"] for e in standing})
        for row in alerts(Shop(name, [e for e in standing if e["shop"] == name], policy, calendar))
    ]
