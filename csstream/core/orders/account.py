"""The book of one customer, live: as it stands, what it is told anew from, and what of it was published.

In order an event is folded once, and what the order that it changed says before and after it is compared; what comes
in late is told again from the base, the book before the oldest kept event of the customer. The chat is forgotten after
days, orders are known for months: so an account outlives its customer, and is opened again when something concerns it.

Each order is a row of its own, and the rest of the account one more while it says anything: so an event of somebody
with a thousand orders writes one of them, and somebody who bought once, silently, is kept as one row.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from msgspec import Struct, field, msgpack

from csstream.core import facts
from csstream.core.calendar import Day
from csstream.core.conversation import NEVER, Concluded, Rules
from csstream.core.crew import Crew
from csstream.core.orders.book import Book, State, decode_state, encode_state
from csstream.core.orders.person import Person, person_of
from csstream.core.orders.purchase import Purchase, decode_purchase, encode_purchase
from csstream.core.step import ShopStep
from csstream.events import Event, Order


class BookRow(Struct, array_like=True):
    """An account without its orders: as it stands, and before the oldest kept event (None: the same)."""

    state: bytes
    base: bytes | None
    worked: int


class OrderRow(Struct, array_like=True):
    """One order: as it stands, and before the oldest kept event (None: the same). Empty: it is not there.

    `counted`, `asked`: what was counted of it and of its reminders (`Account._count`). `due`: the next instant at which
    time alone changes it, -1 if none. `stage`, `firing`: what of it stands in the gauges. `gave_way`: another order
    has its id by now. `gone`: its name, if it is not there any more, but was published.
    """

    now: bytes
    base: bytes | None = None
    counted: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    revs: dict[str, tuple[int, int]] = field(default_factory=dict)
    due: int = -1
    stage: str | None = None
    firing: list[str] = field(default_factory=list)
    gave_way: bool = False
    gone: str = ""


encode_row = msgpack.Encoder().encode
decode_book = msgpack.Decoder(BookRow).decode
decode_order = msgpack.Decoder(OrderRow).decode

FRESH = encode_state(State())
"""The state of who has only bought."""

STATUSES = ("created", "paid", "shipped", "cancelled", "closed", "refunded", "lost")
STATES = ("due", "done", "missed", "moot")

Change = tuple["Kept", Purchase | None, Purchase | None]
"""An order before and after, and what else is kept of it."""


class Kept:
    """What an account knows of one of its orders; see `OrderRow`."""

    __slots__ = ("asked", "base", "changed", "counted", "firing", "order", "revs", "stage")

    def __init__(self, order: Purchase | None, row: OrderRow | None = None) -> None:
        self.order = order
        self.base = b"" if row is None else row.base
        self.counted = 0 if row is None else row.counted
        self.asked = _NO_COUNTS if row is None else row.asked or _NO_COUNTS
        self.revs = _NO_REVS if row is None else row.revs or _NO_REVS
        self.stage = None if row is None else row.stage
        self.firing = _NO_ALERTS if row is None else row.firing or _NO_ALERTS
        self.changed = row is None

    def revised(self, name: str, revision: int, ts: int) -> None:
        """A fact or an alert was published more than once, or is no longer what it was at first."""
        if self.revs is _NO_REVS:
            self.revs = {}
        self.revs[name] = revision, ts
        self.changed = True

    def now(self) -> bytes:
        """The order as it stands."""
        return b"" if self.order is None else encode_purchase(self.order)

    def before(self) -> bytes:
        """The order before the oldest kept event."""
        return self.now() if self.base is None else self.base

    def last(self) -> int:
        """When something was last heard of the order, or said of it if it is not there any more."""
        return max((ts for _, ts in self.revs.values()), default=0) if self.order is None else self.order.last

    def row(self, name: str, *, gave_way: bool) -> OrderRow:
        """What has to be kept to go on after a restart."""
        self.changed = False
        order, now = self.order, self.now()
        due = NEVER if order is None or gave_way else order.next_due()
        return OrderRow(
            now,
            None if self.base == now else self.base,
            self.counted,
            self.asked,
            self.revs,
            -1 if due == NEVER else due,
            self.stage,
            self.firing,
            gave_way,
            name if order is None else "",
        )


class Account:
    """A customer's book in a live shop."""

    __slots__ = ("base", "book", "changed", "ended", "kept", "stored", "worked")

    def __init__(
        self,
        rules: Rules,
        crew: Crew,
        shop: str,
        customer: str,
        row: BookRow | None = None,
        orders: Iterable[OrderRow] = (),
    ) -> None:
        self.kept: dict[str, Kept] = {}
        self.ended: dict[str, Kept] = {}
        """Orders whose rows end with the step."""
        self.base = FRESH
        self.worked = -1
        self.stored = row is not None
        self.changed = False
        state = State()
        if row is not None:
            state = decode_state(row.state)
            self.base = row.state if row.base is None else row.base
            self.worked = row.worked
        standing: list[Purchase] = []
        gave_way: list[Purchase] = []
        for each in orders:
            if each.gone:
                self.kept[each.gone] = Kept(None, each)
                continue
            order = decode_purchase(each.now)
            self.kept[order.name] = Kept(order, each)
            (gave_way if each.gave_way else standing).append(order)
        self.book = Book(rules, crew, shop, customer, state, standing)
        self.book.out.orders = gave_way

    # ---- what changes it --------------------------------------------------------------------------------

    def play(self, events: Sequence[Event], settled_ms: int, step: ShopStep, desk: "Counts") -> None:
        """Fold events that come after all that was folded."""
        self.book.play(events)
        self._go_on(settled_ms, step, desk)

    def pass_time(self, now: int, step: ShopStep, desk: "Counts") -> None:
        """Work off every due before `now`."""
        self._go_on(now, step, desk)

    def _go_on(self, now: int, step: ShopStep, desk: "Counts") -> None:
        book = self.book
        self.worked = max(self.worked, book.pass_time(now))
        self.changed = True
        changes: list[Change] = []
        for name in sorted(book.stirred):
            order, was = book.stirred[name]
            kept = self.kept.get(name)
            if kept is None:
                kept = self.kept[name] = Kept(order)
            elif kept.base is None:
                kept.base = was
            kept.order = order
            kept.changed = True
            if name in book.spoken:
                changes.append((kept, decode_purchase(was) if was else None, order))
        book.stirred = {}
        book.spoken = set()
        if changes:
            self._publish(changes, step, desk, corrected=False)

    def told_anew(self, events: Sequence[Event], settled_ms: int) -> tuple[Book, int]:
        """The book of the kept standing events without spam, at `settled_ms`, and the last due worked off in it."""
        old = self.book
        orders = [decode_purchase(base) for kept in self.kept.values() if (base := kept.before())]
        book = Book(old.rules, old.crew, old.shop, old.customer, decode_state(self.base), orders)
        book.play(events)
        worked = book.pass_time(settled_ms)
        return book, worked

    def replace(self, told: tuple[Book, int], step: ShopStep, desk: "Counts") -> None:
        """Go on from a book that was told anew, and publish the difference."""
        old, (book, worked) = self.book, told
        before, after = _by_name(old), _by_name(book)
        gave_way = {order.name for order in old.out.orders} ^ {order.name for order in book.out.orders}
        changes: list[Change] = []
        for name in sorted(before.keys() | after.keys()):
            was, now = before.get(name), after.get(name)
            if was == now and name not in gave_way:
                continue
            kept = self.kept.get(name)
            if kept is None:
                kept = self.kept[name] = Kept(now)
            else:
                kept.base = kept.before()
            kept.order = now
            kept.changed = True
            changes.append((kept, was, now))
        for name, order in after.items():
            self.kept[name].order = order
        self.book = book
        book.stirred = {}
        book.spoken = set()
        self.changed = True
        self.worked = max(self.worked, worked)
        if changes:
            self._publish(changes, step, desk, corrected=True)

    # ---- what is no longer needed -----------------------------------------------------------------------

    def trim(self, events: Sequence[Event], limit_ms: int) -> None:
        """Fold events before `limit_ms`, the oldest kept ones, into the base."""
        book, _ = self.told_anew(events, limit_ms)
        for each in (book, self.book):
            each.prune(limit_ms)
        self.base = encode_state(book.state)
        self.changed = True
        self._settle({order.name for order in book.out.orders})
        for name, kept in self.kept.items():
            now = kept.now()
            order = None if kept.order is None else book.orders.get(kept.order.order)
            base = b"" if order is None or order.name != name else encode_purchase(order)
            kept.changed = kept.changed or base != kept.before()
            kept.base = None if base == now else base
            if kept.revs:
                revs = {
                    fact: rev for fact, rev in kept.revs.items() if fact[:6] == "order|" or rev[1] >= limit_ms
                }
                kept.changed = kept.changed or revs != kept.revs
                kept.revs = revs

    def conclude(self, since_ms: int) -> None:
        """Nothing comes in any more that is older than `since_ms`, which is later than all that was heard."""
        self.book.prune(since_ms)
        self.base = encode_state(self.book.state)
        self.worked = -1
        self.changed = True
        self._settle({order.name for order in self.book.out.orders})
        for kept in self.kept.values():
            if kept.base is not None:
                kept.base = None
                kept.changed = True

    def _settle(self, names: set[str]) -> None:
        """Orders gave way to others of their id, and nothing that may come can undo it: nothing asks for them."""
        if names:
            self.book.out.orders = [order for order in self.book.out.orders if order.name not in names]
            self._end(names)

    def _end(self, names: Iterable[str]) -> None:
        for name in names:
            kept = self.kept.pop(name, None)
            if kept is not None:
                self.ended[name] = kept

    def forget(self, limit_ms: int) -> None:
        """Drop the orders that no rule can need any more, as of `limit_ms`."""
        since = limit_ms - self.book.terms.ttl
        self._end({order.name for order in self.book.forget(since)})
        self._end([name for name, kept in self.kept.items() if kept.order is None and kept.last() < since])

    # ---- what of it is seen -----------------------------------------------------------------------------

    def rows(self) -> Iterator[tuple[str, BookRow | OrderRow | None]]:
        """The rows that have changed since last asked, by the names of orders; the account's own has none. None ends one."""
        if self.changed:
            self.changed = False
            state = encode_state(self.book.state)
            if state == self.base == FRESH and self.worked < 0:
                if self.stored:
                    yield "", None
                self.stored = False
            else:
                yield "", BookRow(state, None if self.base == state else self.base, self.worked)
                self.stored = True
        for name in self.ended:
            yield name, None
        self.ended = {}
        for name, kept in self.kept.items():
            if kept.changed:
                yield name, kept.row(name, gave_way=self._gave_way(kept))

    def _gave_way(self, kept: Kept) -> bool:
        others = self.book.out.orders
        return bool(others) and any(kept.order is other for other in others)

    def closed(self) -> tuple[bytes, ...]:
        """All its rows, as `Desk` keeps it while nobody asks for it: the account's own, empty if none, and the orders'."""
        state = encode_state(self.book.state)
        own = BookRow(state, None if self.base == state else self.base, self.worked)
        return (
            encode_row(own) if self.stored else b"",
            *(encode_row(kept.row(name, gave_way=self._gave_way(kept))) for name, kept in self.kept.items()),
        )

    def heard(self) -> Iterator[int]:
        """When something was last heard of each order, or said of one that is not there any more."""
        return (kept.last() for kept in self.kept.values())

    def revised(self, name: str, revision: int, ts: int) -> bool:
        """A fact or an alert of an order was published more than once, before rows were lost; whether it is known."""
        book = self.book
        for order, kept in self.kept.items():
            own = f"{book.shop}|{book.customer}|{order}"
            alert = f"{book.shop}|{order}|"
            if name == f"order|{own}" or name.startswith(
                (f"reminder|{own}|", f"reminder_due|{alert}", f"reminder_missed|{alert}")
            ):
                kept.revised(name, revision, ts)
                return True
        return False

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
            for order in self.book.orders.values()
        )

    def _publish(self, changes: Sequence[Change], step: ShopStep, desk: "Counts", *, corrected: bool) -> None:
        book = self.book
        was: list[facts.Order] = []
        now: list[facts.Order] = []
        for kept, before, after in changes:
            old = None if before is None else book.order_fact(before)
            new = None if after is None else book.order_fact(after)
            if old is not None:
                was.append(old)
            if new is not None:
                now.append(new)
                if new != old:
                    step.fact(new, old, kept)
            elif old is not None:
                step.retract(old, kept)
            firing = _NO_ALERTS
            if (before is not None and before.reminders) or (after is not None and after.reminders):
                self._publish_reminders(kept, before, after, step)
                firing = self._publish_alerts(kept, before, after, step, corrected=corrected)
            stage = None if after is None or not book.watches(after) else after.stage_passed()
            if stage != kept.stage or firing != kept.firing:
                desk.stand(kept.stage, kept.firing, -1)
                kept.stage, kept.firing = stage, firing
                desk.stand(stage, firing, 1)
            if after is not None and new is not None:
                self._count(kept, after, new.owner or "", desk)
        if was != now:
            for fact in was:
                desk.learn_order(fact, -1)
            for fact in now:
                desk.learn_order(fact, 1)
            mine = {id(after) for _, _, after in changes}
            others = [order for order in book.since(desk.today.start_ms) if id(order) not in mine]
            self._exchange(others, [b for _, b, _ in changes if b], [a for _, _, a in changes if a], desk)

    def _exchange(
        self,
        others: Sequence[Purchase],
        before: Sequence[Purchase],
        after: Sequence[Purchase],
        desk: "Counts",
    ) -> None:
        was, now = (person_of(self.book.terms, (*others, *own), desk.today) for own in (before, after))
        if was != now:
            desk.learn_person(was, -1)
            desk.learn_person(now, 1)

    def _publish_reminders(
        self, kept: Kept, before: Purchase | None, after: Purchase | None, step: ShopStep
    ) -> None:
        tell = self.book.reminder_fact
        was = {} if before is None else {a.stage: tell(before, a) for a in before.reminders}
        for asking in () if after is None else after.reminders:
            assert after is not None
            new, old = tell(after, asking), was.pop(asking.stage, None)
            if new != old:
                step.fact(new, old, kept)
        for gone in was.values():
            step.retract(gone, kept)

    def _publish_alerts(
        self, kept: Kept, before: Purchase | None, after: Purchase | None, step: ShopStep, *, corrected: bool
    ) -> list[str]:
        """Gives the rules of the alerts that stand."""
        was = {} if before is None else {alert.alert: alert for alert in self.book.alerts(before)}
        firing = []
        for alert in [] if after is None else self.book.alerts(after):
            old = was.pop(alert.alert, None)
            if old is not None:
                alert.group = old.group  # as known when first published
            if alert != old:
                step.alert(alert, old if corrected else old is not None, kept)
            if alert.state == "firing":
                firing.append(alert.rule)
        for gone in was.values():
            step.retract_alert(gone, kept)
        return firing

    def _count(self, kept: Kept, order: Purchase, owner: str, desk: "Counts") -> None:
        """Count what is reached for the first time (SPEC 9, F)."""
        bits = kept.counted
        for place, status in enumerate(STATUSES):
            bit = 1 << place
            if not bits & bit and getattr(order, status) >= 0:
                bits |= bit
                desk.tally("orders_total", (status,), 1)
                if status == "paid" and order.paid_fen:
                    desk.tally("turnover_yuan_total", (owner,), order.paid_fen)
        if order.refunds:
            refunds = bits >> 8
            for _, amount in order.refunds_fen()[refunds:]:
                if amount:
                    desk.tally("refunds_yuan_total", (owner,), amount)
            bits = (bits & 0xFF) | max(refunds, len(order.refunds)) << 8
        kept.counted = bits
        for asking in order.reminders:
            done = kept.asked.get(asking.stage, 0)
            bit = 1 << STATES.index(asking.state) | (1 if asking.asked else 0)
            if bit & ~done:
                if kept.asked is _NO_COUNTS:
                    kept.asked = {}
                kept.asked[asking.stage] = done | bit
                for place, state in enumerate(STATES):
                    if bit & ~done & 1 << place:
                        desk.tally("reminders_total", (asking.stage, state), 1)


class Counts(Protocol):
    """Where accounts say what they change in the shop's figures."""

    @property
    def today(self) -> Day:
        """The shop's local day under way."""

    def learn_order(self, order: facts.Order, sign: int) -> None:
        """An order as it stands (1), or as it stood (-1)."""

    def learn_person(self, person: Person, sign: int) -> None:
        """Whom a customer's orders make him today (1), or made (-1)."""

    def tally(self, metric: str, labels: tuple[str, ...], amount: int) -> None:
        """Something was reached for the first time."""

    def stand(self, stage: str | None, firing: Sequence[str], sign: int) -> None:
        """An unpaid order of a stage, and the rules of its alerts, that stand (1), or no longer (-1)."""


def _by_name(book: Book) -> dict[str, Purchase]:
    return {order.name: order for order in book.purchases()}


def judge(book: Book | None, concluded: Concluded) -> None:
    """Say of consults what came of them; who has no book, or none of an order yet, has ordered nothing."""
    if book is not None and not book.empty:
        for consult in concluded.consults:
            book.judge(consult)


_NO_REVS: dict[str, tuple[int, int]] = {}
_NO_COUNTS: dict[str, int] = {}
_NO_ALERTS: list[str] = []
"""Shared by all the orders that have none."""
