"""A Tmall shop's month of orders as events: the published one, and one of the same shape that is made here.

The published log is nobody's to copy, so a clean clone has none and tests skip it by one line; what must hold
everywhere is held on the invented one, whose figures are counted as it is made, without the program.
"""

import json
import os
from bisect import bisect_left
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from csstream.logs import convert, shipped
from csstream.simulate.orders import PAID, PAY_MS

DATA = Path(os.environ.get("CSSTREAM_TEST_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
TMALL = DATA / "tmall_orders" / "tmall_order_report.csv"

HOURLY = (
    1043, 530, 341, 189, 135, 113, 250, 556, 880, 1283, 1672, 1640, 1367, 1339, 1500, 1720, 1481, 1205, 1270, 1532,
    1990, 2204, 2126, 1644,
)  # fmt: skip
"""Orders by local hour, as published with the log."""

STAGE_MS = 1_800_000
SETTINGS = ("unpaid.stages=1800s chat,72h lost", "unpaid.quiet=none")
"""One stage at half an hour, whatever the hour."""

START_MS = 1_580_486_400_000  # 2020-02-01 00:00 at +08:00
DAY_MS = 86_400_000


class Figures(NamedTuple):
    """What came of the orders of a log, under `SETTINGS`."""

    orders: int
    paid: int
    fired: int
    """Reminders: unpaid half an hour after they were created."""
    paid_later: int
    """Of these, paid in the end."""


PUBLISHED = Figures(28_010, 24_087, 4_376, 453)


def published(path: Path) -> Path:
    """The published month as events; skips the test where it is not there."""
    if not TMALL.is_file():
        pytest.skip(f"{TMALL} is absent; set CSSTREAM_TEST_DATA")
    with path.open("wb") as out:
        convert([TMALL], shipped("tmall-orders"), out)
    return path


def invented(number: int, days: int, seed: int = 1) -> tuple[list[bytes], Figures]:
    """A log of `number` orders over some days, in order of time, and its figures."""
    chance = Random(seed)
    hours = [*accumulate(HOURLY)]
    log: list[tuple[int, int, dict[str, Any]]] = []
    paid = fired = later = 0
    for order in range(number):
        hour = bisect_left(hours, chance.uniform(0, hours[-1]))
        created = (
            START_MS + chance.randrange(days) * DAY_MS + hour * 3_600_000 + chance.randrange(3600) * 1000
        )
        pays = chance.random() < PAID
        # as in the published log: in whole seconds, and now and then at exactly the stage
        delay = STAGE_MS if order % 97 == 0 else PAY_MS[chance.randrange(1000)] // 1000 * 1000
        paid += pays
        fired += not pays or delay > STAGE_MS
        later += pays and delay > STAGE_MS
        log.append((created, order, said(order, created, "created")))
        if pays:
            log.append((created + delay, order, said(order, created + delay, "paid")))
    end = START_MS + (days + 1) * DAY_MS  # all half hours are over
    log.append((end, number, said(number, end, "created")))
    log.append((end, number, said(number, end, "paid")))
    lines = [json.dumps(event).encode() for _, _, event in sorted(log, key=lambda item: item[:2])]
    return lines, Figures(number + 1, paid + 1, fired, later)


def said(order: int, ts: int, status: str) -> dict[str, Any]:
    """One event of an order; each has a customer of its own, for the published log names none."""
    return {
        "id": f"{order}-{status}", "type": "order", "ts": ts, "shop": "tmall", "customer": f"b{order}",
        "order": f"{order}", "status": status, "amount": "38.0",
    }  # fmt: skip
