"""What is kept stays level: thirty simulated days, and no row that grows with the number of events."""

import gc
import tracemalloc
from collections import Counter

import msgspec
import pytest

from csstream.core.engine import Record
from csstream.core.rows import FAMILIES, decode_key
from csstream.events import TOPIC_OF, TYPES
from csstream.ledgers.memory import MemoryLedger, Store
from csstream.policy import load, with_settings
from csstream.runner import Runner
from csstream.simulate import DAY_MS, Plan, events
from tests.laws.live import TOPICS, drive

START_MS = 1_795_190_400_000  # 2026-11-21 00:00 +08:00
DAYS = 30


@pytest.mark.timeout(240)
def test_thirty_days_hold_rows_and_memory_level() -> None:
    # Short limits, so that thirty days are many times every limit; one customer comes back every day for ever.
    policy = with_settings(load("handbook"), ["wait_ttl=6h"])
    store = Store(keep_published=False)
    runner = Runner(policy, MemoryLedger(store), TOPICS)
    drive(runner.open())
    offsets = Counter[str]()
    batch: dict[str, list[Record]] = {topic: [] for topic in TOPICS}
    rows: list[int] = []
    biggest: list[int] = []
    memory: list[int] = []
    day = 0
    tracemalloc.start()
    for event in events(Plan(seed=3, start_ms=START_MS, agents=4, hours=24 * DAYS, customers_per_hour=12)):
        if event["ts"] >= START_MS + (day + 1) * DAY_MS:
            for topic, records in batch.items():
                runner.feed(topic, records)
                records.clear()
            while drive(runner.step(event["ts"])):
                pass
            rows.append(len(store.rows))
            biggest.append(max(map(len, store.rows.values())))
            gc.collect()
            memory.append(tracemalloc.get_traced_memory()[0])
            day += 1
        if event.get("customer", "").endswith("7") and event["type"] != "spam":
            event["customer"] = "regular"
        topic = TOPIC_OF[TYPES[event["type"]]]
        batch[topic].append(Record(topic, 0, offsets[topic], msgspec.json.encode(event), event["ts"]))
        offsets[topic] += 1
    tracemalloc.stop()
    assert day == DAYS - 1, "every day was seen"
    assert sum(offsets.values()) > 20_000, "the shop was busy"
    early, late = slice(6, 12), slice(DAYS - 7, None)
    assert max(rows[late]) < 1.25 * max(rows[early]), rows
    assert max(biggest[late]) < 1.5 * max(biggest[early]), biggest
    assert max(memory[late]) < 1.25 * max(memory[early]), memory
    families = {decode_key(key)[0] for key in store.rows}
    assert families <= {family.name for family in FAMILIES}, "a kind of row that nobody described"
    assert {"customer", "shop", "tally", "day", "samples", "agent"} == families
