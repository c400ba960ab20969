"""Orders in a live shop: what the gauges and counters of SPEC 9 show of them, what is kept, and for how long."""

from collections import Counter
from typing import Any

import pytest

from csstream.core.engine import Engine
from csstream.core.facts import Order
from csstream.core.rows import decode_key
from tests.core.look import chosen
from tests.core.test_live import Live
from tests.laws.live import records_of
from tests.laws.notation import at, chat, day
from tests.laws.oracle import audit
from tests.laws.views import program

BUSY = (
    "08:00:00 profile A number=1", "08:00:00 profile B number=2", "08:00:00 shift D w 08:00:00-18:00:00 duty=true",
    "09:00:00 c>A sku=x", "09:01:00 A human", "09:10:00 order o created amount=100", "09:11:00 order o paid",
    "09:12:00 order o refunded amount=30", "09:12:01 order o refunded amount=5.005", "09:20:00 order n created amount=7",
    "09:30:00 c>B @d", "09:30:30 B human @d", "09:40:00 order p created amount=20.5 @d",
    "10:00:00 order q created amount=11 @e", "10:00:01 order q paid @e", "10:00:02 order r paid amount=3 @e",
    "10:00:03 order q paid @e", "10:05:00 order t created cod=true amount=9 @f", "11:00:00 order u created amount=1 @g",
    "11:30:00 order v created amount=2 @h", "12:00:00 c @i", "22:00:00 dun n chat",
    "22:40:00 order v paid @h", "23:05:00 order u cancelled @g", "23:30:00 order p closed @d",
)  # fmt: skip


def readings(shop: Live) -> dict[tuple[str, ...], Any]:
    """What METRICS shows of the shop: by name and labels, without the shop's."""
    return {(name, *labels[1:]): value for name, labels, value in shop.runner.engine.readings()}


def unpaid(shop: Live) -> dict[str, int]:
    """The gauge `unpaid_orders`, by stage."""
    return {key[1]: value for key, value in readings(shop).items() if key[0] == "unpaid_orders"}


def test_unpaid_orders_stand_under_the_last_stage_that_they_passed() -> None:
    shop = Live().hears(
        "10:00:00 order o created", "10:00:00 order p created @d", "10:00:00 order q created @e cod=true",
        "10:00:00 order r created @f", wall="10:00:01",
    )  # fmt: skip
    assert unpaid(shop) == {"new": 3, "12h": 0, "24h": 0}, "cash on delivery is not unpaid"
    assert unpaid(shop.hears("22:00:00 order r closed @f", wall="22:00:01")) == {"new": 0, "12h": 2, "24h": 0}
    assert unpaid(shop.hears("+1 10:00:00 order p paid @d", wall="10:00:01", days=1)) == {
        "new": 0,
        "12h": 0,
        "24h": 1,
    }
    assert unpaid(shop.hears(wall="10:00:00", days=3)) == {"new": 0, "12h": 0, "24h": 1}
    assert unpaid(shop.hears(wall="10:00:01", days=3)) == {"new": 0, "12h": 0, "24h": 0}, "lost"
    found = readings(shop)
    assert (
        found["orders_total", "lost"],
        found["orders_total", "paid"],
        found["orders_total", "closed"],
    ) == (1, 1, 1)


@pytest.mark.parametrize("at_once", [True, False])
def test_order_counters_are_sums_of_what_an_audit_says(at_once: bool) -> None:
    shop = Live()
    for lines in [BUSY] if at_once else [(line,) for line in BUSY]:
        shop.hears(*lines)
    expected = audit(chat(*BUSY), chosen())
    counts: Counter[tuple[str, ...]] = Counter()
    for order in expected.orders.values():
        for state in ("created", "paid", "shipped", "cancelled", "closed", "refunded", "lost"):
            counts["orders_total", state] += order[state] is not None
        if order["paid"] is not None:
            counts["turnover_yuan_total", order["owner"] or ""] += order["paid_fen"]
        for refund in order["refunds"]:
            counts["refunds_yuan_total", order["owner"] or ""] += refund["fen"]
    for reminder in expected.reminders.values():
        counts["reminders_total", reminder["stage"], "due"] += reminder["asked"]
        counts["reminders_total", reminder["stage"], reminder["state"]] += reminder["state"] != "due"
    assert counts["turnover_yuan_total", "A"] == 10_000
    assert counts["refunds_yuan_total", "A"] == 3_501
    assert {key[2] for key, number in counts.items() if key[0] == "reminders_total" and number} == {
        "due", "done", "missed", "moot",
    }  # fmt: skip
    names = {"orders_total", "turnover_yuan_total", "refunds_yuan_total", "reminders_total"}
    found = {key: value for key, value in readings(shop).items() if key[0] in names and value}
    units = {"turnover_yuan_total": 100, "refunds_yuan_total": 100}
    assert found == {key: number / units.get(key[0], 1) for key, number in counts.items() if number}


def test_the_conversions_of_today_are_those_of_an_audit_and_begin_anew_at_midnight() -> None:
    shop = Live()
    seen = []
    for number, line in enumerate(BUSY):
        shop.hears(line)
        row = audit(chat(*BUSY[: number + 1]), chosen()).shops.get(("s", day()), {})
        figures = readings(shop)
        found = tuple(
            figures[f"day_{name}",] for name in ("inquirers", "inquirers_ordered", "orderers", "payers")
        )
        expected = tuple(row.get(name, 0) for name in ("inquirers", "ordered_same_day", "orderers", "payers"))
        assert found == expected, line
        seen.append(found)
    assert seen[-1] == (3, 2, 5, 3)
    figures = readings(
        shop.hears(
            "+1 00:00:00 order x created amount=1",
            "+1 00:00:01 order v shipped @h",
            "+1 00:00:02 order y created @h",
        )
    )
    assert [figures[f"day_{name}",] for name in ("inquirers", "orderers", "payers")] == [0, 2, 0]


def test_an_event_of_somebody_with_many_orders_writes_one_of_them() -> None:
    engine = Engine(chosen())
    log = [
        line
        for n in range(300)
        for line in (
            f"+{n // 4} 10:00:0{n % 4} order o{n:04} created",
            f"+{n // 4} 10:01:0{n % 4} order o{n:04} paid",
        )
    ]
    ordered = sorted(chat(*log), key=lambda event: event["ts"])
    engine.apply(records_of(ordered))
    engine.advance()
    engine.take_step()
    engine.apply(records_of(chat("+75 10:00:00 order o0299 shipped #new")))
    engine.advance()
    rows = engine.take_step().rows
    written = Counter(decode_key(key)[0] for key in rows)
    assert written["order"] == 1
    assert sum(len(row or b"") for row in rows.values()) < 1_500


def test_a_silent_order_is_one_row_and_what_was_said_to_its_buyer_one_more() -> None:
    shop = Live().hears(
        "10:00:00 order o created @d",
        "10:00:10 order o paid @d",
        "10:00:00 c",
        "10:00:30 A human",
        "10:01:00 order p created",
    )
    kept = [decode_key(key) for key in shop.store.rows]
    assert sorted(key for key in kept if key[0] in ("order", "book")) == [
        ["book", "s", "c"], ["order", "s", "c", "p"], ["order", "s", "d", "o"],
    ]  # fmt: skip


def orders_of(shop: Live) -> list[Order]:
    """The facts of orders of customer c, as published."""
    return [fact for fact in shop.store.facts if isinstance(fact, Order) and fact.customer == "c"]


@pytest.mark.parametrize(
    ("days", "name"), [(3, f"o@{at('10:00:00', 3)}"), (12, "o")], ids=["remembered", "forgotten"]
)
def test_a_name_that_comes_back_is_another_order_as_long_as_the_old_one_is_remembered(
    days: int, name: str
) -> None:
    # After that nothing tells the two apart but a memory without an end, so the id is that of a first order again.
    shop = Live(["attribution.order_ttl=1d"]).hears("10:00:00 order o created", "10:00:10 order o paid")
    if days > 6:
        shop.hears(wall="10:00:00", days=5).hears("+6 09:00:00 - system @x").hears(wall="10:00:00", days=11)
    shop.hears(f"+{days} 10:00:00 order o created")
    assert [(fact.order, fact.rev, fact.status) for fact in orders_of(shop)] == [
        ("o", 1, "paid"),
        (name, 1, "created"),
    ]
    rows = [decode_key(key) for key in shop.store.rows]
    assert [key[3] for key in rows if key[0] == "order"] == sorted({"o", name})


@pytest.mark.parametrize(
    ("days", "owner", "dead"),
    [(0, "B", 0), (3, "B", 0), (6, None, 1)],
    ids=["at once", "while the chat is kept", "when it is forgotten"],
)
def test_what_comes_late_of_agents_corrects_orders_or_is_set_aside(
    days: int, owner: str | None, dead: int
) -> None:
    lines = ("10:00:00 order o created", "10:00:05 order o memo | 2号", "10:00:06 order o paid")
    late = "09:00:00 profile B number=2"
    shop = Live().hears(*lines).hears(wall="10:00:07", days=days).hears(late)
    assert [letter.reason for letter in shop.store.dead_letters] == ["too_late"] * dead
    [told] = program(chat(*lines, *[late] * (not dead)), chosen()).orders.values()
    assert orders_of(shop)[-1].owner == told["owner"] == owner


def test_revisions_of_orders_go_on_after_rows_were_lost_and_after_a_restart() -> None:
    engine = Engine(chosen())
    engine.apply(records_of(chat("10:00:00 order o created")))
    engine.advance()
    rows = engine.take_step().rows
    engine.remember("s", "c", "order|s|c|o", 3, at("10:00:00"))
    rows |= engine.take_step().rows
    engine = Engine(chosen(), {key: row for key, row in rows.items() if row is not None})
    engine.apply(records_of(chat("10:00:10 order o paid #p")))
    engine.advance()
    assert [fact.rev for fact in engine.take_step().facts] == [4]
