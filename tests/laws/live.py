"""A partition's life in miniature: records arrive in some order, steps are cut somewhere, owners die."""

import contextlib
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from csstream.core.alert import Alert
from csstream.core.audit import Auditor
from csstream.core.engine import Engine, Process, Record, Step
from csstream.core.facts import AnyFact, Order
from csstream.core.floor import rulebook
from csstream.core.scoreboard import Scoreboard
from csstream.events import TOPIC_OF, Event, Reject, decode
from csstream.ledgers import FencedError
from csstream.ledgers.memory import Fault, MemoryLedger, Store
from csstream.policy import Policy
from csstream.runner import Runner
from tests.laws.logs import bytes_of
from tests.laws.oracle import Audit
from tests.laws.views import shaped, told

TOPICS = ("cs.chat", "cs.orders", "cs.agents")
T = TypeVar("T")


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits: the memory ledger answers at once."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("the memory ledger waited")


def records_of(log: Iterable[Mapping[str, Any]]) -> list[Record]:
    """Wire events as records of their topics, in the order of arrival."""
    offsets = dict.fromkeys(TOPICS, 0)
    found = []
    for event in log:
        value = msgspec.json.encode(event)
        decoded = decode(value)
        topic = TOPICS[0] if isinstance(decoded, Reject) else TOPIC_OF[type(decoded)]
        found.append(Record(topic, 0, offsets[topic], value, offsets[topic]))
        offsets[topic] += 1
    return found


@dataclass(frozen=True)
class Cut:
    """One step: how many records arrive before it, and the wall clock beyond the newest event (None: no clock)."""

    records: int
    beyond_ms: int | None
    budget: int = 1 << 62
    taken_over: bool = False
    """A second owner opens the ledger before the step; the first does not know yet, and steps too."""


@dataclass
class Life:
    """What became of a partition."""

    store: Store
    engine: Engine
    accepted: list[Event]
    failed: dict[str, int] = field(default_factory=dict)
    heard: list[Process] = field(default_factory=list)
    """What each owner counted of the events it took."""

    @property
    def clocks(self) -> dict[str, int]:
        """What the clock of each shop shows."""
        return clocks_of(self.engine)

    def facts(self) -> dict[str, AnyFact]:
        """Last revisions, without what was retracted, and what is not concluded as it stands."""
        last = {fact.fact: fact for fact in self.store.facts}
        last |= {fact.fact: fact for fact in self.engine.standing()}
        return {name: fact for name, fact in last.items() if not fact.retracted}

    def alerts(self) -> list[Alert]:
        """Last records, without what was retracted."""
        last = {alert.alert: alert for alert in self.store.alerts}
        return [alert for alert in last.values() if alert.state != "retracted"]


def live(
    records: Sequence[Record],
    policy: Policy,
    cuts: Sequence[Cut] = (),
    faults: Iterable[Fault] = (),
    end_ms: int | None = None,
) -> Life:
    """Feed records in the order given, cut into steps; the last step settles all at `end_ms` or the newest event.

    After each fault the runner itself opens the ledger again, which makes a new engine from the rows.
    """
    store = Store()
    ledger_faults = iter([*faults])
    runner = Runner(policy, MemoryLedger(store, ledger_faults), TOPICS)
    drive(runner.open())
    heard = [runner.process]
    arrived: list[Record] = []
    newest = 0
    for cut in [*cuts, Cut(len(records), None), Cut(0, None)]:
        fed = records[len(arrived) : len(arrived) + cut.records]
        arrived += fed
        feed(runner, fed)
        newest = max([newest, *map(event_ms, fed)])
        now = None if cut.beyond_ms is None else newest + cut.beyond_ms
        if cut.taken_over:
            first, runner = runner, Runner(policy, MemoryLedger(store, ledger_faults), TOPICS)
            drive(runner.open())
            heard.append(runner.process)
            feed(runner, [record for record in arrived if record.offset >= runner.positions[record.topic]])
            kept = len(store.facts), len(store.alerts), len(store.dead_letters), dict(store.rows)
            with contextlib.suppress(FencedError):
                drive(first.step(now))
            assert kept == (len(store.facts), len(store.alerts), len(store.dead_letters), store.rows)
        if cut.budget < 1 << 62:
            drive(runner.step(now, budget=cut.budget))
        else:
            settle(runner, now)
    settle(runner, newest if end_ms is None else end_ms)
    dead = {(d.record.topic, d.record.offset) for d in store.dead_letters}
    accepted = []
    for record in records:
        event = decode(record.value)
        if not isinstance(event, Reject) and (record.topic, record.offset) not in dead:
            accepted.append(event)
    return Life(store, runner.engine, accepted, runner.failed, heard)


def steps(records: Sequence[Record], policy: Policy, cuts: Sequence[Cut], *, lost: bool) -> list[Step]:
    """What an engine says step by step; where engines get `lost`, each step has an engine of its own.

    An engine outlives its step only where it knows a clock that no row needed yet: the wall shows it again.
    """
    engine = Engine(policy)
    rows: dict[bytes, bytes] = {}
    found = []
    fed = 0
    newest = 0
    for cut in [*cuts, Cut(len(records), None), Cut(0, 90_000_000), Cut(0, 400_000_000)]:
        some = records[fed : fed + cut.records]
        fed += len(some)
        newest = max([newest, *map(event_ms, some)])
        now = None if cut.beyond_ms is None else newest + cut.beyond_ms
        engine.apply(some, now)
        engine.advance(now, cut.budget)
        step = engine.take_step()
        found.append(step)
        for key, row in step.rows.items():
            if row is None:
                rows.pop(key, None)
            else:
                rows[key] = row
        if lost:
            other = Engine(policy, dict(rows))
            if clocks_of(other) == clocks_of(engine):
                engine = other
    return found


def clocks_of(engine: Engine) -> dict[str, int]:
    """What the clock of each shop shows."""
    return {name: shop.row.clock_ms for name, shop in engine.shops.items()}


def feed(runner: Runner, records: Sequence[Record]) -> None:
    """Hand records to the lists of their topics."""
    for topic in TOPICS:
        runner.feed(topic, [record for record in records if record.topic == topic])


def settle(runner: Runner, now: int | None) -> None:
    """Step until nothing is left to do; failed steps are tried again."""
    for _ in range(200):
        if not drive(runner.step(now)):
            return
    raise AssertionError("the partition does not come to rest")


def event_ms(record: Record) -> int:
    """Event time of a record, 0 for a malformed one."""
    event = decode(record.value)
    return 0 if isinstance(event, Reject) else event.ts_ms


def seen(life: Life, policy: Policy) -> Audit:
    """What a life has told, in the oracle's shape."""
    found = shaped(life.facts().values(), life.alerts(), Auditor(policy), 0, 0)
    if not on_time(life):
        forget_states(found)
    return found


def on_time(life: Life) -> bool:
    """Whether every record came in before the clock had passed it: the rules of a state are never corrected."""
    return not any(result in ("late", "conflict") for heard in life.heard for _, result in heard.events)


def seen_both(one: Life, two: Life, policy: Policy) -> tuple[Audit, Audit]:
    """What two lives have told; of states only where neither heard anything late."""
    both = seen(one, policy), seen(two, policy)
    if not (on_time(one) and on_time(two)):
        for audit in both:
            forget_states(audit)
    return both


def forget_states(audit: Audit) -> None:
    """Leave out the alerts of a state."""
    audit.alerts = [alert for alert in audit.alerts if alert["rule"] not in rulebook.names()]


def replayed(life: Life, policy: Policy) -> Audit:
    """What a replay of the accepted records tells, with the clocks as they are."""
    found = told(life.accepted, policy, life.clocks)
    found.duplicates = found.conflicts = 0
    found.scripts = {}  # a figure of the whole log, as are the orders unpaid at each midnight
    found.shops = without_unpaid(found.shops)
    found.agents = without_unpaid(found.agents)
    if not on_time(life):
        forget_states(found)
    return found


def without_unpaid(rows: dict[T, dict[str, Any]]) -> dict[T, dict[str, Any]]:
    """Rows without `unpaid_open`, and none that held nothing else."""
    found = {key: row | {"unpaid_open": 0} for key, row in rows.items()}
    return {key: row for key, row in found.items() if any(row.values())}


def assert_live_equals_replay(life: Life, policy: Policy) -> None:
    """Field by field, and today's figures too."""
    ours, theirs = seen(life, policy), replayed(life, policy)
    assert ours.waits == theirs.waits
    assert ours.receptions == theirs.receptions
    assert ours.consults == theirs.consults
    assert ours.alerts == theirs.alerts
    assert ours == theirs
    assert_today(life, policy)


def assert_today(life: Life, policy: Policy) -> None:
    """The gauges of the day are the figures of the facts of the day."""
    auditor = Auditor(policy)
    for name, shop in life.engine.shops.items():
        board = Scoreboard(policy, auditor.calendar)
        orders: dict[str, list[Order]] = defaultdict(list)
        for fact in life.facts().values():
            if fact.shop == name:
                board.learn(fact)
                if isinstance(fact, Order):
                    orders[fact.customer].append(fact)
        for own in orders.values():
            board.learn_orders(own)
        expected = {k: r for k, r in board.rows.items() if k[0] == shop.row.day and not r.empty()}
        for row in expected.values():
            row.responses.sort()
        found = {k: r for k, r in shop.today.rows.items() if not r.empty()}
        for key, row in found.items():
            row.responses.sort()
            # Receptions under way are no gauge of the day: they count when they are concluded.
            for each in (row, expected.get(key, row)):
                each.receptions = each.receptions_unanswered = each.first_excluded_long = 0
                each.first_responses = []
        assert {k: r for k, r in found.items() if not r.empty()} == {
            k: r for k, r in expected.items() if not r.empty()
        }


BEYOND_MS = (None, None, 0, 1, 15_001, 45_000, 61_000, 290_000, 700_000, 90_000_000, 200_000_000)

cut_lists = bytes_of(2, 0, 8).map(
    lambda data: [
        Cut(
            a % 7,
            BEYOND_MS[b % len(BEYOND_MS)],
            budget=a % 3 if a > 210 else 1 << 62,
            taken_over=190 < a <= 210,
        )
        for a, b in zip(*[iter(data)] * 2, strict=False)
    ]
)
"""Where steps are cut and the wall clock stands then, where a budget ends a step, and where owners change."""

fault_lists = bytes_of(1, 0, 12).map(
    lambda data: [
        Fault.NONE if at % 4 == 3 else (Fault.NONE, Fault.BEFORE, Fault.AFTER)[n % 3]
        for at, n in enumerate(data)
    ]
)
"""What happens to the commits; a partition is given up after five failures in a row."""

places = bytes_of(24, 0, 1).map(lambda data: [n % 7 for n in data])
"""By how many places each event of a log is moved."""


def shuffles(log: Sequence[T], places: Iterator[int]) -> list[T]:
    """The log with each event moved by some places."""
    keyed = sorted(enumerate(log), key=lambda item: item[0] + next(places, 0))
    return [event for _, event in keyed]
