"""Logs that others published, with figures that are known: the import loses no row of them."""

import io
import json
import os
import time
from collections import Counter
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from csstream.events import Reject, decode
from csstream.logs import Result, convert, shipped

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CSSTREAM_TEST_DATA", ROOT.parent / "shared" / "data"))
TMALL = "tmall_orders/tmall_order_report.csv"
TMALL_GBK = "tmall_orders/derived_gbk_tmall_order_report.csv"
TMALL_MINUTES = "tmall_orders/tmall_order_report_minute_resolution.csv"
PAIRS = "twcs_pairs/response_pairs_sample.csv"
ORDER_LOG = "order_log/OrderLog.csv"

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no published logs at {DATA}; set CSSTREAM_TEST_DATA"
)


def there(file: str) -> Path:
    if not (DATA / file).is_file():
        pytest.skip(f"{DATA / file} is absent")
    return DATA / file


@cache
def imported(file: str, name: str, *, spread: bool = False) -> tuple[Result, bytes]:
    out = io.BytesIO()
    result = convert([there(file)], shipped(name), out, spread=spread)
    assert result.rejected == 0, result.rejects
    assert not [line for line in out.getvalue().splitlines() if isinstance(decode(line), Reject)]
    return result, out.getvalue()


def events(log: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.splitlines()]


def test_no_order_no_payment_and_no_refund_of_the_tmall_report_is_lost() -> None:
    result, log = imported(TMALL, "tmall-orders")
    assert result.rows == 28_010
    found = events(log)
    assert Counter(event["status"] for event in found) == {
        "created": 28_010,
        "paid": 24_087,
        "refunded": 5_646,
    }
    sums: Counter[str] = Counter()
    for event in found:
        sums[event["status"]] += Decimal(event["amount"])  # type: ignore[assignment]
    assert sums["refunded"] == Decimal("572335.92")
    assert sums["paid"] - sums["refunded"] == Decimal("1902487.15")


def test_an_unpaid_timer_over_the_imported_orders_fires_as_often_as_published() -> None:
    _, log = imported(TMALL, "tmall-orders")
    created, paid = (
        {e["order"]: e["ts"] for e in events(log) if e["status"] == s} for s in ("created", "paid")
    )
    late = sum(ts - created[order] > 1_800_000 for order, ts in paid.items())
    assert (late, len(created) - len(paid)) == (453, 3_923)


def test_gbk_gives_the_same_events_as_utf_8() -> None:
    result, gbk = imported(TMALL_GBK, "tmall-orders")
    assert gbk == imported(TMALL, "tmall-orders")[1]
    assert "gb18030" in next(iter(result.encodings.values()))


def test_a_report_to_the_minute_loads_with_the_same_mapping() -> None:
    _, log = imported(TMALL_MINUTES, "tmall-orders")
    created, paid = (
        {e["order"]: e["ts"] for e in events(log) if e["status"] == s} for s in ("created", "paid")
    )
    assert (len(created), len(paid)) == (28_010, 24_087)
    assert sum(created[order] == ts for order, ts in paid.items()) == 18_045


def test_pairs_as_natural_turns_hold_each_tweet_once() -> None:
    result, log = imported(PAIRS, "twcs")
    assert Counter(event["sender"] for event in events(log)) == {"customer": 42_172, "human": 44_488}
    assert (result.events, result.duplicates, result.renamed) == (86_660, 2_316, 0)


def test_pairs_as_conversations_of_their_own_give_two_events_a_row() -> None:
    result, log = imported(PAIRS, "twcs-pairs")
    assert (result.rows, result.events) == (44_488, 88_976)
    customers = Counter(event["customer"] for event in events(log))
    assert set(customers.values()) == {2}
    assert len(customers) == 44_488


def test_the_order_log_keeps_the_payment_without_a_creation() -> None:
    result, log = imported(ORDER_LOG, "order-log")
    found = events(log)
    assert result.rows == 79
    assert Counter(event["status"] for event in found) == {"created": 39, "paid": 40}
    assert [event["status"] for event in found if event["order"] == "34768"] == ["paid"]


def test_spreading_a_log_loses_no_event_and_leaves_no_second() -> None:
    plain, spread = (events(imported(PAIRS, "twcs", spread=s)[1]) for s in (False, True))
    seconds = {event["id"]: event["ts"] for event in plain}
    assert {event["id"]: event["ts"] // 1000 * 1000 for event in spread} == seconds
    assert any(event["ts"] % 1000 for event in spread)


@pytest.mark.slow
@pytest.mark.parametrize(("file", "name", "seconds"), [(TMALL, "tmall-orders", 3), (PAIRS, "twcs", 5)])
def test_a_real_log_is_imported_while_one_waits(file: str, name: str, seconds: int) -> None:
    path = there(file)
    began = time.process_time()
    convert([path], shipped(name), io.BytesIO())
    assert time.process_time() - began < 2 * seconds, "twice the goal: other work shares the machine"
