"""What orders cost: `python -m tests.bench.bench_orders` (about ten minutes; `--orders 100000` for a quick look).

The live engine of one shop, in one process and without a broker: CPU an event while a quarter's orders go by, memory and
rows with all of them in the lookback windows, the load of an engine from these rows; then one event of a customer who
has a thousand orders. Each part runs in a process of its own, so that what it holds is its own.
"""

import argparse
import gc
import heapq
import json
import multiprocessing
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from csstream.core.engine import Engine, Record, Step
from csstream.core.rows import decode_key
from csstream.kafka.worker import COLLECT
from csstream.policy import load
from csstream.simulate.orders import PAID, PAY_MS, REFUNDED
from tests.tmall import DAY_MS, HOURLY, START_MS

T = TypeVar("T")
DAYS = 90
"""`attribution.order_ttl`: what is older is forgotten."""

STEP = 2_000


def month(orders: int, days: int) -> Iterator[bytes]:
    """Orders of as many customers in order of time: silent, as most are; paid and refunded as a Tmall shop's are."""
    chance = Random(1)
    later: list[tuple[int, int, str]] = []
    for day in range(days):
        start = START_MS + day * DAY_MS
        hours = chance.choices(range(24), HOURLY, k=orders // days)
        for created in sorted(start + hour * 3_600_000 + chance.randrange(3_600_000) for hour in hours):
            number = created * 100 + chance.randrange(100)
            while later and later[0][0] <= created:
                yield said(*heapq.heappop(later))
            yield said(created, number, "created")
            if chance.random() < PAID:
                paid = created + PAY_MS[chance.randrange(1000)]
                heapq.heappush(later, (paid, number, "paid"))
                if chance.random() < REFUNDED:
                    heapq.heappush(later, (paid + chance.randrange(10 * DAY_MS), number, "refunded"))
    while later:
        yield said(*heapq.heappop(later))


def said(ts: int, number: int, status: str, customer: str | None = None) -> bytes:
    """One event of an order; ids as long as a platform's."""
    return json.dumps(
        {
            "id": f"{number}{status[:2]}", "type": "order", "ts": ts, "shop": "flagship",
            "customer": customer or f"b{number * 7 % 10**12}", "order": f"{number}", "status": status, "amount": "38.00",
        }
    ).encode()  # fmt: skip


def resident_mb() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def step_of(engine: Engine, lines: list[bytes], offset: int) -> Step:
    """One step of a partition."""
    engine.apply([Record("cs.orders", 0, offset + n, line) for n, line in enumerate(lines)])
    engine.advance()
    return engine.take_step()


def keep(file: sqlite3.Connection, step: Step) -> int:
    """Write the rows of a step to a file, so that they take no memory here; gives their bytes."""
    file.executemany(
        "DELETE FROM rows WHERE key = ?", [(key,) for key, row in step.rows.items() if row is None]
    )
    kept = [(key, row) for key, row in step.rows.items() if row is not None]
    file.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?)", kept)
    return sum(len(row) for _, row in kept)


def live(path: str, orders: int) -> dict[str, float]:
    """A quarter goes by."""
    gc.set_threshold(*COLLECT)
    file = sqlite3.connect(path)
    file.execute("PRAGMA journal_mode = OFF")
    file.execute("CREATE TABLE rows (key BLOB PRIMARY KEY, row BLOB) WITHOUT ROWID")
    before = resident_mb()
    engine = Engine(load("handbook"))
    events = written = 0
    spent_s = 0.0
    waiting: list[bytes] = []
    for line in chain(month(orders, DAYS), [None]):
        if line is not None:
            waiting.append(line)
        if len(waiting) == STEP or line is None:
            began_s = time.process_time()
            step = step_of(engine, waiting, events)
            spent_s += time.process_time() - began_s
            events += len(waiting)
            waiting = []
            written += keep(file, step)
    file.commit()
    file.close()
    return {"events": events, "us": spent_s / events * 1e6, "written": written, "mb": resident_mb() - before}


def loaded(path: str, _orders: int) -> dict[str, Any]:
    """An engine is made from the rows."""
    file = sqlite3.connect(path)
    rows = dict(file.execute("SELECT key, row FROM rows"))
    file.close()
    sizes: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for key, row in rows.items():
        family = decode_key(key)[0]
        numbers[family] += 1
        sizes[family] += len(key) + len(row)
    gc.disable()
    before = resident_mb()
    began_s = time.process_time()
    engine = Engine(load("handbook"), rows)
    spent_s = time.process_time() - began_s
    held = resident_mb()
    rows.clear()
    gc.collect()
    [shop] = engine.shops.values()
    return {
        "s": spent_s, "before": before, "held": held, "mb": resident_mb(), "rows": dict(numbers), "sizes": dict(sizes),
        "open": len(shop.customers),
    }  # fmt: skip


def regular(_path: str, orders: int) -> dict[str, float]:
    """One event of a customer who has many orders already, as against one who has none."""
    engine = Engine(load("handbook"))
    at = START_MS
    for number in range(orders):
        at += 80 * DAY_MS // orders
        step_of(engine, [said(at, number, "created", "c"), said(at + 8_000, number, "paid", "c")], 0)
    found: dict[str, float] = {}
    for name, customer in (("first", None), ("many", "c")):
        spent_s, written = 0.0, 0
        for number in range(orders, orders + 200):
            at += 60_000
            began_s = time.process_time()
            step = step_of(engine, [said(at, number, "created", customer)], 0)
            spent_s += time.process_time() - began_s
            written += sum(
                len(row or b"") for key, row in step.rows.items() if decode_key(key)[0] in ("order", "book")
            )
        found |= {f"{name} us": spent_s / 200 * 1e6, f"{name} bytes": written / 200}
    return found


def alone(part: Callable[[str, int], T], path: str, orders: int) -> T:
    """Run a part in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(part, path, orders).result()


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=1_000_000)
    orders = parser.parse_args().orders
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rows"
        seen = alone(live, path, orders)
        print(
            f"{orders:,} orders of {DAYS} days, {seen['events']:,} events: {seen['us']:.0f} us of CPU and "
            f"{seen['written'] / seen['events']:.0f} bytes of rows an event; {seen['mb']:,.0f} MB in memory at the end"
        )
        kept = alone(loaded, path, orders)
    for family, number in kept["rows"].items():
        print(f"  {number:,} rows {family}: {kept['sizes'][family] / number:.0f} bytes, keys and all")
    print(
        f"loaded in {kept['s']:.1f} s of CPU; at most {kept['held']:,.0f} MB ({kept['before']:,.0f} of it the rows as read), "
        f"{kept['mb']:,.0f} MB after; {kept['open']:,} customers whose chapters are kept"
    )
    many = alone(regular, "", 1_000)
    print(
        f"one event, a step of its own: {many['first us']:.0f} us and {many['first bytes']:.0f} bytes of rows for a new "
        f"customer, {many['many us']:.0f} us and {many['many bytes']:.0f} bytes for one with 1,000 orders"
    )


if __name__ == "__main__":
    main()
