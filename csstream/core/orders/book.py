"""The orders of one customer: one fold, forward only, in canonical order (SPEC 6).

Like the conversation it knows neither late events nor spam: it is told what stands, and told again when that
changes. Of the chat it keeps what a later order may look back to; of each order what `purchase.py` says. The caps on
reminders are the customer's, so all his orders lie in one book and their dues are worked off in one order.

Most events concern one order of many. So the book says which orders it changed, and how each was before: who keeps
or publishes them need not look at the others.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct, field, msgpack

from csstream.core import facts
from csstream.core.alert import Alert
from csstream.core.canon import canonical
from csstream.core.conversation import NEVER, Rules
from csstream.core.crew import Crew
from csstream.core.orders.memo import numbers
from csstream.core.orders.owner import conflicts_of, owner_of, taken_back
from csstream.core.orders.purchase import EVIDENCE, SEQUENCE, Asking, Memo, Purchase, encode_purchase, fen
from csstream.core.orders.terms import Step
from csstream.core.rules import Unpaid, order_alerts
from csstream.events import Dun, Event, Message, Order

DAY_MS: Final = 86_400_000


class Inquiry(Struct, array_like=True):
    """The customer's first question of a local day, and what came of it."""

    ts: int
    day_end: int
    final: int
    presale: bool
    ordered: str = "no"


class State(Struct, array_like=True):
    """What the book keeps beside the orders; instants in epoch ms, -1 for none. What was last heard of stands last."""

    wrote: int = -1
    asked: dict[str, int] = field(default_factory=dict)  # goods asked for since the last answer, and when
    replies: dict[str, tuple[int, str]] = field(default_factory=dict)  # agent: last reply
    about: dict[str, tuple[int, str, str]] = field(default_factory=dict)  # goods: last reply about them
    spoke: dict[str, int] = field(default_factory=dict)  # agent: last effective message, reply or not
    called: list[int] = field(default_factory=list)  # when somebody was asked to remind the customer
    inquiries: dict[str, Inquiry] = field(default_factory=dict)  # by local day


encode_state = msgpack.Encoder().encode
decode_state = msgpack.Decoder(State).decode


class Bookings:
    """What a book has concluded for good: orders that gave way to another of their name, and unpaid ones by day."""

    __slots__ = ("orders", "unpaid")

    def __init__(self) -> None:
        self.orders: list[Purchase] = []
        self.unpaid: list[tuple[str, str | None]] = []
        """One entry for each unpaid order and local day: the day, and who was responsible at its end."""


class Book:
    """The fold over one customer's standing events. Feed it in canonical order only.

    `daily`: it counts the unpaid orders at each midnight, which is a figure of an audit alone.
    """

    __slots__ = (
        "_daily", "_midnight", "_plans", "_running", "_unpaid", "crew", "customer", "orders", "out", "rules", "shop",
        "spoken", "state", "stirred", "terms",
    )  # fmt: skip

    def __init__(
        self,
        rules: Rules,
        crew: Crew,
        shop: str,
        customer: str,
        state: State | None = None,
        orders: Iterable[Purchase] = (),
        *,
        daily: bool = False,
    ) -> None:
        self.rules = rules
        self.terms = rules.terms
        self.crew = crew
        self.shop = shop
        self.customer = customer
        self.out = Bookings()
        self.state = State() if state is None else state
        self.orders = {order.order: order for order in sorted(orders, key=_heard)}
        """By order id; what was last heard of stands last."""
        self.stirred: dict[str, tuple[Purchase, bytes]] = {}
        """The orders that were changed, by name, and each as it was (`encode_purchase`; empty: it was not there)."""
        self.spoken: set[str] = set()
        """Of these, the ones of which a fact may have changed."""
        self._watch()
        self._plans: dict[str, list[Step]] = {}
        self._daily = daily
        self._midnight = NEVER  # the next one at which unpaid orders are counted

    def _watch(self) -> None:
        self._running = [o for o in self.orders.values() if o.running and o.lost < 0]
        self._unpaid = [o for o in self.orders.values() if o.created >= 0 and o.paid < 0]

    def play(self, events: Sequence[Event]) -> None:
        """Fold events; all that lies before each has come to pass. Types of no concern here change nothing."""
        for event in _in_effect(events):
            if type(event) is Message:
                if not event.internal:
                    self._message(event)
            elif type(event) is Order:
                self._order(event)
            elif type(event) is Dun:
                self._dun(event)

    # ---- the chat ---------------------------------------------------------------------------------------

    def _message(self, m: Message) -> None:
        t = m.ts_ms
        self.pass_time(t)
        s = self.state
        if m.sender == "customer":
            s.wrote = t
            if m.sku is not None:
                s.asked[m.sku] = t
            self._inquire(m, t)
        elif m.sender in self.rules.response:
            self._answer(m, t)

    def _answer(self, m: Message, t: int) -> None:
        s = self.state
        agent = m.agent
        if type(agent) is str:
            s.spoke[agent] = t
            if s.wrote >= 0 and t - s.wrote <= self.terms.lookback:
                s.replies.pop(agent, None)
                s.replies[agent] = t, m.id
                about = [sku for sku, ts in s.asked.items() if t - ts <= self.terms.lookback]
                for sku in about if m.sku is None else (*about, m.sku):
                    s.about.pop(sku, None)
                    s.about[sku] = t, agent, m.id
            for order in self._unpaid:
                if agent not in order.followed:
                    self._stir(order)
                    order.followed.append(agent)
        if s.asked:
            s.asked = {}
        for order in self._running:
            self._contact(order, t, ("chat",), m.id)

    def _inquire(self, m: Message, t: int) -> None:
        calendar = self.terms.calendar
        day = calendar.day(t)
        if day.name not in self.state.inquiries and not self.rules.courtesy(m):
            final = calendar.days_after(day, self.terms.final_days)
            self.state.inquiries[day.name] = Inquiry(t, day.end_ms, final, self._presale(t))

    def _presale(self, t: int) -> bool:
        """Whether no order of the customer is so recent that the question may be about it."""
        since = max(t - self.terms.aftersale, 0)
        for order in reversed(self.orders.values()):
            if order.last < since or order.last + self.terms.ttl < t:
                break
            if order.paid >= since:
                return False
            gone = order.closed >= 0 or order.cancelled >= 0 or order.lost >= 0
            if order.created >= since and not gone:
                return False
        return True

    # ---- orders -----------------------------------------------------------------------------------------

    def _order(self, e: Order) -> None:
        t = e.ts_ms
        self.pass_time(t)
        order = self._known(e.order, t)
        if order is None:
            order = Purchase(e.order, self._name(e.order, t), t, t)
            self.stirred[order.name] = order, b""
            self.spoken.add(order.name)
        else:
            self._stir(order, speaks=True)
            del self.orders[e.order]
        self.orders[e.order] = order
        order.last = t
        if len(order.evidence) < EVIDENCE:
            order.evidence.append(e.id)
        status = e.status
        if status == "created":
            if order.created < 0:
                self._create(order, e, t)
        elif status != "memo":
            self._reach(order, status, e, t)
        if status != "memo":
            order.status = status
        if e.memo is not None:
            self._note(order, e.memo, t)

    def _stir(self, order: Purchase, *, speaks: bool = False) -> None:
        """An order is about to change; `speaks`: perhaps in what is published of it."""
        if order.name not in self.stirred:
            self.stirred[order.name] = order, encode_purchase(order)
        if speaks:
            self.spoken.add(order.name)

    def _known(self, name: str, t: int) -> Purchase | None:
        """The order of that name, if its last event is not too long ago."""
        order = self.orders.get(name)
        return order if order is not None and t <= order.last + self.terms.ttl else None

    def _name(self, name: str, t: int) -> str:
        old = self.orders.pop(name, None)
        if old is None:
            return name
        self._stir(old, speaks=True)
        self._leave(old)
        self._unpaid = [other for other in self._unpaid if other is not old]
        self.out.orders.append(old)
        return f"{name}@{t}"

    def _create(self, order: Purchase, e: Order, t: int) -> None:
        s, terms = self.state, self.terms
        order.created = t
        order.created_fen = fen(e.amount)
        order.cod = bool(e.cod)
        deadline = e.pay_deadline if isinstance(e.pay_deadline, int) else None
        order.deadline = terms.deadline(t, order.cod, deadline)
        order.memo, order.early_memo = order.early_memo, None
        since = t - terms.lookback
        order.helped = [agent for agent, (ts, _) in s.replies.items() if ts >= since]
        if order.helped:
            last = order.helped[-1]
            order.by_chat = last, s.replies[last][1]
        ordered = {item.sku for item in e.items or ()}
        for sku, (ts, agent, reply) in reversed(s.about.items()):
            if sku in ordered and ts >= since:
                order.by_sku = agent, reply
                break
        for inquiry in s.inquiries.values():
            if t < inquiry.final and inquiry.ordered != "same_day":
                inquiry.ordered = "same_day" if t < inquiry.day_end else "final"
        if order.paid < 0:
            self._unpaid.append(order)
        if order.running:
            order.window = t - 1
            self._running.append(order)
            self._await(order, 0)
            if self._daily and not order.cod and self._midnight == NEVER:
                self._midnight = terms.calendar.day(t).end_ms

    def _reach(self, order: Purchase, status: str, e: Order, t: int) -> None:
        if status == "paid" and order.paid < 0:
            order.paid_own_fen = fen(e.amount)
            self._unpaid = [other for other in self._unpaid if other is not order]
        if status == "refunded":
            order.refunds.append((t, fen(e.amount)))
        if status in _INSTANTS and getattr(order, status) < 0:
            setattr(order, status, t)
        if order.end < 0:
            order.end, order.end_status = t, status
            if t != self._midnight:  # else it was unpaid at that midnight, which is still to be counted
                self._leave(order)
            waiting = order.waiting()
            if waiting is not None:
                waiting.state, waiting.ended = "moot", t

    def _leave(self, order: Purchase) -> None:
        """The order needs no more watching."""
        self._running = [other for other in self._running if other is not order]
        self._plans.pop(order.name, None)
        if not self._running:
            self._midnight = NEVER

    def _note(self, order: Purchase, text: str, t: int) -> None:
        agent = next((a for n in numbers(text) if (a := self.crew.with_number(n, t)) is not None), None)
        memo = Memo(t, agent, -1 if agent is None else self.state.spoke.get(agent, -1))
        if order.created < 0:
            order.early_memo = memo
        if t <= order.settlement(self.terms.reversal):
            order.memo = memo

    # ---- reminders --------------------------------------------------------------------------------------

    def _dun(self, e: Dun) -> None:
        t = e.ts_ms
        self.pass_time(t)
        order = self._known(e.order, t)
        if order is None or not order.running:
            return
        self._stir(order, speaks=True)
        order.last_script = e.script
        if e.script is not None and e.script not in order.scripts:
            order.scripts.append(e.script)
        self._contact(order, t, ("chat", "sms") if e.channel == "phone" else (e.channel,), e.id)

    def _contact(self, order: Purchase, t: int, channels: Sequence[str], event_id: str) -> None:
        if not order.running:
            return
        if t > order.window:
            for channel in channels:
                if channel not in order.seen:
                    self._stir(order)
                    order.seen[channel] = event_id
            return
        waiting = order.waiting()
        if waiting is None:
            return
        seen = [channel for channel in waiting.missing if channel in channels]
        if seen:
            self._stir(order, speaks=True)
            waiting.evidence.append(event_id)
            waiting.missing = [channel for channel in waiting.missing if channel not in seen]
            if not waiting.missing:
                waiting.state, waiting.ended = "done", t

    def _steps(self, order: Purchase) -> list[Step]:
        steps = self._plans.get(order.name)
        if steps is None:
            steps = self._plans[order.name] = self.terms.steps(order.created, order.cod)
        return steps

    def _await(self, order: Purchase, stage: int) -> None:
        """Wait for the first stage from `stage` on whose plan is before what follows it."""
        steps = self._steps(order)
        while stage < len(steps) and steps[stage].plan >= self._following(order, stage):
            stage += 1
        order.stage = stage
        order.due = steps[stage].plan if stage < len(steps) else NEVER

    def _following(self, order: Purchase, stage: int) -> int:
        """The next plan, or the deadline."""
        steps = self._steps(order)
        return min(steps[stage + 1].plan if stage + 1 < len(steps) else NEVER, order.deadline)

    def _allowed(self, t: int) -> int:
        """The first instant from `t` on that caps and quiet hours allow."""
        called, terms = self.state.called, self.terms
        if called:
            t = max(t, called[-1] + terms.min_gap)
        if len(called) >= terms.max_per_24h:
            t = max(t, called[-terms.max_per_24h] + DAY_MS)
        return terms.quiet.moved(t)

    def _ask(self, order: Purchase, t: int) -> None:
        """The due of a stage: somebody is asked to remind the customer, if nobody has done so and the caps allow."""
        stage = order.stage
        step = self._steps(order)[stage]
        following = self._following(order, stage)
        missing = [channel for channel in step.channels if channel not in order.seen]
        if missing and not order.cod:
            allowed = self._allowed(t)
            if allowed > t:
                if allowed < following:
                    order.due = allowed
                else:
                    self._await(order, stage + 1)
                return
            self.state.called = [*self.state.called, t][-self.terms.max_per_24h :]
        until = min(self.terms.quiet.spend(t, self.terms.grace), following)
        contacts = {order.seen[channel] for channel in step.channels if channel in order.seen}
        order.reminders.append(
            Asking(
                step.name,
                t,
                until,
                following,
                bool(missing),
                "due" if missing else "done",
                self._responsible(order, t),
                missing,
                [order.evidence[0], *sorted(contacts)],
            )
        )
        order.window = until
        order.seen = {}
        self._await(order, stage + 1)

    def _responsible(self, order: Purchase, t: int) -> str | None:
        """The owner, else the duty agent, else the supervisor (None), as known at `t`."""
        owner = owner_of(self.terms, order).agent
        return self.crew.on_duty(order.created, t) if owner is None else owner

    # ---- time -------------------------------------------------------------------------------------------

    def pass_time(self, now: int) -> int:
        """Work off, in order, every due before `now`. Returns the last of them, -1 if there was none."""
        worked = -1
        while self._running:
            order = min(self._running, key=_when)
            due = order.next_due()
            if self._midnight < now and self._midnight <= due:
                self._count_unpaid()
            elif due < now:
                self._work(order, due)
                worked = due
            else:
                break
        return worked

    def _work(self, order: Purchase, t: int) -> None:
        self._stir(order, speaks=True)
        last = order.reminders[-1] if order.reminders else None
        if last is not None and last.state == "due" and last.until == t:
            last.state = "missed"
        elif last is not None and last.state == "missed" and not last.passed and last.following == t:
            last.passed = True
        elif order.lost < 0 and order.deadline == t:
            order.lost = t
            self._leave(order)
        else:
            self._ask(order, t)

    def _count_unpaid(self) -> None:
        """Count the orders unpaid at this midnight, which is not yet over for those that end in its millisecond."""
        calendar = self.terms.calendar
        midnight = self._midnight
        day = calendar.day(midnight - 1).name
        self._midnight = calendar.day(midnight).end_ms
        for order in list(self._running):
            if order.created < midnight and not order.cod:
                self.out.unpaid.append((day, self._responsible(order, midnight)))
            if not order.running:
                self._leave(order)

    def next_due(self) -> int:
        """The next instant at which time alone concludes something; `NEVER` if none."""
        return min((order.next_due() for order in self._running), default=NEVER)

    # ---- what is known ----------------------------------------------------------------------------------

    def unpaid(self, now: int) -> list[tuple[str, str | None]]:
        """The unpaid orders of each local day up to that of the clock, as (day, responsible); `now` is the clock."""
        found = list(self.out.unpaid)
        day = self.terms.calendar.day(now)
        if self._midnight == day.start_ms == now:  # the day before has just ended
            before = self.terms.calendar.day(now - 1).name
            found += [
                (before, self._responsible(o, now)) for o in self._running if o.created < now and not o.cod
            ]
        found += [(day.name, self._responsible(o, now)) for o in self._running if o.running and not o.cod]
        return found

    def judge(self, consult: facts.Consult) -> None:
        """Say of a consult what came of it."""
        inquiry = self.state.inquiries.get(consult.day)
        if inquiry is not None:  # else it was before the first order, or nobody asked
            consult.presale = inquiry.presale
            consult.ordered = inquiry.ordered

    def purchases(self) -> list[Purchase]:
        """Every order, those too that gave way to another of their name."""
        return [*self.out.orders, *self.orders.values()]

    @property
    def empty(self) -> bool:
        """Whether it knows no order."""
        return not self.orders and not self.out.orders

    def watches(self, order: Purchase) -> bool:
        """Whether the unpaid timer of an order runs."""
        return order.running and order.lost < 0 and self.orders.get(order.order) is order

    def since(self, ts: int) -> list[Purchase]:
        """The orders of which something was heard at or after `ts`."""
        found = []
        for order in reversed(self.orders.values()):
            if order.last < ts:
                break
            found.append(order)
        return found

    def order_facts(self) -> list[facts.Order]:
        """The facts of all orders, as they stand."""
        return [self.order_fact(order) for order in self.purchases()]

    def order_fact(self, order: Purchase) -> facts.Order:
        """An order as it stands."""
        terms = self.terms
        owner = owner_of(terms, order)
        agent = owner.agent
        refunds = order.refunds_fen() if order.refunds else []
        known = [amount for _, amount in refunds if amount is not None]
        created, paid = order.created, order.paid
        return facts.Order(
            fact=f"order|{self.shop}|{self.customer}|{order.name}",
            rev=1,
            shop=self.shop,
            agent=agent,
            customer=self.customer,
            ts=created if created >= 0 else order.first,
            policy=self.rules.tag,
            evidence=[*order.evidence] if owner.reply is None else [*order.evidence, owner.reply],
            order=order.name,
            status=order.status,
            owner=agent,
            reason=owner.reason,
            assist_order=sorted([x for x in order.helped if x != agent]),
            assist_followup=sorted([x for x in order.followed if x != agent]) if paid >= 0 else [],
            conflicts=conflicts_of(terms, order, owner),
            amount_fen=order.amount_fen,
            paid_fen=order.paid_fen,
            refunded_fen=sum(known) if known or not refunds else None,
            refunds=[facts.Refund(ts, amount) for ts, amount in refunds],
            created=created if created >= 0 else None,
            paid=paid if paid >= 0 else None,
            shipped=order.shipped if order.shipped >= 0 else None,
            cancelled=order.cancelled if order.cancelled >= 0 else None,
            closed=order.closed if order.closed >= 0 else None,
            refunded=order.refunded if order.refunded >= 0 else None,
            lost=order.lost if order.lost >= 0 else None,
            taken_back=taken_back(terms, order),
            cod=order.cod,
        )

    def reminder_fact(self, order: Purchase, asking: Asking) -> facts.Reminder:
        """A reminder as it stands."""
        return facts.Reminder(
            fact=f"reminder|{self.shop}|{self.customer}|{order.name}|{asking.stage}",
            rev=1,
            shop=self.shop,
            agent=asking.responsible,
            customer=self.customer,
            ts=asking.due,
            policy=self.rules.tag,
            evidence=[*asking.evidence],
            order=order.name,
            stage=asking.stage,
            due=asking.due,
            until=asking.until,
            asked=asking.asked,
            state=asking.state,
            responsible=asking.responsible,
        )

    def reminder_facts(self) -> list[facts.Reminder]:
        """The facts of all reminders, as they stand."""
        return [self.reminder_fact(order, asking) for order in self.purchases() for asking in order.reminders]

    def alerts(self, order: Purchase) -> list[Alert]:
        """Every alert on the reminders of an order."""
        return [
            alert
            for asking in order.reminders
            for alert in order_alerts(
                Unpaid(self.rules.policy, self.shop, self.customer, order, asking, self.crew.group_of)
            )
        ]

    # ---- what is no longer needed -----------------------------------------------------------------------

    def forget(self, since: int) -> list[Purchase]:
        """Drop the orders of which nothing was heard since then, and nothing will be said; gives them."""
        gone = []
        for order in self.orders.values():
            if order.last >= since:
                break
            if order.next_due() == NEVER:
                gone.append(order)
        for order in gone:
            del self.orders[order.order]
        if gone:
            self._watch()
        return gone

    def prune(self, t: int) -> None:
        """Drop of the chat what nothing that comes at or after `t` looks back to."""
        s, terms = self.state, self.terms
        since = t - terms.lookback
        if s.wrote < since:
            s.wrote = -1
        s.asked = {sku: ts for sku, ts in s.asked.items() if ts >= since}
        s.replies = {agent: reply for agent, reply in s.replies.items() if reply[0] >= since}
        s.about = {sku: reply for sku, reply in s.about.items() if reply[0] >= since}
        if s.spoke:
            # A memo may still ask whether its agent had written before an order that is not settled.
            unsettled = (o.created for o in self.orders.values() if 0 <= o.created >= t - terms.reversal)
            since = min(unsettled, default=t) - terms.lookback
            s.spoke = {agent: ts for agent, ts in s.spoke.items() if ts >= since}
        s.called = [ts for ts in s.called if ts >= t - max(DAY_MS, terms.min_gap)]
        s.inquiries = {day: inquiry for day, inquiry in s.inquiries.items() if inquiry.final > t}


_INSTANTS = frozenset({"paid", "shipped", "cancelled", "closed", "refunded"})
"""Statuses whose first instant is kept."""


def _when(order: Purchase) -> tuple[int, int, str]:
    return order.next_due(), order.created, order.order


def _heard(order: Purchase) -> tuple[int, str]:
    return order.last, order.name


def _in_effect(events: Sequence[Event]) -> Sequence[Event]:
    """The events with those of orders at one instant in the sequence in which they take effect."""
    for event, after in pairwise(events):
        if type(event) is Order and type(after) is Order and event.ts == after.ts:
            return sorted(events, key=_effect)
    return events


def _effect(event: Event) -> tuple[int, int, int, str]:
    ts, rank, name = canonical(event)
    return ts, rank, SEQUENCE[event.status] if isinstance(event, Order) else 0, name
