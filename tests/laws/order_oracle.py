"""SPEC 6 read a second time: orders, reminders and conversion straight from the whole list of events.

Like `oracle.py`, whose stories it goes on with, it shares no code with the program and keeps no state: each question
is asked of everything that is known. Only the dues of reminders are gone through in order, because the caps say so.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

from csstream.policy import Policy

Event = Mapping[str, Any]
Row = dict[str, Any]

STATUSES = ("created", "memo", "paid", "shipped", "refund_requested", "refunded", "cancelled", "closed")
DAY_MS = 86_400_000

AGENT_COLUMNS = (
    "orders_owned", "turnover_fen", "refunds_fen", "unpaid_open", "reminders_due", "reminders_missed",
)  # fmt: skip
SHOP_COLUMNS = (
    *AGENT_COLUMNS, "inquirers", "ordered_same_day", "ordered_final", "orderers", "payers", "silent_orders", "buyers",
    "buyers_served", "buyers_silent", "turnover_served_fen",
)  # fmt: skip


def takes_effect(event: Event, rank: int) -> tuple[int, int, int, str]:
    """ "Its events of one `ts` take effect in the sequence created, memo, paid, ..., then by id"."""
    place = STATUSES.index(event["status"]) if event["type"] == "order" else 0
    return event["ts"], rank, place, event["id"]


@dataclass
class Reminder:
    """One reminder."""

    stage: str
    due: int
    until: int
    following: int | None
    asked: bool
    state: str
    responsible: str | None
    done: int | None


@dataclass
class Order:
    """One order: its events by their places in the customer's timeline."""

    name: str
    events: list[tuple[int, Event]]
    reminders: list[Reminder] = field(default_factory=list)

    def first(self, status: str) -> tuple[int, Event] | None:
        """The first event of a status: "The first `created` and the first `paid` stand"."""
        return next(((pos, e) for pos, e in self.events if e["status"] == status), None)

    @property
    def created(self) -> tuple[int, Event] | None:
        return self.first("created")

    @property
    def end(self) -> tuple[int, Event] | None:
        """ "the first event that is neither `created` nor `memo`"."""
        return next(((pos, e) for pos, e in self.events if e["status"] not in ("created", "memo")), None)

    @property
    def cod(self) -> bool:
        return bool(self.created and self.created[1].get("cod"))

    @property
    def timer(self) -> bool:
        """Whether it ever ran: "An end before `created`: no timer"."""
        return self.created is not None and (self.end is None or self.end[0] > self.created[0])


@dataclass
class Ledger:
    """One customer's orders. `timeline`: the events in effect, no dropped spam; `staff`: the shop's agents' events."""

    shop: str
    customer: str
    timeline: list[Event]
    staff: list[Event]
    clock: int
    policy: Policy
    courtesy: Callable[[Event], bool]
    orders: list[Order] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.policy.timezone)
        self.orders = self._orders()
        self._remind()

    # ---- the calendar -----------------------------------------------------------------------------------

    def day(self, ts: int) -> date:
        return datetime.fromtimestamp(ts // 1000, self.zone).date()

    def midnight(self, day: date) -> int:
        """00:00 of a local day."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()) * 1000

    def end_of(self, day: date, later: int = 0) -> int:
        """24:00 of a day, so many local days later."""
        return self.midnight(day + timedelta(days=1 + later))

    def quiet(self, ts: int) -> tuple[int, int] | None:
        """The quiet hours that hold an instant, or the next ones: [start, end)."""
        if self.policy.unpaid_quiet is None:
            return None
        start, end = (timedelta(milliseconds=ms) for ms in self.policy.unpaid_quiet)
        if end < start:
            end += timedelta(days=1)
        for days in range(-2, 4):
            base = datetime.combine(self.day(ts) + timedelta(days=days), datetime.min.time())
            span = [int((base + t).replace(tzinfo=self.zone).timestamp()) * 1000 for t in (start, end)]
            if ts < span[1]:
                return span[0], span[1]
        raise AssertionError

    def awake(self, ts: int) -> int:
        """ "moved to the end of the quiet hours if inside them"."""
        span = self.quiet(ts)
        return span[1] if span and span[0] <= ts else ts

    def later(self, ts: int, ms: int) -> int:
        """So much later, "quiet hours not counted"."""
        while (span := self.quiet(ts)) and ts + ms > span[0]:
            ms -= max(0, span[0] - ts)
            ts = span[1]
        return ts + ms

    # ---- orders -----------------------------------------------------------------------------------------

    def _orders(self) -> list[Order]:
        found: dict[str, list[Order]] = {}
        for pos, event in enumerate(self.timeline):
            if event["type"] != "order":
                continue
            same = found.setdefault(event["order"], [])
            if not same:
                same.append(Order(event["order"], []))
            elif event["ts"] > same[-1].events[-1][1]["ts"] + self.policy.attribution_order_ttl_ms:
                same.append(Order(f"{event['order']}@{event['ts']}", []))
            same[-1].events.append((pos, event))
        return [order for same in found.values() for order in same]

    def known(self, order: Order, pos: int) -> bool:
        """ "It is known for `attribution.order_ttl` (90 days) after its last event"."""
        before = [e["ts"] for p, e in order.events if p < pos]
        ttl = self.policy.attribution_order_ttl_ms
        return bool(before) and self.timeline[pos]["ts"] <= max(before) + ttl

    def effective(self, event: Event) -> bool:
        return (
            event["type"] == "message"
            and not event.get("internal")
            and event["sender"] in self.policy.effective_response
        )

    def asks(self, event: Event) -> bool:
        return event["type"] == "message" and not event.get("internal") and event["sender"] == "customer"

    def replies(self, before: int, since: int) -> list[tuple[int, Event]]:
        """Replies of agents before a place, from an instant on."""
        lookback = self.policy.attribution_lookback_ms
        return [
            (pos, event)
            for pos, event in enumerate(self.timeline[:before])
            if self.effective(event)
            and event.get("agent") is not None
            and event["ts"] >= since
            and any(self.asks(q) and event["ts"] - q["ts"] <= lookback for q in self.timeline[:pos])
        ]

    def about(self, pos: int) -> set[str]:
        """The goods a reply is about: its own, and those asked for since the effective message before it."""
        before = max((p for p in range(pos) if self.effective(self.timeline[p])), default=-1)
        since = self.timeline[pos]["ts"] - self.policy.attribution_lookback_ms
        asked = [e for e in self.timeline[before + 1 : pos] if self.asks(e) and e["ts"] >= since]
        return {e["sku"] for e in (self.timeline[pos], *asked) if e.get("sku") is not None}

    # ---- people -----------------------------------------------------------------------------------------

    def with_number(self, number: str, ts: int) -> str | None:
        """ "the number of his latest `profile` (by `valid_from`, else `ts`) known and valid"."""
        latest: dict[str, tuple[int, int, str, Event]] = {}
        for event in self.staff:
            if event["type"] == "profile" and event["ts"] <= ts:
                valid = event.get("valid_from")
                valid = event["ts"] if valid is None else valid
                place = (valid, event["ts"], event["id"], event)
                own = latest.get(event["agent"])
                if valid <= ts and (own is None or place[:3] > own[:3]):
                    latest[event["agent"]] = place
        such = [
            (*place[:3], agent)
            for agent, place in latest.items()
            if place[3].get("number") is not None and bare(str(place[3]["number"])) == number
        ]
        return max(such)[3] if such else None

    def duty(self, created: int, known: int) -> str | None:
        """ "those that cover `created` first, then by start, then agent id"."""
        last: dict[tuple[str, str], Event] = {}
        for event in sorted(self.staff, key=lambda e: (e["ts"], e["id"])):
            if event["type"] == "shift" and event["ts"] <= known:
                last[event["agent"], event["shift"]] = event
        such = [e for e in last.values() if e.get("duty") and self.day(e["start"]) == self.day(created)]
        such.sort(key=lambda e: (not e["start"] <= created < e["end"], e["start"], e["agent"]))
        return such[0]["agent"] if such else None

    def settlement(self, order: Order) -> int:
        begun = order.created or order.events[0]
        return int(begun[1]["ts"]) + self.policy.attribution_reversal_ms

    def memo(self, order: Order, known: int) -> tuple[int, str] | None:
        """The last memo up to settlement: its place, and whom it names."""
        limit = min(known, self.settlement(order))
        memos = [(p, e) for p, e in order.events if e.get("memo") is not None and e["ts"] <= limit]
        if not memos:
            return None
        pos, event = memos[-1]
        named = [self.with_number(n, event["ts"]) for n in numbers_in(event["memo"])]
        return next(((pos, agent) for agent in named if agent is not None), None)

    def owner(self, order: Order, known: int) -> tuple[str | None, str]:
        """Owner and reason, as known at an instant."""
        for by in self.policy.attribution_order:
            if by == "memo":
                memo = self.memo(order, known)
                if memo is not None:
                    return memo[1], "memo"
            elif order.created is not None:
                pos, created = order.created
                replies = self.replies(pos, created["ts"] - self.policy.attribution_lookback_ms)
                if by == "sku":
                    goods = {item["sku"] for item in created.get("items") or ()}
                    replies = [(p, e) for p, e in replies if self.about(p) & goods]
                if replies:
                    return replies[-1][1]["agent"], by
        return None, "silent" if order.created else "unknown"

    def responsible(self, order: Order, known: int) -> str | None:
        assert order.created
        return self.owner(order, known)[0] or self.duty(order.created[1]["ts"], known)

    # ---- reminders --------------------------------------------------------------------------------------

    def deadline(self, order: Order) -> int | None:
        if order.cod or order.created is None:
            return None
        created = order.created[1]
        lost = created["ts"] + next(s.after_ms for s in self.policy.unpaid_stages if s.channels == ("lost",))
        own = created.get("pay_deadline")
        return int(min(lost, own)) if own is not None and own > created["ts"] else int(lost)

    def lost(self, order: Order, known: int) -> int | None:
        """ "When the clock passes it on a running timer the order is `lost`"."""
        deadline = self.deadline(order)
        if not order.timer or deadline is None or known <= deadline:
            return None
        return None if order.end and order.end[1]["ts"] <= deadline else deadline

    def plans(self, order: Order) -> list[tuple[str, int, tuple[str, ...]]]:
        assert order.created
        ts = order.created[1]["ts"]
        if order.cod:
            return [("contact", self.awake(ts + self.policy.unpaid_cod_contact_ms), ("chat",))]
        return [
            (s.name, self.awake(ts + s.after_ms), s.channels)
            for s in self.policy.unpaid_stages
            if s.channels != ("lost",)
        ]

    def contacts(self, order: Order) -> Iterator[tuple[int, set[str]]]:
        """Instants and channels of what counts as a contact, in order: after `created` and before the end."""
        assert order.created
        last = order.end[0] if order.end else len(self.timeline)
        for pos in range(order.created[0] + 1, last):
            event = self.timeline[pos]
            if self.effective(event):
                yield event["ts"], {"chat"}
            elif self.is_dun(event, order, pos):
                yield event["ts"], {"chat", "sms"} if event["channel"] == "phone" else {event["channel"]}

    def is_dun(self, event: Event, order: Order, pos: int) -> bool:
        if event["type"] != "dun" or event["order"] != order.name.split("@")[0]:
            return False
        return self.known(order, pos)

    def done(self, order: Order, channels: Sequence[str], after: int, until: int) -> int | None:
        """ "the instant when each channel of its stage has been seen in its window"."""
        firsts = [
            min(
                (ts for ts, seen in self.contacts(order) if channel in seen and after < ts <= until),
                default=None,
            )
            for channel in channels
        ]
        return None if None in firsts else max(ts for ts in firsts if ts is not None)

    def _remind(self) -> None:
        waiting: list[tuple[int, int, str, int, Order]] = []
        for order in self.orders:
            if order.timer and order.created and self.plans(order):
                ts = order.created[1]["ts"]
                waiting.append((self.plans(order)[0][1], ts, order.name, 0, order))
        asked: list[int] = []
        while waiting:
            waiting.sort(key=lambda each: each[:3])
            due, created, name, stage, order = waiting.pop(0)
            plans = self.plans(order)
            if due >= self.clock or (order.end and order.end[1]["ts"] <= due):
                continue
            following = min(
                (
                    t
                    for t in (plans[stage + 1][1] if stage + 1 < len(plans) else None, self.deadline(order))
                    if t
                ),
                default=None,
            )
            follower = (
                (plans[stage + 1][1], created, name, stage + 1, order) if stage + 1 < len(plans) else None
            )
            if following is not None and due >= following:
                waiting += [follower] if follower else []
                continue
            # the window is exclusive at its beginning, but `created` is an event: what comes after it counts
            after = order.reminders[-1].until if order.reminders else created - 1
            channels = plans[stage][2]
            by_due = self.done(order, channels, after, due)
            if by_due is None and not order.cod:
                free = self.free(due, asked)
                if free > due:
                    dropped = following is not None and free >= following
                    moved = follower if dropped else (free, created, name, stage, order)
                    waiting += [moved] if moved else []
                    continue
                asked.append(due)
            until = self.later(due, self.policy.unpaid_grace_ms)
            until = until if following is None else min(until, following)
            done = self.done(order, channels, after, until)
            state = "done" if done is not None else "missed" if self.clock > until else "due"
            if done is None and order.end and order.end[1]["ts"] <= until:
                state = "moot"
            who = self.responsible(order, due)
            order.reminders.append(
                Reminder(plans[stage][0], due, until, following, by_due is None, state, who, done)
            )
            waiting += [follower] if follower else []

    def free(self, ts: int, asked: Sequence[int]) -> int:
        """ "the first instant that caps and quiet hours allow"."""
        steps = {ts, *(t + self.policy.unpaid_min_gap_ms for t in asked), *(t + DAY_MS for t in asked)}
        for candidate in sorted(self.awake(step) for step in steps if step >= ts):
            near = [t for t in asked if candidate - DAY_MS < t <= candidate]
            gap = min((candidate - t for t in asked), default=self.policy.unpaid_min_gap_ms)
            if len(near) < self.policy.unpaid_max_per_24h and gap >= self.policy.unpaid_min_gap_ms:
                return candidate
        raise AssertionError

    # ---- facts ------------------------------------------------------------------------------------------

    def fact(self, order: Order) -> Row:
        """The fact of an order, without what every fact has."""
        created, paid = order.created, order.first("paid")
        owner, reason = self.owner(order, self.clock)
        money = Money(order)
        times = {name: found[1]["ts"] if (found := order.first(name)) else None for name in STATUSES}
        statuses = [e["status"] for _, e in order.events if e["status"] != "memo"]
        helped: set[str] = set()
        followed: set[str] = set()
        conflicts = []
        if created:
            since = created[1]["ts"] - self.policy.attribution_lookback_ms
            helped = {e["agent"] for _, e in self.replies(created[0], since)}
            memo = self.memo(order, self.clock)
            if reason == "memo" and memo:
                wrote = [e for e in self.timeline[: memo[0]] if self.effective(e) and e.get("agent") == owner]
                conflicts += [] if any(e["ts"] >= since for e in wrote) else ["memo_conflict"]
            if paid:
                between = self.timeline[created[0] + 1 : paid[0]]
                followed = {e["agent"] for e in between if self.effective(e) and e.get("agent") is not None}
                conflicts += ["memo_missing"] if reason in ("sku", "chat") else []
        return {
            "fact": f"order|{self.shop}|{self.customer}|{order.name}",
            "shop": self.shop,
            "agent": owner,
            "customer": self.customer,
            "ts": times["created"] if created else order.events[0][1]["ts"],
            "order": order.name,
            "status": statuses[-1] if statuses else "memo",
            "owner": owner,
            "reason": reason,
            "assist_order": sorted(helped - {owner}),
            "assist_followup": sorted(followed - {owner}),
            "conflicts": conflicts,
            "amount_fen": money.amount,
            "paid_fen": money.paid,
            "refunded_fen": money.refunded,
            "refunds": [{"ts": ts, "fen": amount} for ts, amount in money.refunds],
            **{n: times[n] for n in ("created", "paid", "shipped", "cancelled", "closed", "refunded")},
            "lost": self.lost(order, self.clock),
            "taken_back": self.taken_back(order, money),
            **({"cod": True} if order.cod else {}),
        }

    def taken_back(self, order: Order, money: "Money") -> int | None:
        instants = [found[1]["ts"] for name in ("closed", "cancelled") if (found := order.first(name))]
        lost = self.lost(order, self.clock)
        if lost is not None and order.first("paid") is None:
            instants.append(lost)
        for n, (ts, _) in enumerate(money.refunds, 1):
            if money.paid is not None and sum(amount or 0 for _, amount in money.refunds[:n]) >= money.paid:
                instants.append(ts)
        return min((ts for ts in instants if ts <= self.settlement(order)), default=None)

    def reminder_facts(self, order: Order) -> list[Row]:
        return [
            {
                "fact": f"reminder|{self.shop}|{self.customer}|{order.name}|{r.stage}",
                "shop": self.shop,
                "agent": r.responsible,
                "customer": self.customer,
                "ts": r.due,
                "order": order.name,
                "stage": r.stage,
                "due": r.due,
                "until": r.until,
                "asked": r.asked,
                "state": r.state,
                "responsible": r.responsible,
            }
            for r in order.reminders
        ]

    def alerts(self, order: Order) -> Iterator[Row]:
        """`reminder_due` and `reminder_missed`."""
        assert order.created
        amount = cents(order.created[1].get("amount"))
        end = (order.end[1]["ts"], order.end[1]["status"]) if order.end else None
        for r in order.reminders:
            ends: tuple[int, str] | None = None
            if r.state == "done" and r.done is not None:
                ends = r.done, "done"
            elif r.state == "moot":
                ends = end
            elif r.state == "missed":
                ends = r.until, "missed"
            rows = [("reminder_due", "info", r.due, ends)] if r.asked else []
            if r.state == "missed":
                after: list[tuple[int, str]] = [end] if end else []
                if r.following is not None and self.clock > r.following:
                    after.append((r.following, "passed"))
                # "An event at exactly a deadline comes before the timer"
                ends = min(after, key=lambda each: (each[0], each[1] == "passed"), default=None)
                rows.append(("reminder_missed", "warning", r.until, ends))
            for rule, severity, ts, over in rows:
                yield {
                    "alert": f"{rule}|{self.shop}|{order.name}|{r.stage}",
                    "rule": rule,
                    "state": "firing" if over is None else "resolved",
                    "severity": severity,
                    "shop": self.shop,
                    "agent": r.responsible,
                    "customer": self.customer,
                    "since": order.created[1]["ts"],
                    "ts": ts,
                    "end": None if over is None else over[0],
                    "outcome": None if over is None else over[1],
                    "value": {} if amount is None else {"amount_fen": amount},
                    "divert_to": None,
                }

    # ---- conversion -------------------------------------------------------------------------------------

    def inquiry(self, day: date) -> tuple[bool, str]:
        """(pre-sale, what was ordered) of the first question of a day; (False, no) without one."""
        first = next(
            (
                pos
                for pos, e in enumerate(self.timeline)
                if self.asks(e) and self.day(e["ts"]) == day and not self.courtesy(e)
            ),
            None,
        )
        if first is None:
            return False, "no"
        m = self.timeline[first]["ts"]
        since = m - self.policy.attribution_aftersale_ms
        presale = True
        for order in self.orders:
            if not self.known(order, first):
                continue
            paid, created = order.first("paid"), order.created
            gone = self.lost(order, m) is not None or any(
                found and found[0] < first for found in (order.first("closed"), order.first("cancelled"))
            )
            if paid and paid[0] < first and paid[1]["ts"] >= since:
                presale = False
            if created and created[0] < first and created[1]["ts"] >= since and not gone:
                presale = False
        new = [o.created[1]["ts"] for o in self.orders if o.created and o.created[0] > first]
        if any(self.day(ts) == day for ts in new):
            return presale, "same_day"
        final = self.end_of(day, self.policy.attribution_final_window_days)
        return presale, "final" if any(ts < final for ts in new) else "no"

    # ---- figures ----------------------------------------------------------------------------------------

    def figures(self, days: Sequence[str]) -> Iterator[tuple[str, str | None, str, int]]:
        """(day, agent or None, column, amount); `days`: those on which the customer consulted."""
        yield from self._money_figures()
        yield from self._person_figures()
        for name in days:
            presale, ordered = self.inquiry(date.fromisoformat(name))
            if presale or ordered != "no":
                yield name, None, "inquirers", 1
                yield name, None, "ordered_same_day", int(ordered == "same_day")
                yield name, None, "ordered_final", int(ordered != "no")
        for order in self.orders:
            for r in order.reminders:
                for agent in {None, r.responsible}:
                    yield self.day(r.due).isoformat(), agent, "reminders_due", 1
                    yield self.day(r.due).isoformat(), agent, "reminders_missed", int(r.state == "missed")
            yield from self._unpaid(order)

    def _money_figures(self) -> Iterator[tuple[str, str | None, str, int]]:
        for order in self.orders:
            money = Money(order)
            owner, reason = self.owner(order, self.clock)
            paid, created = order.first("paid"), order.created
            if created:
                day = self.day(created[1]["ts"]).isoformat()
                if reason == "silent":
                    yield day, None, "silent_orders", 1
                elif self.taken_back(order, money) is None:
                    for agent in (None, owner):
                        yield day, agent, "orders_owned", 1
            if paid and money.paid is not None:
                day = self.day(paid[1]["ts"]).isoformat()
                yield day, None, "turnover_fen", money.paid
                if owner is not None:
                    yield day, None, "turnover_served_fen", money.paid
                    yield day, owner, "turnover_fen", money.paid
            for ts, amount in money.refunds:
                for agent in {None, owner}:
                    yield self.day(ts).isoformat(), agent, "refunds_fen", amount or 0

    def _person_figures(self) -> Iterator[tuple[str, str | None, str, int]]:
        """Each (day, column) at most once: they count customers."""
        found: set[tuple[str, str]] = set()
        for order in self.orders:
            paid, created = order.first("paid"), order.created
            if created and not order.cod:
                day = self.day(created[1]["ts"])
                found.add((day.isoformat(), "orderers"))
                final = self.end_of(day, self.policy.attribution_final_window_days)
                if paid and paid[1]["ts"] < final:
                    found.add((day.isoformat(), "payers"))
            if paid and Money(order).paid is not None:
                served = self.owner(order, self.clock)[0] is not None
                day_name = self.day(paid[1]["ts"]).isoformat()
                found |= {(day_name, "buyers"), (day_name, "buyers_served" if served else "buyers_silent")}
        yield from ((day, None, column, 1) for day, column in found)

    def _unpaid(self, order: Order) -> Iterator[tuple[str, str | None, str, int]]:
        if order.created is None or order.cod:
            return
        day = self.day(order.created[1]["ts"])
        while day <= self.day(self.clock):
            end = self.end_of(day)
            over = end <= self.clock
            lost, ended = self.lost(order, self.clock), order.end
            at = end if over else self.clock + 1
            unpaid = not (lost is not None and lost < at) and not (ended and ended[1]["ts"] < at)
            if unpaid and order.created[1]["ts"] < at:
                for agent in {None, self.responsible(order, end if over else self.clock)}:
                    yield day.isoformat(), agent, "unpaid_open", 1
            day += timedelta(days=1)

    def scripts(self) -> Iterator[tuple[str, str]]:
        """(script, column) of each order that was touched."""
        for order in self.orders:
            if not order.timer or order.created is None:
                continue
            last = order.end[0] if order.end else len(self.timeline)
            places = range(order.created[0] + 1, last)
            touches = [self.timeline[p] for p in places if self.is_dun(self.timeline[p], order, p)]
            status = order.end[1]["status"] if order.end else None
            for script in {e["script"] for e in touches if e.get("script") is not None}:
                yield script, "reminded"
                if status == "paid":
                    yield script, "paid_any"
                    if touches[-1].get("script") == script:
                        yield script, "paid_last"
                elif status == "cancelled":
                    yield script, "cancelled"


class Money:
    """The sums of an order, in fen."""

    def __init__(self, order: Order) -> None:
        created, paid = order.created, order.first("paid")
        own = cents(paid[1].get("amount")) if paid else None
        ordered = cents(created[1].get("amount")) if created else None
        self.amount = own if ordered is None else ordered
        self.paid = self.amount if own is None else own
        self.refunds: list[tuple[int, int | None]] = []
        for _, event in order.events:
            if event["status"] == "refunded":
                amount = cents(event.get("amount"))
                if amount is None and self.paid is not None:
                    amount = max(0, self.paid - sum(known or 0 for _, known in self.refunds))
                self.refunds.append((event["ts"], amount))
        known = [amount for _, amount in self.refunds if amount is not None]
        self.refunded = sum(known) if known or not self.refunds else None


def provisional(day: str, clock: int, policy: Policy) -> bool:
    """ "1 until the clock has passed the end of D + `final_window`"."""
    after = date.fromisoformat(day) + timedelta(days=1 + policy.attribution_final_window_days)
    end = datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(policy.timezone))
    return clock <= int(end.timestamp()) * 1000


def cents(amount: str | float | None) -> int | None:
    """ "Half-up to the fen"."""
    return None if amount is None else floor(Fraction(Decimal(str(amount))) * 100 + Fraction(1, 2))


def numbers_in(memo: str) -> list[str]:
    """ "all `工号 N` (colon allowed), then all `N号`", by looking at each run of digits."""
    text = unicodedata.normalize("NFKC", memo)
    named, plain = [], []
    for run in re.finditer("[0-9]+", text):
        before, after = text[: run.start()], text[run.end() :]
        if re.search(r"工[号號]\s*:?\s*$", before):
            named.append(bare(run[0]))
        place = after[1:].startswith(("楼", "院", "线", "门", "店", "仓", "库", "前", "后", "发货"))
        if after[:1] in ("号", "號") and not place and not before.rstrip().endswith("月"):
            plain.append(bare(run[0]))
    return named + plain


def bare(number: str) -> str:
    """ "Leading zeros do not matter"."""
    text = unicodedata.normalize("NFKC", number).strip()
    while len(text) > 1 and text[0] == "0":
        text = text[1:]
    return text
