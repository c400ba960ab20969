"""The contract read a second time: every figure of SPEC 3, 4, 5, 7 and 8 straight from the whole list of events.

A law that holds an implementation only against itself lets a misreading pass. So this module shares no code
with the program: no increments, no corrections, no kept state. It looks at everything at once and says what
is true of it, in the order and the words of the SPEC, slowly. Only the wait machine (W1-W15) is a fold.
"""

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from csstream.policy import Policy
from tests.laws import order_oracle

Event = Mapping[str, Any]
Row = dict[str, Any]
Key = TypeVar("Key")

ACCOUNT = {"human", "assist_bot", "auto", "template"}  # SPEC 4, Holder: "from an agent's account"
WITHIN_MS = 30_000  # the column `within_30`

BOTH_COLUMNS = (
    "consulted",
    "replied_any",
    "replied_strict",
    "receptions",
    "receptions_unanswered",
    "waits",
    "within_30",
    "responses",
    "response_sum_ms",
    "excluded_long",
    "first_responses",
    "first_response_sum_ms",
    "first_excluded_long",
    "transferred_unanswered",
)
AGENT_COLUMNS = (*BOTH_COLUMNS, *order_oracle.AGENT_COLUMNS)
SHOP_COLUMNS = (*BOTH_COLUMNS, "abandoned", "expired", "void", "bot", *order_oracle.SHOP_COLUMNS)
LISTS = ("responses_ms", "first_responses_ms")


@dataclass
class Audit:
    """All that SPEC 4, 5 and two rules of SPEC 8 say about a set of events; times in epoch milliseconds."""

    waits: dict[str, Row] = field(default_factory=dict)
    receptions: list[Row] = field(default_factory=list)
    consults: list[Row] = field(default_factory=list)
    agents: dict[tuple[str, str, str], Row] = field(default_factory=dict)
    shops: dict[tuple[str, str], Row] = field(default_factory=dict)
    alerts: list[Row] = field(default_factory=list)
    orders: dict[str, Row] = field(default_factory=dict)
    reminders: dict[str, Row] = field(default_factory=dict)
    scripts: dict[tuple[str, str], Row] = field(default_factory=dict)
    duplicates: int = 0
    conflicts: int = 0


def audit(events: Sequence[Mapping[str, object]], policy: Policy) -> Audit:
    """The whole truth about valid events (SPEC 1, `ts` as an integer) in any order, under one policy."""
    result = Audit()
    standing, result.duplicates, result.conflicts = standing_events(events, policy)
    calendar = Calendar(policy)
    agent_amounts: list[tuple[tuple[str, str, str], str, int]] = []
    shop_amounts: list[tuple[tuple[str, str], str, int]] = []
    script_amounts: list[tuple[tuple[str, str], str, int]] = []
    for shop, customer in sorted(
        {(e["shop"], e["customer"]) for e in standing if e.get("customer") is not None}
    ):
        story = tell(standing, shop, customer, policy, calendar)
        for wait in [*story.waits, *story.voids]:
            result.waits[wait_id(story, wait)] = wait_fact(story, wait)
        for wait in story.waits:
            result.alerts += [*level_alerts(story, wait), *closed_alerts(story, wait)]
        result.receptions += [r.fact(story) for r in receptions(story)]
        ledger = ledger_of(story, standing)
        own_consults = consults(story)
        for row in own_consults:
            row["presale"], row["ordered"] = ledger.inquiry(date.fromisoformat(row["day"]))
        result.consults += own_consults
        agent_amounts += [((shop, day, agent), column, n) for day, agent, column, n in agent_figures(story)]
        shop_amounts += [((shop, day), column, n) for day, column, n in shop_figures(story)]
        for order in ledger.orders:
            fact = ledger.fact(order)
            result.orders[fact["fact"]] = fact
            result.reminders |= {fact["fact"]: fact for fact in ledger.reminder_facts(order)}
            result.alerts += ledger.alerts(order) if order.created else []
        for day, agent, column, n in ledger.figures([r["day"] for r in own_consults if r["agent"] is None]):
            if agent is None:
                shop_amounts.append(((shop, day), column, n))
            else:
                agent_amounts.append(((shop, day, agent), column, n))
        script_amounts += [((shop, script), column, 1) for script, column in ledger.scripts()]
    result.agents = rows(agent_amounts, AGENT_COLUMNS)
    result.shops = rows(shop_amounts, SHOP_COLUMNS)
    for key, column, n in script_amounts:
        row = result.scripts.setdefault(
            key, dict.fromkeys(("reminded", "paid_last", "paid_any", "cancelled"), 0)
        )
        row[column] += n
    from tests.laws.oracle_floor import floor_alerts  # its second half, which stands on this one

    result.alerts += [*complaint_alerts(standing, policy), *floor_alerts(standing, policy)]
    result.alerts.sort(key=lambda alert: (alert["ts"], alert["alert"]))
    return result


# ---- SPEC 3: order, duplicates, clocks -------------------------------------------------------------------


def rank(event: Event) -> int:
    """ "customer message 0, agent-side message 1, order 2, transfer 3, session 4, other 5"."""
    if event["type"] == "message":
        return 0 if event["sender"] == "customer" else 1
    return {"order": 2, "transfer": 3, "session": 4}.get(event["type"], 5)


def canonical(event: Event) -> tuple[int, int, str]:
    """ "The canonical order of a customer's events is (ts, rank, id)"."""
    return event["ts"], rank(event), event["id"]


def content(event: Event) -> str:
    """ "JSON with sorted keys"."""
    return json.dumps(event, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def standing_events(events: Iterable[Event], policy: Policy) -> tuple[list[Event], int, int]:
    """The events that stand, and how many were duplicates and conflicts."""
    copies: dict[tuple[str, str, str, str], list[Event]] = defaultdict(list)
    for event in events:
        whose = "customer" if event.get("customer") is not None else "agent"
        copies[event["shop"], whose, event[whose], event["id"]].append(event)
    standing: list[Event] = []
    duplicates = conflicts = 0
    for same_id in copies.values():
        stands: Event | None = None
        for event in sorted(same_id, key=lambda e: (canonical(e), content(e))):
            # "Each is compared with the copy that stands; farther apart they are two events."
            if stands is None or event["ts"] - stands["ts"] > policy.lateness_horizon_ms:
                stands = event
                standing.append(event)
            elif content(event) == content(stands):
                duplicates += 1
            else:
                conflicts += 1
    return standing, duplicates, conflicts


# ---- what is known of one customer -----------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    """A message that is no note; `pos` is its place in the customer's canonical order."""

    pos: int
    event: Event

    @property
    def id(self) -> str:
        return str(self.event["id"])

    @property
    def ts(self) -> int:
        return int(self.event["ts"])

    @property
    def sender(self) -> str:
        return str(self.event["sender"])

    @property
    def agent(self) -> str | None:
        agent = self.event.get("agent")
        return None if agent is None else str(agent)


@dataclass
class Leg:
    """A holder's part of a wait. `first`, `last`: places of the events that began and ended it."""

    agent: str | None
    start: int
    first: int
    end: int | None = None
    last: int | None = None
    outcome: str = "open"
    extra: bool = False


@dataclass
class Wait:
    """One open wait, `normal` or `closing`; `until` is None while it is open."""

    since: int
    kind: str
    messages: list[Message]
    legs: list[Leg]
    first_any: int | None = None
    answered_by: str | None = None
    until: int | None = None
    outcome: str = "open"
    # `void` keeps its other fields, so whether a reply ended it is remembered beside the outcome
    answered: bool = False

    @property
    def normal(self) -> bool:
        return self.kind == "normal"

    @property
    def ms(self) -> int | None:
        """The response time: of what ended `answered`, else None."""
        return self.until - self.since if self.until is not None and self.answered else None


class Calendar:
    """Local days of the shop's time zone."""

    def __init__(self, policy: Policy) -> None:
        self.zone = ZoneInfo(policy.timezone)
        self.hours = policy.hours

    def local(self, ts: int) -> datetime:
        return datetime.fromtimestamp(ts // 1000, self.zone)

    def day(self, ts: int) -> str:
        """The local day of an instant, `YYYY-MM-DD`."""
        return self.local(ts).date().isoformat()

    def end(self, day: str) -> int:
        """24:00 of a day."""
        after = date.fromisoformat(day) + timedelta(days=1)
        return int(datetime(after.year, after.month, after.day, tzinfo=self.zone).timestamp()) * 1000

    def shows(self, day: str, of_day: int) -> int:
        """When the clock on the wall first shows a time (ms since 00:00) of a day; a time that it leaves out comes as much later."""
        at = datetime.fromisoformat(day).replace(tzinfo=self.zone) + timedelta(milliseconds=of_day)
        return int(at.timestamp() * 1000)

    def counts(self, start: int) -> bool:
        """SPEC 2, `hours`: "only waits, legs and receptions that start in them count"; half-open."""
        if self.hours is None:
            return True
        t = self.local(start)
        of_day = (t.hour * 3600 + t.minute * 60 + t.second) * 1000 + start % 1000
        return self.hours[0] <= of_day < self.hours[1]


@dataclass
class Story:
    """One customer of one shop, told to the end of the log."""

    shop: str
    customer: str
    events: list[Event]
    policy: Policy
    calendar: Calendar
    clock: int
    messages: list[Message] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    voids: list[Wait] = field(default_factory=list)
    sessions: list[list[Message]] = field(default_factory=list)


def tell(standing: Sequence[Event], shop: str, customer: str, policy: Policy, calendar: Calendar) -> Story:
    """Everything about one customer; "The clock of a shop is the newest `ts` of its events"."""
    of_shop = [e for e in standing if e["shop"] == shop]
    events = sorted((e for e in of_shop if e.get("customer") == customer), key=canonical)
    story = Story(shop, customer, events, policy, calendar, clock=max(e["ts"] for e in of_shop))
    dropped = dropped_by(events, marks(events), policy)
    story.messages = [m for m in messages(events) if m.pos not in dropped]
    story.waits = run(events, dropped, story.clock, policy)
    story.voids = void_waits(events, policy)
    story.sessions = sessions(story)
    return story


def ledger_of(story: Story, standing: Sequence[Event]) -> order_oracle.Ledger:
    """What SPEC 6 looks at: the customer's events in effect, and the shop's agents'."""
    dropped = dropped_by(story.events, marks(story.events), story.policy)
    timeline = [e for pos, e in enumerate(story.events) if pos not in dropped]
    return order_oracle.Ledger(
        story.shop,
        story.customer,
        sorted(timeline, key=lambda e: order_oracle.takes_effect(e, rank(e))),
        [e for e in standing if e["shop"] == story.shop and e.get("customer") is None],
        story.clock,
        story.policy,
        lambda e: is_courtesy(Message(0, e), story.policy),
    )


def messages(events: Sequence[Event]) -> list[Message]:
    """All messages but notes: "internal note: ignored" (W4)."""
    return [
        Message(pos, event)
        for pos, event in enumerate(events)
        if event["type"] == "message" and not event.get("internal", False)
    ]


def is_courtesy(message: Message, policy: Policy) -> bool:
    """SPEC 4, *Closing courtesy*."""
    kind, text = message.event.get("kind") or "text", message.event.get("text") or ""
    if "?" in text or "？" in text:
        return False
    if kind != "text":
        return bool(kind == "emoji")
    left = "".join(
        c
        for c in text
        if unicodedata.category(c)[0] not in "PZ" and unicodedata.category(c) != "Cc" and c not in "~～"
    )
    left = left.casefold()
    # emoji: "So, skin tones, joiners, variation selectors"
    emoji = {
        c
        for c in left
        if unicodedata.category(c) == "So"
        or 0x1F3FB <= ord(c) <= 0x1F3FF
        or ord(c) == 0x200D
        or 0xFE00 <= ord(c) <= 0xFE0F
        or 0xE0100 <= ord(c) <= 0xE01EF
    }
    pieces = emoji | {word.casefold() for word in policy.closing_words}
    ends = {0}  # where a concatenation of pieces can end; a pattern would try all cuts of 嗯嗯嗯嗯嗯
    for start in range(len(left)):
        ends |= {start + len(piece) for piece in pieces if start in ends and left.startswith(piece, start)}
    return bool(left) and len(left) in ends


# ---- SPEC 4: spam ----------------------------------------------------------------------------------------


def marks(events: Sequence[Event]) -> list[int]:
    """The places of the spam marks, in canonical order."""
    return [pos for pos, event in enumerate(events) if event["type"] == "spam"]


def reached(events: Sequence[Event], mark: int, policy: Policy) -> set[int]:
    """The places of the customer's messages that one mark covers."""
    spam, said = events[mark], messages(events)
    ttl = policy.wait_ttl_ms
    near = {m.pos for m in said if ttl is None or abs(spam["ts"] - m.ts) <= ttl}
    theirs = {m.pos for m in said if m.sender == "customer"}
    if spam.get("message") is not None:
        return {m.pos for m in said if m.id == spam["message"]} & theirs & near
    # "the customer's messages in the latest run of messages at the mark (cut by silences longer than
    # `session_gap` alone, dropped or not)"
    before = [m for m in said if m.pos < mark]
    cuts = [i for i in range(1, len(before)) if before[i].ts - before[i - 1].ts > policy.session_gap_ms]
    latest = before[cuts[-1] if cuts else 0 :]
    return {m.pos for m in latest} & theirs & near


def dropped_by(events: Sequence[Event], some_marks: Sequence[int], policy: Policy) -> set[int]:
    """The places of the messages dropped when these marks are known: "the last mark for a message decides"."""
    decided = {
        pos: bool(events[mark]["value"]) for mark in some_marks for pos in reached(events, mark, policy)
    }
    return {pos for pos, dropped in decided.items() if dropped}


def void_waits(events: Sequence[Event], policy: Policy) -> list[Wait]:
    """ "A wait of which a mark drops the last messages that were left is published once more with outcome `void`".

    Each as known just before that mark; it stands while all its messages stay dropped.
    """
    voids: list[Wait] = []
    all_marks = marks(events)
    for i, mark in enumerate(all_marks):
        before, after = (dropped_by(events, all_marks[:n], policy) for n in (i, i + 1))
        at = events[mark]["ts"]
        known = run(events[:mark], before, at, policy)
        voids = [w for w in (*voids, *known) if {m.pos for m in w.messages} <= after]
        for wait in voids:
            if wait.outcome == "void":
                continue
            # "its legs too; `until` = its end, or the mark's `ts` where that was earlier"
            wait.legs = [
                replace(leg, outcome="void", end=at if leg.end is None else min(leg.end, at))
                for leg in wait.legs
            ]
            wait.until = at if wait.until is None else min(wait.until, at)
            wait.outcome = "void"
    return voids


# ---- SPEC 4: the wait machine ----------------------------------------------------------------------------


def run(events: Sequence[Event], dropped: AbstractSet[int], clock: int, policy: Policy) -> list[Wait]:
    """The waits of one customer from these events, with the shop's clock at `clock`: W1-W15 and Holder."""
    waits: list[Wait] = []
    wait: Wait | None = None
    holder: str | None = None
    last: int | None = None  # "the last message (no note, no dropped spam) or transfer"
    said = {m.pos: m for m in messages(events) if m.pos not in dropped}
    ttl = policy.wait_ttl_ms

    def gap(t: int) -> str | None:
        # "When more than `session_gap` has passed ... and no wait is open, the holder is the queue again."
        return None if last is not None and t - last > policy.session_gap_ms else holder

    for pos, event in enumerate(events):
        t = event["ts"]
        if wait is not None and ttl is not None and t > wait.since + ttl:
            finish(wait, "expired", wait.since + ttl, pos)  # W15
            wait = None
        if wait is None:
            holder = gap(t)

        if event["type"] == "transfer":
            to = event.get("to_agent")
            if wait is not None and to != holder:
                hand_over(wait, to, t, pos)  # W6
            holder, last = to, t  # W7

        elif event["type"] == "session":
            if wait is not None and event["action"] == "close" and event["by"] == "customer":
                finish(wait, "abandoned" if wait.normal else "moot", t, pos)  # W9; all else is W10
                wait = None

        elif pos in said and said[pos].sender == "customer":
            message = said[pos]
            courtesy = is_courtesy(message, policy)
            if wait is not None and not wait.normal and not courtesy:
                finish(wait, "moot", t, pos)  # W2c
                wait = None
                holder = gap(t)
            routed = holder
            if message.agent is not None or (wait is None and "agent" in event):
                routed = message.agent
            if wait is None:
                wait = Wait(t, "closing" if courtesy else "normal", [message], [Leg(routed, t, pos)])  # W1
                waits.append(wait)
            else:
                wait.messages.append(message)  # W2
                if routed != holder:
                    hand_over(wait, routed, t, pos)
            holder, last = routed, t

        elif pos in said:
            reply = said[pos]
            if wait is not None:
                if wait.first_any is None:
                    wait.first_any = t - wait.since  # W3, W5, W5q
                if reply.sender in policy.effective_response:
                    answer(wait, reply)  # W5
                    wait = None
                elif holder is None and reply.sender in policy.effective_queue:
                    finish(wait, "bot", t, pos)  # W5q
                    wait = None
            if wait is None and reply.sender in ACCOUNT and reply.agent is not None:
                holder = reply.agent
            last = t

    if wait is not None and ttl is not None and clock > wait.since + ttl:
        finish(wait, "expired", wait.since + ttl, len(events))  # W15
    return waits


def finish(wait: Wait, outcome: str, t: int, pos: int) -> None:
    """A wait ends, and its open leg in the same way."""
    wait.until, wait.outcome = t, outcome
    leg = wait.legs[-1]
    leg.end, leg.last, leg.outcome = t, pos, outcome


def hand_over(wait: Wait, to: str | None, t: int, pos: int) -> None:
    """W6: "the holder's leg ends `transferred_unanswered` (the queue's: `assigned`); B's leg starts at `ts`"."""
    leg = wait.legs[-1]
    leg.end, leg.last = t, pos
    leg.outcome = "assigned" if leg.agent is None else "transferred_unanswered"
    wait.legs.append(Leg(to, t, pos))


def answer(wait: Wait, reply: Message) -> None:
    """W5, and *Legs*: "every wait that ends `answered` has exactly one `answered` leg"."""
    x, held = reply.agent, wait.legs[-1]
    earlier = [leg.start for leg in wait.legs if leg.agent == x]
    finish(wait, "answered", reply.ts, reply.pos)
    wait.answered_by, wait.answered = x, True
    if held.agent != x:
        held.outcome = "answered_by_other"
        start = earlier[-1] if earlier else wait.since
        wait.legs.append(Leg(x, start, reply.pos, reply.ts, reply.pos, "answered", extra=True))


# ---- SPEC 7 and 8: wait facts, levels, alerts ------------------------------------------------------------


def wait_id(story: Story, wait: Wait) -> str:
    """`shop|customer|<since ms>|<id of first message>`."""
    return f"{story.shop}|{story.customer}|{wait.since}|{wait.messages[0].id}"


def levels(story: Story, wait: Wait) -> list[tuple[int, str, int]]:
    """The levels that fired, `(over_ms, severity, ts)`: W12 and the rule `wait` of SPEC 8."""
    if wait.outcome == "void" or not (wait.normal or story.policy.closing_alert):
        return []
    return [
        (level.over_ms, level.severity, ts)
        for level in story.policy.levels
        for ts in [wait.since + level.over_ms]
        # "An event at exactly a deadline comes before the timer"; "at or after the clock has not happened yet"
        if ts < story.clock and is_open(wait.since, wait.until, ts)
    ]


def is_open(start: int, end: int | None, t: int) -> bool:
    """SPEC 8: "Intervals are half-open: a wait, leg or spell is open at t if `start <= t < end`"."""
    return start <= t and (end is None or t < end)


def holder_at(wait: Wait, t: int) -> str | None:
    """Who holds the open wait in the state at t."""
    return next(leg.agent for leg in wait.legs if not leg.extra and is_open(leg.start, leg.end, t))


def wait_fact(story: Story, wait: Wait) -> Row:
    """The fields of the fact `wait`, SPEC 7."""
    return {
        "shop": story.shop,
        "customer": story.customer,
        "wait": wait_id(story, wait),
        "since": wait.since,
        "until": wait.until,
        "ms": wait.ms,
        "outcome": wait.outcome,
        "class": wait.kind,
        "messages": len(wait.messages),
        "first_any_ms": wait.first_any,
        "answered_by": wait.answered_by,
        "legs": [
            {"agent": leg.agent, "from": leg.start, "until": leg.end, "outcome": leg.outcome}
            for leg in wait.legs
        ],
        "levels": [{"over_ms": over, "ts": ts} for over, _, ts in levels(story, wait)],
    }


def alert(
    story: Story, wait: Wait, *, rule: str, name: str, severity: str, agent: str | None, ts: int
) -> Row:
    """What the alerts about a wait have in common; they end with it, "every level alike"."""
    return {
        "alert": f"{rule}|{name}",
        "rule": rule,
        "state": "firing" if wait.until is None else "resolved",
        "severity": severity,
        "shop": story.shop,
        "agent": agent,
        "customer": story.customer,
        "since": wait.since,
        "ts": ts,
        "end": wait.until,
        "outcome": None if wait.until is None else wait.outcome,
        "divert_to": None,
    }


def level_alerts(story: Story, wait: Wait) -> Iterator[Row]:
    """The rule `wait`."""
    for over, severity, ts in levels(story, wait):
        name = f"{wait_id(story, wait)}|{over // 1000}"
        yield {
            **alert(story, wait, rule="wait", name=name, severity=severity, agent=holder_at(wait, ts), ts=ts),
            "value": {"over_s": over // 1000},
        }


def closed_alerts(story: Story, wait: Wait) -> list[Row]:
    """ "the wait's first `close` or `window_closed` by an agent at which it is open; `normal` only"."""
    closes = [
        event
        for event in story.events
        if event["type"] == "session"
        and event["action"] in {"close", "window_closed"}
        and event["by"] == "agent"
        if wait.normal and is_open(wait.since, wait.until, event["ts"])
    ]
    return [
        {
            **alert(
                story,
                wait,
                rule="closed_while_waiting",
                name=wait_id(story, wait),
                severity="critical",
                agent=agent,
                ts=ts,
            ),
            "value": {"waited_ms": ts - wait.since},
        }
        for event in closes[:1]
        for ts in [event["ts"]]
        # "the event's agent, else the holder"
        for agent in [holder_at(wait, ts) if event.get("agent") is None else event["agent"]]
    ]


def complaint_alerts(standing: Sequence[Event], policy: Policy) -> list[Row]:
    """ "its first `opened` or `confirmed`"; "a later `confirmed` or `withdrawn`; `wait_ttl` after `ts`"."""
    found = []
    words = [e for e in standing if e["type"] == "complaint"]
    for shop, customer, name in sorted({(e["shop"], e["customer"], e["complaint"]) for e in words}):
        own = sorted(
            (e for e in words if (e["shop"], e["customer"], e["complaint"]) == (shop, customer, name)),
            key=canonical,
        )
        clock = max(e["ts"] for e in standing if e["shop"] == shop)
        said = [e for e in own if e["status"] != "withdrawn"]
        if not said:
            continue
        first = said[0]
        later = [e for e in own[own.index(first) + 1 :] if e["status"] != "opened"]
        end, outcome = (later[0]["ts"], later[0]["status"]) if later else (None, None)
        ttl = policy.wait_ttl_ms
        if ttl is not None and first["ts"] + ttl < (clock if end is None else end):
            end, outcome = first["ts"] + ttl, "expired"
        found.append(
            {
                "alert": f"complaint|{shop}|{name}",
                "rule": "complaint",
                "state": "firing" if end is None else "resolved",
                "severity": "critical",
                "shop": shop,
                "agent": first.get("agent"),
                "customer": customer,
                "since": first["ts"],
                "ts": first["ts"],
                "end": end,
                "outcome": outcome,
                "value": {},
                "divert_to": None,
            }
        )
    return found


# ---- SPEC 5: sessions and receptions ---------------------------------------------------------------------


def sessions(story: Story) -> list[list[Message]]:
    """ "a run of messages of any sender (notes and dropped spam left out)"."""

    def joined(a: Message, b: Message) -> bool:
        # "neighbours are at most `session_gap` apart or a `normal` wait is open from the one until the other"
        return b.ts - a.ts <= story.policy.session_gap_ms or any(
            w.normal and w.since <= a.ts and (w.until is None or b.ts <= w.until) for w in story.waits
        )

    runs: list[list[Message]] = []
    for message in story.messages:
        if runs and joined(runs[-1][-1], message):
            runs[-1].append(message)
        else:
            runs.append([message])
    return runs


@dataclass(frozen=True)
class Reception:
    """One agent (None: the shop) and one customer in one session."""

    agent: str | None
    session: int
    start: int
    day: str
    first_response: int | None
    first_any: int | None

    def fact(self, story: Story) -> Row:
        return {
            "shop": story.shop,
            "customer": story.customer,
            "agent": self.agent,
            "session": self.session,
            "start": self.start,
            "first_response_ms": self.first_response,
            "first_any_ms": self.first_any,
            "answered": self.first_response is not None,
            "day": self.day,
        }


def leg_day(story: Story, leg: Leg) -> str:
    """ "that of the start of the leg; an extra leg: that of x's leg which it continues, or of the reply".

    An extra leg that continues another starts where that one did, so only the other case needs the reply.
    """
    wait = next(w for w in story.waits if any(own is leg for own in w.legs))
    continues = any(other.agent == leg.agent and not other.extra for other in wait.legs)
    return story.calendar.day(leg.end if leg.extra and not continues and leg.end is not None else leg.start)


def receptions(story: Story) -> list[Reception]:
    """All receptions of the customer, the shop's and the agents', whatever `hours` says."""
    found: list[Reception] = []
    for session in story.sessions:
        places = {m.pos for m in session}
        waits = [w for w in story.waits if w.normal and w.messages[0].pos in places]

        def reception(who: str | None, start: int, day: str, session: list[Message] = session) -> Reception:
            # "x's first effective message in that session at or after x's first leg's start"
            out = [
                m
                for m in session
                if m.sender != "customer" and m.ts >= start and (who is None or m.agent == who)
            ]
            effective = [m for m in out if m.sender in story.policy.effective_response]
            first, any_first = (batch[0].ts - start if batch else None for batch in (effective, out))
            return Reception(who, session[0].ts, start, day, first, any_first)

        # "Shop level: (customer, session) with a `normal` wait that is neither `bot` nor `void`"
        such = [w for w in waits if w.outcome != "bot"]
        found += [reception(None, w.since, story.calendar.day(w.since)) for w in such[:1]]

        first_asked = min((m.pos for m in session if m.sender == "customer"), default=0)
        openers = {
            m.agent for m in session if m.pos < first_asked and m.sender in story.policy.effective_response
        }
        legs = [leg for w in waits for leg in w.legs]
        for x in sorted({leg.agent for leg in legs if leg.agent is not None} - openers):
            first_leg = min((leg for leg in legs if leg.agent == x), key=lambda leg: leg.start)
            found.append(reception(x, first_leg.start, leg_day(story, first_leg)))
    return found


# ---- SPEC 5: the reply rate ------------------------------------------------------------------------------


def consults(story: Story) -> list[Row]:
    """The shop's consults by day, then the agents'."""
    who = sorted({leg.agent for wait in story.waits for leg in wait.legs if leg.agent is not None})
    return [*shop_consults(story), *(row for agent in who for row in agent_consults(story, agent))]


def counted_waits(story: Story) -> list[Wait]:
    """Waits that the reply rate looks at: `closing` only with `closing.in_reply_rate`."""
    return [w for w in story.waits if w.normal or story.policy.closing_in_reply_rate]


def open_at_midnight(start: int, end: int | None, midnight: int) -> bool:
    """Open at 24:00: begun before it and not ended before it, so a reply at 00:00:00 comes too late (V6)."""
    return start < midnight and (end is None or midnight <= end)


def consult(story: Story, agent: str | None, day: str, replied_any: bool, replied_strict: bool) -> Row:
    return {
        "shop": story.shop,
        "customer": story.customer,
        "agent": agent,
        "day": day,
        "replied_any": replied_any,
        "replied_strict": replied_strict,
    }


def replied(story: Story, agent: str | None, day: str, since: int) -> bool:
    """An effective (`effective.reply_rate`) reply, of that agent if one is named, on that day from an instant on."""
    return any(
        m.sender in story.policy.effective_reply_rate
        and m.ts >= since
        and story.calendar.day(m.ts) == day
        and (agent is None or m.agent == agent)
        for m in story.messages
    )


def shop_consults(story: Story) -> list[Row]:
    """ "`consulted(D)` = distinct customers who sent a non-spam message on local day D"."""
    day, waits = story.calendar.day, counted_waits(story)
    wrote = sorted(m.ts for w in waits for m in w.messages)
    return [
        consult(
            story,
            None,
            d,
            # "at or after their first message of D"
            replied(story, None, d, min(ts for ts in wrote if day(ts) == d)),
            # "no wait open at 24:00 of D and no `normal` wait abandoned or expired on D"
            not any(
                open_at_midnight(w.since, w.until, story.calendar.end(d))
                or (
                    w.normal
                    and w.outcome in {"abandoned", "expired"}
                    and w.until is not None
                    and day(w.until) == d
                )
                for w in waits
            ),
        )
        for d in sorted({day(ts) for ts in wrote})
    ]


def agent_consults(story: Story, agent: str) -> list[Row]:
    """ "customers with a leg of that agent started on D ... or who wrote on D while it had an open leg"."""
    day = story.calendar.day
    legs = [(w, leg) for w in counted_waits(story) for leg in w.legs if leg.agent == agent]
    # "an extra leg: the reply's day"; it exists only from the reply
    begun = [leg.end if leg.extra and leg.end is not None else leg.start for _, leg in legs]
    # "an open leg that the message did not end"
    wrote = [
        m.ts
        for w, leg in legs
        if not leg.extra
        for m in w.messages
        if leg.first <= m.pos and (leg.last is None or m.pos < leg.last)
    ]
    moments = [*begun, *wrote]
    return [
        consult(
            story,
            agent,
            d,
            replied(story, agent, d, min(ts for ts in moments if day(ts) == d)),
            # "no leg of that agent open at 24:00 and none of a `normal` wait ended `transferred_unanswered`,
            # `abandoned` or `expired` on D"
            not any(
                (not leg.extra and open_at_midnight(leg.start, leg.end, story.calendar.end(d)))
                or (
                    w.normal
                    and leg.outcome in {"transferred_unanswered", "abandoned", "expired"}
                    and leg.end is not None
                    and day(leg.end) == d
                )
                for w, leg in legs
            ),
        )
        for d in sorted({day(ts) for ts in moments})
    ]


# ---- SPEC 5 and 10: the columns --------------------------------------------------------------------------


def timed(policy: Policy, names: tuple[str, str, str, str], ms: int) -> list[tuple[str, int]]:
    """A response in its columns (count, sum, list, excluded), "after `long_wait`"."""
    count, total, each, excluded = names
    if policy.long_wait == "exclude" and ms > policy.long_wait_ms:
        return [(excluded, 1)]
    if policy.long_wait == "cap":
        ms = min(ms, policy.long_wait_ms)
    return [(count, 1), (total, ms), (each, ms)]


RESPONSE = ("responses", "response_sum_ms", "responses_ms", "excluded_long")
FIRST = ("first_responses", "first_response_sum_ms", "first_responses_ms", "first_excluded_long")


def reception_figures(story: Story, reception: Reception) -> list[tuple[str, int]]:
    """`receptions = receptions_unanswered + first_responses + first_excluded_long`, of those begun in `hours`."""
    if not story.calendar.counts(reception.start):
        return []
    if reception.first_response is None:
        return [("receptions", 1), ("receptions_unanswered", 1)]
    return [("receptions", 1), *timed(story.policy, FIRST, reception.first_response)]


def consult_figures(row: Row) -> list[tuple[str, int]]:
    return [
        ("consulted", 1),
        ("replied_any", int(row["replied_any"])),
        ("replied_strict", int(row["replied_strict"])),
    ]


def shop_figures(story: Story) -> Iterator[tuple[str, str, int]]:
    """What this customer adds to the shop's rows, `(day, column, amount)`: waits and the customer clock."""
    calendar, policy = story.calendar, story.policy
    for wait in story.waits:
        timely = calendar.counts(wait.since) and (wait.normal or policy.closing_in_response_time)
        if timely and wait.ms is not None and wait.until is not None:
            for column, n in timed(policy, RESPONSE, wait.ms):
                yield calendar.day(wait.until), column, n  # "A response: that of its reply"
        # "all `normal` waits started, answered or not, outcomes `void` and `bot` left out"
        if wait.normal and wait.outcome != "bot" and calendar.counts(wait.since):
            yield calendar.day(wait.since), "waits", 1
            yield calendar.day(wait.since), "within_30", int(wait.ms is not None and wait.ms <= WITHIN_MS)
        for leg in wait.legs:
            if wait.normal and leg.outcome == "transferred_unanswered" and leg.end is not None:
                yield calendar.day(leg.end), "transferred_unanswered", 1
    for wait in [*story.waits, *story.voids]:
        if wait.normal and wait.outcome in {"abandoned", "expired", "void", "bot"} and wait.until is not None:
            yield calendar.day(wait.until), wait.outcome, 1
    for reception in receptions(story):
        if reception.agent is None:
            for column, n in reception_figures(story, reception):
                yield reception.day, column, n
    for row in shop_consults(story):
        for column, n in consult_figures(row):
            yield row["day"], column, n


def agent_figures(story: Story) -> Iterator[tuple[str, str, str, int]]:
    """What this customer adds to the agents' rows, `(day, agent, column, amount)`: legs and the agent clock."""
    calendar, policy = story.calendar, story.policy
    for wait in story.waits:
        for leg in wait.legs:
            if leg.agent is None:
                continue  # "Queue legs belong to no agent."
            answered = leg.end is not None and leg.outcome == "answered"
            ms = leg.end - leg.start if leg.end is not None else 0
            timely = calendar.counts(leg.start) and (wait.normal or policy.closing_in_response_time)
            if timely and answered and leg.end is not None:
                for column, n in timed(policy, RESPONSE, ms):
                    yield calendar.day(leg.end), leg.agent, column, n
            # "an extra leg only if x has no other leg in that wait"
            alone = not any(other.agent == leg.agent and other is not leg for other in wait.legs)
            if wait.normal and calendar.counts(leg.start) and (alone or not leg.extra):
                day = leg_day(story, leg)
                yield day, leg.agent, "waits", 1
                yield day, leg.agent, "within_30", int(answered and ms <= WITHIN_MS)
            if wait.normal and leg.outcome == "transferred_unanswered" and leg.end is not None:
                yield calendar.day(leg.end), leg.agent, "transferred_unanswered", 1
    for reception in receptions(story):
        if reception.agent is not None:
            for column, n in reception_figures(story, reception):
                yield reception.day, reception.agent, column, n
    for row in consults(story):
        if row["agent"] is not None:
            for column, n in consult_figures(row):
                yield row["day"], row["agent"], column, n


def rows(amounts: Iterable[tuple[Key, str, int]], columns: tuple[str, ...]) -> dict[Key, Row]:
    """The rows with some figure that is not zero: sums, and the sorted lists beside them."""
    table: dict[Key, Row] = {}
    for key, column, n in amounts:
        row = table.setdefault(key, {**dict.fromkeys(columns, 0), **{name: [] for name in LISTS}})
        if column in LISTS:
            row[column] = sorted([*row[column], n])
        else:
            row[column] += n
    return {key: row for key, row in table.items() if any(row.values())}
