"""The book of one customer, live: as it stands, what it is told anew from, and what of it was published.

In order an event is folded once, and what an order says before and after it is compared; what comes in late is told
again from `base`, the book before the oldest kept event of the customer. The chat is forgotten after days, orders are
known for months: so an account outlives its customer, as one row, and is opened again when something concerns it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct, field, msgpack

from csstream.core import facts
from csstream.core.conversation import NEVER, Concluded, Rules
from csstream.core.crew import Crew
from csstream.core.orders.book import Book, State, decode_state, encode_state
from csstream.core.orders.purchase import Asking, Purchase
from csstream.core.rules import Alert, Unpaid, order_alerts
from csstream.core.step import ShopStep
from csstream.events import Dun, Event, Order


class BookRow(Struct, array_like=True):
    """An account: the book as it stands, and before the oldest kept event (empty: nothing was known; None: the same).

    `given_way` are the orders that gave way to another of their name since then.
    """

    state: bytes
    base: bytes | None
    worked: int
    due: int
    newest: int
    revs: dict[str, tuple[int, int]] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    unpaid: dict[str, int] = field(default_factory=dict)
    firing: dict[str, int] = field(default_factory=dict)
    given_way: list[Purchase] = field(default_factory=list)


encode_book = msgpack.Encoder().encode
decode_book = msgpack.Decoder(BookRow).decode

STATUSES = ("created", "paid", "shipped", "cancelled", "closed", "refunded", "lost")
STATES = ("due", "done", "missed", "moot")


class Account:
    """A customer's book in a live shop."""

    __slots__ = (
        "base",
        "book",
        "changed",
        "counted",
        "firing",
        "newest",
        "revs",
        "unpaid",
        "worked",
    )

    def __init__(
        self, rules: Rules, crew: Crew, shop: str, customer: str, row: BookRow | None = None
    ) -> None:
        self.base = b""
        if row is not None:
            self.base = row.state if row.base is None else row.base
        state = State() if row is None else decode_state(row.state)
        self.book = Book(rules, crew, shop, customer, state)
        if row is not None:
            self.book.out.orders = row.given_way
        self.revs: dict[str, tuple[int, int]] = {} if row is None else row.revs
        self.counted: dict[str, int] = {} if row is None else row.counted
        self.worked = -1 if row is None else row.worked
        self.newest = -1 if row is None else row.newest
        self.unpaid: dict[str, int] = {} if row is None else row.unpaid
        self.firing: dict[str, int] = {} if row is None else row.firing
        self.changed = row is None

    def revised(self, name: str, revision: int, ts: int) -> None:
        """A fact or an alert was published more than once, or is no longer what it was at first."""
        self.revs[name] = revision, ts

    def row(self) -> BookRow:
        """What has to be kept to go on after a restart."""
        self.changed = False
        state = encode_state(self.book.state)
        return BookRow(
            state,
            None if self.base == state else self.base,
            self.worked,
            self.book.next_due(),
            self.newest,
            self.revs,
            self.counted,
            self.unpaid,
            self.firing,
            self.book.out.orders,
        )

    # ---- what changes it --------------------------------------------------------------------------------

    def play(self, events: Sequence[Event], settled_ms: int, step: ShopStep, desk: "Counts") -> None:
        """Fold events that come after all that was folded."""
        self.changed = True
        self.newest = max(self.newest, events[-1].ts_ms)
        quiet = not self.book.busy and not any(isinstance(event, Order | Dun) for event in events)
        before = None if quiet else Snapshot(self.book)
        self.book.play(events)
        self._work(self.book.pass_time(settled_ms))
        if before is not None:
            self._publish(before, step, desk, corrected=False)

    def pass_time(self, now: int, step: ShopStep, desk: "Counts") -> None:
        """Work off every due before `now`."""
        before = Snapshot(self.book)
        self.changed = True
        self._work(self.book.pass_time(now))
        self._publish(before, step, desk, corrected=False)

    def told_anew(self, events: Sequence[Event], settled_ms: int) -> tuple[Book, int]:
        """The book of the kept standing events without spam, at `settled_ms`, and the last due worked off in it."""
        old = self.book
        state = decode_state(self.base) if self.base else State()
        book = Book(old.rules, old.crew, old.shop, old.customer, state)
        book.play(events)
        worked = book.pass_time(settled_ms)
        return book, worked

    def replace(self, told: tuple[Book, int], step: ShopStep, desk: "Counts", newest: int) -> None:
        """Go on from a book that was told anew, and publish the difference."""
        before = Snapshot(self.book)
        self.changed = True
        self.newest = max(self.newest, newest)
        self.book, worked = told
        self._work(worked)
        self._publish(before, step, desk, corrected=True)

    def _work(self, worked: int) -> None:
        self.worked = max(self.worked, worked)
        self.newest = max(self.newest, worked)

    def trim(self, events: Sequence[Event], limit_ms: int) -> None:
        """Fold events before `limit_ms`, the oldest kept ones, into the base."""
        book, _ = self.told_anew(events, limit_ms)
        self.base = encode_state(book.state)
        settled = {order.name for order in book.out.orders}  # a book told anew knows them no more
        self.book.out.orders = [order for order in self.book.out.orders if order.name not in settled]
        self.revs = {
            name: rev for name, rev in self.revs.items() if name[:6] == "order|" or rev[1] >= limit_ms
        }
        self.changed = True

    def conclude(self) -> None:
        """Nothing that may still come in reaches back behind now."""
        self.base = encode_state(self.book.state)
        self.book.out.orders = []
        self.changed = True

    def forget(self, now: int, kept_ms: int) -> bool:
        """Drop what no rule can need at `now`; whether nothing is left."""
        limit = now - kept_ms
        state = self.book.state
        gone = [
            o for o in state.orders.values() if o.last + self.book.terms.ttl < limit and o.next_due() == NEVER
        ]
        days = [day for day, inquiry in state.inquiries.items() if inquiry.final < limit]
        if gone or days:
            base = decode_state(self.base) if self.base else State()
            for kept in (state, base):
                for order in gone:
                    kept.orders.pop(order.order, None)
                for day in days:
                    kept.inquiries.pop(day, None)
            self.base = encode_state(base)
            names = {order.name for order in gone}
            self.revs = {name: rev for name, rev in self.revs.items() if not names & set(name.split("|"))}
            self.counted = {name: n for name, n in self.counted.items() if name.split("|")[0] not in names}
            self.changed = True
        return not state.orders

    # ---- what of it is seen -----------------------------------------------------------------------------

    def restates(self, events: Iterable[Event], today: str) -> bool:
        """Whether a new order may change what was published of the days before the one under way, `today`."""
        created = [e.ts_ms for e in events if isinstance(e, Order) and e.status == "created"]
        return any(
            day != today and inquiry.ordered != "same_day" and ts < inquiry.final
            for day, inquiry in self.book.state.inquiries.items()
            for ts in created
        )

    def leans_on(self, since_ms: int) -> bool:
        """Whether something was decided at or after `since_ms` by what was known of agents."""
        return any(
            any(memo is not None and memo.ts >= since_ms for memo in (order.memo, order.early_memo))
            or any(asking.due >= since_ms for asking in order.reminders)
            for order in self.book.state.orders.values()
        )

    def _publish(self, before: "Snapshot", step: ShopStep, desk: "Counts", *, corrected: bool) -> None:
        after = Snapshot(self.book)
        if after.orders != before.orders:
            desk.learn_orders(before.orders.values(), -1)
            desk.learn_orders(after.orders.values(), 1)
        was: dict[str, facts.AnyFact] = {**before.orders, **before.reminders}
        now: dict[str, facts.AnyFact] = {**after.orders, **after.reminders}
        for fact in now.values():
            old = was.pop(fact.fact, None)
            if fact != old:
                step.fact(fact, old, self)
        for gone in was.values():
            step.retract(gone, self)
        firing = dict(before.alerts)
        for alert in after.alerts.values():
            earlier = firing.pop(alert.alert, None)
            if earlier is not None:
                alert.group = earlier.group  # as known when first published
            if alert != earlier:
                step.alert(alert, earlier if corrected else earlier is not None, self)
        for lost in firing.values():
            step.retract_alert(lost, self)
        self._count(desk)
        desk.stand(self.unpaid, -1, self.firing)
        self.unpaid = dict(
            Counter(stage for o in self.book.watched if (stage := o.stage_passed()) is not None)
        )
        self.firing = dict(Counter(a.rule for a in after.alerts.values() if a.state == "firing"))
        desk.stand(self.unpaid, 1, self.firing)

    def _count(self, desk: "Counts") -> None:
        """Count what is reached for the first time (SPEC 9, F)."""
        for order in self.book.purchases():
            done = self.counted.get(order.name, 0)
            bits = done
            for place, status in enumerate(STATUSES):
                bit = 1 << place
                if getattr(order, status) >= 0 and not bits & bit:
                    bits |= bit
                    desk.tally("orders_total", (status,), 1)
                    if status == "paid" and order.paid_fen:
                        desk.tally("turnover_yuan_total", (self._owner(order),), order.paid_fen)
            counted = bits >> 8
            for _, amount in order.refunds_fen()[counted:]:
                if amount:
                    desk.tally("refunds_yuan_total", (self._owner(order),), amount)
            bits = (bits & 0xFF) | max(counted, len(order.refunds)) << 8
            if bits != done:
                self.counted[order.name] = bits
            for asking in order.reminders:
                self._count_reminder(order, asking, desk)

    def _count_reminder(self, order: Purchase, asking: Asking, desk: "Counts") -> None:
        name = f"{order.name}|{asking.stage}"
        done = self.counted.get(name, 0)
        bits = done | 1 << STATES.index(asking.state) | (1 if asking.asked else 0)
        for place, state in enumerate(STATES):
            if bits & ~done & 1 << place:
                desk.tally("reminders_total", (asking.stage, state), 1)
        if bits != done:
            self.counted[name] = bits

    def _owner(self, order: Purchase) -> str:
        return self.book.order_fact(order).owner or ""


class Snapshot:
    """What a book says: facts by name, alerts by id."""

    __slots__ = ("alerts", "orders", "reminders")

    def __init__(self, book: Book) -> None:
        self.orders = {fact.fact: fact for fact in book.orders()}
        self.reminders = {fact.fact: fact for fact in book.reminders()}
        self.alerts = {alert.alert: alert for alert in alerts_of(book)}


class Counts(Protocol):
    """Where accounts say what they change in the shop's figures."""

    def learn_orders(self, orders: Iterable[facts.Order], sign: int) -> None:
        """The orders of one customer, as they stand (1) or stood (-1)."""

    def tally(self, metric: str, labels: tuple[str, ...], amount: int) -> None:
        """Something was reached for the first time."""

    def stand(self, unpaid: dict[str, int], sign: int, firing: dict[str, int]) -> None:
        """Unpaid orders by stage and alerts by rule that stand (1), or no longer (-1)."""


def alerts_of(book: Book) -> list[Alert]:
    """Every alert on the reminders of a book."""
    return [
        alert
        for order in book.purchases()
        for asking in order.reminders
        for alert in order_alerts(
            Unpaid(book.rules.policy, book.shop, book.customer, order, asking, book.crew.group_of)
        )
    ]


def judge(book: Book | None, concluded: Concluded) -> None:
    """Say of consults what came of them; who has no book, or none of an order yet, has ordered nothing."""
    if book is not None and book.purchases():
        for consult in concluded.consults:
            book.judge(consult)
