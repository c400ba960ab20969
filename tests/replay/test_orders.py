"""Orders through a whole replay: the contract's golden figures, a published log, and what the report says of them."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from csstream.policy import load, with_settings
from tests.canary import TEXT
from tests.laws.notation import at, chat
from tests.replay.files import HANDBOOK, lines, replayed, table, written
from tests.tmall import HOURLY, published

DAILY = {
    **dict(enumerate((176, 222, 267, 469, 369, 144, 177), 1)),
    **dict(enumerate((404, 27, 15, 1, 5, 7, 5), 9)),
    **dict(enumerate((390, 1015, 1025, 1345, 2068, 2027, 2200, 1998, 3416, 2849, 2586, 2691, 2112), 17)),
}
"""Orders by day of February 2020."""

Wire = dict[str, Any]


def shown(out: Path) -> str:
    """The section on orders of a report, as a reader sees it."""
    page = (out / "report.html").read_text("utf-8")
    [section] = re.findall('<section id="orders">.*?</section>', page, re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", section))


def event(kind: str, number: int, ts: int, **more: Any) -> Wire:
    """One event of customer `number`."""
    return {
        "id": f"{kind}{number}-{ts}",
        "type": kind,
        "ts": ts,
        "shop": "s",
        "customer": f"c{number}",
        **more,
    }


def inquirers(number: int, same_day: int, later: int) -> Iterator[Wire]:
    """Customers who ask on one day; some order on it, some two days after."""
    for n in range(number):
        yield event("message", n, at("10:00:00") + n, sender="customer", text=f"{TEXT}?", agent="A")
        yield event("message", n, at("10:00:10") + n, sender="human", text=TEXT, agent="A")
        if n < same_day:
            yield event("order", n, at("12:00:00") + n, order=f"o{n}", status="created")
        elif n < same_day + later:
            yield event("order", n, at("12:00:00", 2) + n, order=f"o{n}", status="created")
    yield event("message", number, at("00:00:01", 4), sender="system", text="-")


def orderers(number: int, payers: int) -> Iterator[Wire]:
    """Customers who order on one day; some pay."""
    for n in range(number):
        yield event("order", n, at("12:00:00") + n, order=f"o{n}", status="created", amount="10")
        if n < payers:
            yield event("order", n, at("12:01:00") + n, order=f"o{n}", status="paid")
    yield event("message", number, at("00:00:01", 4), sender="system", text="-")


def test_the_golden_inquiry_conversion_is_what_the_report_prints(tmp_path: Path) -> None:
    replayed(tmp_path / "out", written(inquirers(3873, 1808, 37), tmp_path / "log"))
    day = next(row for row in table(tmp_path / "out" / "shops.csv") if row["day"] == "2026-11-21")
    columns = ("inquirers", "ordered_same_day", "ordered_final", "provisional")
    assert [day[name] for name in columns] == ["3873", "1808", "1845", "0"]
    text = shown(tmp_path / "out")
    for part in ("46.68 %", "47.64 %", "52.36 %", "2,028 / 3,873"):
        assert part in text, part


def test_the_golden_payment_conversion_is_what_the_report_prints(tmp_path: Path) -> None:
    replayed(tmp_path / "out", written(orderers(1855, 1697), tmp_path / "log"))
    assert "91.48 %" in shown(tmp_path / "out")
    day = table(tmp_path / "out" / "shops.csv")[0]
    assert (day["orderers"], day["payers"], day["turnover_fen"]) == ("1855", "1697", "1697000")


def test_a_day_whose_window_is_still_open_is_marked_and_restated_by_what_comes(tmp_path: Path) -> None:
    early = chat("10:00:00 c", ":10 A human", "+3 23:59:59.999 - system @clock")
    late = [*early, *chat("+3 23:59:59.999 order o created #o1"), *chat("+4 00:00:00.001 - system @clock #x")]
    for name, log in (("early", early), ("late", late)):
        replayed(tmp_path / name, written(log, tmp_path / f"{name}.log"))
    days = [table(tmp_path / name / "shops.csv")[0] for name in ("early", "late")]
    assert [day["provisional"] for day in days] == ["1", "0"]
    assert [day["ordered_final"] for day in days] == ["0", "1"]
    assert "provisional" in shown(tmp_path / "late") or "未定" not in shown(tmp_path / "late")


def test_the_report_names_who_asked_and_bought_nothing_with_the_evidence(tmp_path: Path) -> None:
    log = chat(
        "10:00:00 c>A #m1", "10:02:00 A human", "10:03:00 c>A | 谢谢", "11:00:00 c>A @d #d1", "11:00:05 A human @d",
        "11:00:10 c>A @d | 那便宜点? #d2", "12:00:00 order o created @e amount=20", "12:00:05 order o paid @e",
    )  # fmt: skip
    replayed(tmp_path / "out", written(log, tmp_path / "log"))
    text = shown(tmp_path / "out")
    lost = text[text.index("Lost inquiries") :]
    assert lost.index(" d ") < lost.index(" c "), "who is still waiting comes first"
    assert "d1" in lost
    assert "m1" in lost
    assert "20.00" in text


def test_the_report_compares_the_scripts(tmp_path: Path) -> None:
    log = chat(
        "10:00:00 order o created", "11:00:00 dun o sms script=p", "12:00:00 dun o sms script=q",
        "12:30:00 order o paid", "13:00:00 order n created @d", "13:30:00 dun n chat script=p @d",
        "14:00:00 order n cancelled @d",
    )  # fmt: skip
    replayed(tmp_path / "out", written(log, tmp_path / "log"))
    text = shown(tmp_path / "out")
    scripts = text[text.index("Reminder scripts") :].split("Lost inquiries")[0]
    assert re.search(r"p 2 0\.00 % 0 / 2 50\.00 % 1 / 2 50\.00 % 1 / 2", scripts)
    assert re.search(r"q 1 100\.00 % 1 / 1 100\.00 % 1 / 1 0\.00 % 0 / 1", scripts)


def test_a_log_without_orders_has_no_section_of_them(tmp_path: Path) -> None:
    replayed(tmp_path / "out", written(chat("10:00:00 c>A", ":10 A human"), tmp_path / "log"))
    assert 'id="orders"' not in (tmp_path / "out" / "report.html").read_text("utf-8")


# ---- a published log ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tmall(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The events of a Tmall shop's month."""
    return published(tmp_path_factory.mktemp("tmall") / "log.jsonl")


@pytest.mark.parametrize(
    ("seconds", "fired", "paid_later"), [(1_800, 4_376, 453), (60, 6_117, 2_194), (7_200, 4_180, 257)]
)
def test_the_unpaid_timer_fires_as_often_as_the_published_log_says(
    tmall: Path, tmp_path: Path, seconds: int, fired: int, paid_later: int
) -> None:
    policy = with_settings(HANDBOOK, [f"unpaid.stages={seconds}s chat,72h lost", "unpaid.quiet=none"])
    replayed(tmp_path / "out", tmall, policy=policy)
    paid: dict[str, int | None] = {}
    reminded: list[str] = []
    for fact in lines(tmp_path / "out" / "facts.jsonl"):
        if fact["kind"] == "order":
            paid[fact["order"]] = fact["paid"]
        elif fact["kind"] == "reminder":
            assert fact["asked"]
            reminded.append(fact["order"])
    assert len(reminded) == fired
    assert sum(paid[order] is not None for order in reminded) == paid_later


def test_orders_payments_and_their_hours_are_those_that_were_published(tmall: Path, tmp_path: Path) -> None:
    replayed(tmp_path / "out", tmall, policy=load("tmall"))
    rows = table(tmp_path / "out" / "shops.csv")
    totals = {name: sum(int(row[name]) for row in rows) for name in ("orderers", "payers", "silent_orders")}
    assert totals == {"orderers": 28_010, "payers": 24_087, "silent_orders": 28_010}
    assert {row["day"]: row["orderers"] for row in rows if row["orderers"] != "0"} == {
        f"2020-02-{day:02d}": str(number) for day, number in DAILY.items()
    }
    zone = ZoneInfo("Asia/Shanghai")
    hours = Counter(
        datetime.fromtimestamp(fact["created"] // 1000, zone).hour
        for fact in lines(tmp_path / "out" / "facts.jsonl")
        if fact["kind"] == "order"
    )
    assert tuple(hours[hour] for hour in range(24)) == HOURLY
    assert "85.99 %" in shown(tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["counts"]["facts"]["order"] == 28_010
