"""The engine: the only door into the core for live drivers.

`apply` takes records, `advance` lets time pass, both into one step; `take_step` closes it: facts, alerts, dead
letters, changed rows. Whoever commits the step to a ledger may make a new engine from the rows at any time,
and it goes on as this one would have. An engine whose step could not be committed is thrown away.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from csstream.core.alert import Alert
from csstream.core.calendar import Calendar
from csstream.core.conversation import NEVER, Rules
from csstream.core.customer import DUPLICATE, LATE, TOO_LATE
from csstream.core.facts import AnyFact
from csstream.core.kinds import MESSAGE, READ
from csstream.core.metrics import LATE_S, Labels, observe
from csstream.core.rows import (
    decode_agent,
    decode_chapter,
    decode_customer,
    decode_day,
    decode_key,
    decode_samples,
    decode_shop,
    decode_tally,
    encode_key,
    encode_row,
    family_of,
)
from csstream.core.shop import Shop
from csstream.events import MAX_BYTES, UNREADABLE, Event, Reject, check, decode
from csstream.policy import Policy

FUTURE_MS: Final = 300_000
"""How far an event may be ahead of the wall clock (SPEC 1, `future`)."""

ALL = 1 << 62
"""A budget without an end."""


class Record(NamedTuple):
    """One record as read: where it stood, and its bytes."""

    topic: str
    partition: int
    offset: int
    value: bytes
    time_ms: int = 0
    """Time of the record in its topic, for the merge of topics; not the event's."""
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class DeadLetter(NamedTuple):
    """A record set aside, and why (SPEC 1)."""

    reason: str
    error: str
    record: Record


@dataclass
class Step:
    """What one step leaves; all of it is committed at once, or none."""

    facts: list[AnyFact] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    rows: dict[bytes, bytes | None] = field(default_factory=dict)
    clock_ms: int | None = None
    """What time the driver let it become; None where nothing but events moved the clocks."""
    board: dict[bytes, bytes | None] = field(default_factory=dict)
    """Documents of the board (`core/board.py`), where the driver shows one."""

    def __bool__(self) -> bool:
        return bool(self.facts or self.alerts or self.dead_letters or self.rows or self.board)


@dataclass
class Process:
    """What the engine counts of itself (metrics of scope P); begins at 0 with every process."""

    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    dead_letters: Counter[tuple[str, str]] = field(default_factory=Counter)
    corrections: Counter[str] = field(default_factory=Counter)
    late: dict[str, list[float]] = field(default_factory=dict)
    newest_ms: dict[str, int] = field(default_factory=dict)

    def was_late(self, topic: str, seconds: float) -> None:
        """One event came in so far behind the clock of its shop."""
        observe(self.late.setdefault(topic, [0.0] * (len(LATE_S) + 2)), LATE_S, seconds)


class Engine:
    """The shops of one partition under one policy."""

    def __init__(
        self,
        policy: Policy,
        rows: Mapping[bytes, bytes] | None = None,
        process: Process | None = None,
        misplaced: Callable[[str], str | None] | None = None,
    ) -> None:
        """`misplaced` says of a shop why its records do not belong here, None if they do (SPEC 1)."""
        self.policy = policy
        self.process = process or Process()
        self._misplaced = misplaced
        self._rules = Rules(policy, Calendar(policy.timezone))
        self.shops: dict[str, Shop] = {}
        self._dead: list[DeadLetter] = []
        self._touched: set[str] = set()
        if rows:
            self._load(rows)

    # ---- in ---------------------------------------------------------------------------------------------

    def apply(self, records: Iterable[Record], now: int | None = None) -> None:
        """Take records in, in the order given. `now` is the wall clock (ms) against which `future` is judged."""
        records = list(records)
        shops = self.shops
        process, touched = self.process, self._touched
        runs: list[tuple[str, str, int, int]] = []  # topic, result, newest event, how many records in a row
        topic = result = ""
        newest_ms, alike = -1, 0
        for record in records:
            event = self._decode(record)
            if event is None:
                continue
            ts: int = event.ts  # type: ignore[assignment]  # decoded
            if now is not None and ts > now + FUTURE_MS:
                self.set_aside(
                    "future",
                    f"{(ts - now) // 1000} s ahead of the clock here; check the clock of the sender",
                    record,
                )
                continue
            name = event.shop
            shop = shops.get(name)
            if shop is None:
                wrong = None if self._misplaced is None else self._misplaced(name)
                if wrong is not None:
                    self.set_aside("wrong_partition", wrong, record)
                    continue
                shop = shops[name] = Shop(self._rules, name)
            how, behind = shop.receive(event, ts)
            if how == TOO_LATE:
                self.set_aside(
                    TOO_LATE,
                    f"{behind // 1000} s behind the shop's clock, and more than lateness.horizon behind "
                    "the newest of this customer; replay the log to count it",
                    record,
                )
                continue
            touched.add(name)
            if how != result or record.topic != topic:
                runs.append((topic, result, newest_ms, alike))
                topic, result = record.topic, how
                newest_ms, alike = -1, 0
            alike += 1
            newest_ms = max(newest_ms, ts)
            if result == LATE:
                process.was_late(topic, max(behind, 0) / 1000)
        runs.append((topic, result, newest_ms, alike))
        for topic, result, newest_ms, alike in runs[1:]:
            process.events[topic, result] += alike
            if result != DUPLICATE:
                process.newest_ms[topic] = max(newest_ms, process.newest_ms.get(topic, -1))

    def _decode(self, record: Record) -> Event | None:
        """The event of a record; None where it does not fit, and is a dead letter of this step."""
        value = record.value
        try:
            if len(value) > MAX_BYTES:
                found: Event | Reject = decode(value)
            else:
                event = READ(value)
                if type(event) is MESSAGE and isinstance(event.ts, int) and isinstance(event.agent, str):
                    return event  # by far the most common record: nothing is left to check
                found = check(event) or event
        except UNREADABLE:
            found = decode(value)
        if isinstance(found, Reject):
            self.set_aside(found.reason, found.error, record)
            return None
        return found

    def set_aside(self, reason: str, error: str, record: Record) -> None:
        """Make a record a dead letter of this step."""
        self._dead.append(DeadLetter(reason, error, record))
        self.process.events[record.topic, "rejected"] += 1
        self.process.dead_letters[record.topic, reason] += 1

    def advance(self, now: int | None = None, budget: int = ALL) -> int:
        """Let time pass: settle every shop up to its clock, which `now` (ms) moves if the shop is live.

        Stops after `budget` dues; returns what is left of it (0: there may be more to do).
        """
        for name, shop in self.shops.items():
            if now is not None and now > shop.row.clock_ms >= now - self.policy.live_within_ms:
                if shop.next_due() < now:
                    self._touched.add(name)
                shop.move_clock(now)
            if name in self._touched or shop.next_due() < shop.row.clock_ms:
                self._touched.add(name)
                budget = shop.settle(budget)
        return budget

    def remember(self, shop: str, customer: str, name: str, mark: int, ts: int) -> None:
        """A fact (`mark`: its revision) or an alert (its states) was published more than once, before rows were lost."""
        known = self.shops.get(shop)
        if known is not None and known.remember(customer, name, mark, ts):
            self._touched.add(shop)

    def next_due(self) -> int:
        """The next instant at which time alone changes something (epoch ms)."""
        return min((shop.next_due() for shop in self.shops.values()), default=NEVER)

    # ---- out --------------------------------------------------------------------------------------------

    def take_step(self) -> Step:
        """Close the step and hand it out."""
        step = Step(dead_letters=self._dead)
        self._dead = []
        for name in sorted(self._touched):
            published, changes = self.shops[name].publish()
            step.facts += published.facts
            step.alerts += published.alerts
            self.process.corrections.update(published.corrected)
            for key, row in changes.items():
                step.rows[encode_key(key)] = None if row is None else encode_row(row)
        self._touched.clear()
        return step

    def readings(self) -> list[tuple[str, Labels, float | list[int]]]:
        """One immutable snapshot of every metric of the shops (scopes S and F)."""
        return [reading for shop in self.shops.values() for reading in shop.readings()]

    def standing(self) -> list[AnyFact]:
        """What is not concluded, as it stands at each shop's clock: with the published facts, a replay's facts."""
        return [
            fact
            for shop in self.shops.values()
            for customer in shop.customers.values()
            for fact in customer.standing(shop.row.settled_ms).all()
        ]

    # ---- after a restart --------------------------------------------------------------------------------

    def _load(self, rows: Mapping[bytes, bytes]) -> None:
        families: dict[str, list[bytes]] = {}
        for key in sorted(rows):  # chapters by their names
            families.setdefault(family_of(key), []).append(key)

        def each(family: str) -> Iterator[tuple[Shop, list[str], bytes]]:
            for key in families.pop(family, ()):
                _, shop, *rest = decode_key(key)
                yield self.shops[shop], rest, rows[key]

        for key in families.pop("shop", ()):
            _, name = decode_key(key)
            self.shops[name] = Shop(self._rules, name, decode_shop(rows[key]))
        for shop, (agent,), row in each("agent"):
            shop.restore_agent(agent, decode_agent(row))
        for shop, (agent,), row in each("tally"):
            shop.tallies[agent] = decode_tally(row)
        samples: dict[tuple[str, str, str], dict[str, list[tuple[int, list[int]]]]] = {}
        for shop, (day, agent, kind, chunk), row in each("samples"):
            own = samples.setdefault((shop.name, day, agent), {})
            own.setdefault(kind, []).append((int(chunk), decode_samples(row)))
        for shop, (day, agent), row in each("day"):
            chunks = samples.get((shop.name, day, agent), {})
            whole = {kind: [ms for _, part in sorted(parts) for ms in part] for kind, parts in chunks.items()}
            shop.restore_day(day, agent or None, decode_day(row), whole)
        for shop, (customer,), row in each("book"):
            shop.desk.restore(customer, row)
        for shop, (customer, order), row in each("order"):
            shop.desk.restore(customer, row, order)
        for shop, (customer,), row in each("customer"):
            shop.restore_customer(customer, decode_customer(row))
        for shop, (first,), row in each("chapter"):
            shop.restore_chapter(int(first), decode_chapter(row))
        for shop, (part, agent), row in each("floor"):
            shop.restore_floor(part, agent, row)
        if families:
            raise ValueError(f"rows of no family that is known here: {', '.join(families)}")
        for shop in self.shops.values():
            shop.resume()
