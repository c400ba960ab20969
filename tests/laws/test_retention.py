"""What is kept stays level: thirty simulated days, and no row that grows with the number of events."""

import gc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from csstream.core.engine import Record
from csstream.core.rows import FAMILIES, decode_key
from csstream.events import TOPIC_OF, TYPES
from csstream.ledgers.memory import Fault, MemoryLedger, Store
from csstream.policy import load, with_settings
from csstream.runner import Runner
from csstream.simulate import DAY_MS, Plan, events
from tests.laws.live import TOPICS, Cut, assert_live_equals_replay, drive, live, records_of

START_MS = 1_795_190_400_000  # 2026-11-21 00:00 +08:00
DAYS = 30
STEP_MS = DAY_MS // 4


class Kept:
    """What a partition kept at the end of each day."""

    def __init__(self) -> None:
        # Short limits, so that thirty days are many times every limit.
        policy = with_settings(
            load("handbook"), ["wait_ttl=6h", "attribution.order_ttl=2d", "attribution.final_window=1d"]
        )
        self.store = Store(keep_published=False)
        self.runner = Runner(policy, MemoryLedger(self.store), TOPICS)
        drive(self.runner.open())
        self.offsets = Counter[str]()
        self.batch: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
        self.families: set[str] = set()
        self.rows: list[int] = []
        self.biggest: list[int] = []
        self.objects: list[int] = []

    def hear(self, event: dict[str, Any]) -> None:
        topic = TOPIC_OF[TYPES[event["type"]]]
        value = msgspec.json.encode(event)
        self.batch[topic].append(Record(topic, 0, self.offsets[topic], value, event["ts"]))
        self.offsets[topic] += 1

    def step(self, now: int) -> None:
        for topic, records in self.batch.items():
            self.runner.feed(topic, records)
            records.clear()
        while drive(self.runner.step(now)):
            pass
        self.families |= {decode_key(key)[0] for key in self.store.rows}

    def end_day(self) -> None:
        self.rows.append(len(self.store.rows))
        self.biggest.append(max(map(len, self.store.rows.values())))
        gc.collect()
        self.objects.append(len(gc.get_objects()))  # without those of other tests, which are frozen


@pytest.fixture
def frozen() -> Iterator[None]:
    """What is there already is looked at by no collection, nor counted."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("frozen")
def test_thirty_days_hold_rows_and_memory_level() -> None:
    kept = Kept()
    due = START_MS + STEP_MS
    for event in events(Plan(seed=3, start_ms=START_MS, agents=4, hours=24 * DAYS, customers_per_hour=12)):
        while event["ts"] >= due:
            kept.step(due)
            if (due - START_MS) % DAY_MS == 0:
                kept.end_day()
            due += STEP_MS
        # One customer comes back many times a day, for ever.
        if event.get("customer", "").endswith("7") and event["type"] != "spam":
            event["customer"] = "regular"
        kept.hear(event)
    assert len(kept.rows) == DAYS - 1, "every day was seen"
    assert sum(kept.offsets.values()) > 20_000, "the shop was busy"
    early, late = slice(6, 12), slice(DAYS - 7, None)
    for level in (kept.rows, kept.biggest, kept.objects):
        assert max(level[late]) < 1.25 * max(level[early]), level
    assert kept.families == {family.name for family in FAMILIES}, "a kind of row that nobody described"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("faults", [(), (Fault.NONE, Fault.AFTER, Fault.NONE, Fault.BEFORE) * 10])
def test_what_is_kept_is_enough_to_say_what_a_replay_says(faults: tuple[Fault, ...]) -> None:
    # Customers and their chat are folded away and forgotten again and again, while their orders go on.
    settings = [
        "wait_ttl=6h",
        "attribution.final_window=1d",
        "attribution.reversal=1d",
        "attribution.aftersale=1d",
    ]
    policy = with_settings(load("handbook"), [*settings, "attribution.order_ttl=10d"])
    plan = Plan(seed=4, start_ms=START_MS, agents=4, hours=24 * 7, customers_per_hour=6)
    log = [
        event | {"customer": "regular"} if event.get("customer", "").endswith("7") else event
        for event in events(plan)
        if event["type"] != "spam"
    ]
    life = live(records_of(log), policy, [Cut(len(log) // 50, None)] * 50, faults)
    assert not life.store.dead_letters
    assert max(map(len, (shop.customers for shop in life.engine.shops.values()))) < len(customers_of(log)) / 2
    assert_live_equals_replay(life, policy)


def customers_of(log: list[dict[str, Any]]) -> set[str]:
    """The customers of a log."""
    return {event["customer"] for event in log if "customer" in event}
