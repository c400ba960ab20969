"""The vectors of SPEC 6, by their numbers: the program and the oracle must both say what the contract says."""

from dataclasses import fields
from typing import Any

import pytest

from csstream.policy import Policy
from tests.core.look import chosen
from tests.laws.notation import at, chat, day
from tests.laws.oracle import Audit, audit
from tests.laws.views import ordered, program

ASKED = ("09:00:00 c", "09:01:00 A human")


class Seen:
    """What was audited of customer c, asked for one thing at a time."""

    def __init__(self, found: Audit) -> None:
        self.audit = found

    def order(self, name: str = "o") -> dict[str, Any]:
        """The fact of an order."""
        [fact] = [f for f in self.audit.orders.values() if f["order"] == name]
        return fact

    def owner(self, name: str = "o") -> tuple[str | None, str, list[str]]:
        """Owner, reason, conflicts."""
        fact = self.order(name)
        return fact["owner"], fact["reason"], fact["conflicts"]

    def reminder(self, stage: str = "12h", name: str = "o") -> tuple[int, str] | None:
        """Due and state; None if there was none."""
        found = [r for r in self.audit.reminders.values() if (r["stage"], r["order"]) == (stage, name)]
        return (found[0]["due"], found[0]["state"]) if found else None

    def fact(self, stage: str = "12h", name: str = "o") -> dict[str, Any]:
        """The fact of a reminder."""
        [fact] = [r for r in self.audit.reminders.values() if (r["stage"], r["order"]) == (stage, name)]
        return fact

    def alerts(self, rule: str) -> list[tuple[int, int | None, str | None]]:
        """(ts, end, outcome) of a rule's alerts."""
        return [(a["ts"], a["end"], a["outcome"]) for a in self.audit.alerts if a["rule"] == rule]

    def shop(self, column: str, days: int = 0) -> int:
        """A figure of the shop."""
        return int(self.audit.shops.get(("s", day(days)), {}).get(column, 0))

    def agent(self, agent: str, column: str, days: int = 0) -> int:
        """A figure of an agent."""
        return int(self.audit.agents.get(("s", day(days), agent), {}).get(column, 0))


def seen(*lines: str, clock: str = "+5 12:00:00 - system @clock", policy: Policy | None = None) -> Seen:
    """The audit of these lines, on which program and oracle agree; the log goes on until `clock`."""
    chosen_policy = policy or chosen()
    log = chat(*lines, clock)
    found, expected = program(log, chosen_policy), ordered(audit(log, chosen_policy))
    for name in (f.name for f in fields(Audit)):
        assert getattr(found, name) == getattr(expected, name), name
    return Seen(found)


def test_v10_an_unpaid_order_is_due_and_then_missed() -> None:
    nothing = seen("10:00:00 order o created")
    assert nothing.reminder() == (at("22:00:00"), "missed")
    assert nothing.fact()["until"] == at("23:00:00")
    paid = seen("10:00:00 order o created", "23:00:00 order o paid")
    assert paid.reminder() == (at("22:00:00"), "moot")


def test_v11_a_memo_names_the_owner_and_the_other_assisted() -> None:
    found = seen(
        "08:00:00 profile A number=1", "08:00:00 profile B number=2", *ASKED, "10:00:00 order o created",
        "10:00:30 B human", "10:01:00 order o paid", "10:02:00 order o memo | 2号",
    )  # fmt: skip
    assert found.owner() == ("B", "memo", [])
    assert found.order()["assist_order"] == ["A"]
    assert found.order()["assist_followup"] == []


def test_v12_an_order_without_a_chat_is_silent_and_the_duty_agents_to_remind() -> None:
    found = seen(
        "08:00:00 shift D w 09:00:00-18:00:00 duty=true", "08:00:00 shift E w 08:00:00-09:00:00 duty=true",
        "10:00:00 order o created",
    )  # fmt: skip
    assert found.owner() == (None, "silent", [])
    assert found.fact()["responsible"] == "D"
    assert (found.shop("silent_orders"), found.shop("orders_owned")) == (1, 0)
    assert found.shop("inquirers") == 0
    assert found.agent("D", "reminders_due") == 1


@pytest.mark.parametrize(
    ("created", "due", "until"),
    [
        ("13:00:00", at("08:30:00", 1), at("09:30:00", 1)),
        ("12:30:00", at("00:30:00", 1), at("09:00:00", 1)),
        ("12:59:59.999", at("00:59:59.999", 1), at("09:29:59.999", 1)),
    ],
)
def test_v30_quiet_hours_move_the_due_and_do_not_count_in_the_grace(
    created: str, due: int, until: int
) -> None:
    fact = seen(f"{created} order o created").fact()
    assert (fact["due"], fact["until"], fact["state"]) == (due, until, "missed")


@pytest.mark.parametrize(
    ("more", "second"),
    [
        (("+1 09:00:00 A human", "+1 11:00:00 dun o sms"), "done"),
        (("+1 09:00:00 A human", "+1 11:00:00.001 dun o sms"), "missed"),
        ((), "missed"),
        (("+1 10:30:00 dun o phone",), "done"),
        (("+1 10:30:00 dun o sms",), "missed"),
    ],
)
def test_v31_a_stage_is_done_when_every_channel_was_tried_in_its_window(
    more: tuple[str, ...], second: str
) -> None:
    found = seen("10:00:00 order o created", "22:10:00 A human", *more)
    assert found.reminder("12h") == (at("22:00:00"), "done")
    assert found.reminder("24h") == (at("10:00:00", 1), second)


def test_v32_the_deadline_ends_the_reminders() -> None:
    def until(deadline: int, *more: str, created: str = "10:00:00") -> Seen:
        return seen(f"{created} order o created pay_deadline={deadline}", *more)

    at_the_plan = until(at("22:00:00"))
    assert at_the_plan.reminder() is None
    assert at_the_plan.order()["lost"] == at("22:00:00")
    later = until(at("22:30:00"))
    assert later.reminder() == (at("22:00:00"), "missed")
    assert later.fact()["until"] == later.order()["lost"] == at("22:30:00")
    closed = until(at("22:30:00"), "22:30:00 order o closed")
    assert closed.reminder() == (at("22:00:00"), "moot")
    assert closed.order()["lost"] is None
    night = until(at("05:00:00", 1), created="14:00:00")
    assert night.reminder() is None
    assert night.order()["lost"] == at("05:00:00", 1)


def test_v33_caps_move_the_dues_of_a_customer_with_many_orders() -> None:
    found = seen(*(f"08:0{n}:00 order {o} created" for n, o in enumerate("abcd")))
    dues = {
        stage: {o: None if (r := found.reminder(stage, o)) is None else r[0] for o in "abcd"}
        for stage in ("12h", "24h")
    }
    assert dues["12h"] == {"a": at("20:00:00"), "b": at("22:00:00"), "c": at("00:00:00", 1), "d": None}
    assert dues["24h"] == {
        "a": at("20:00:00", 1), "b": at("22:00:00", 1), "c": at("00:00:00", 2), "d": at("20:00:00", 2),
    }  # fmt: skip


V34 = (
    "08:00:00 profile A number=1", "08:00:00 profile B number=2", "09:50:00 c", "09:51:00 A human",
    "10:00:00 order o created amount=100",
)  # fmt: skip


def test_v34_who_gets_the_order_later_is_not_charged_for_an_earlier_reminder() -> None:
    found = seen(*V34, "22:20:00 B human", "22:30:00 order o memo | 2号")
    assert found.reminder("12h") == (at("22:00:00"), "done")
    assert found.fact("12h")["responsible"] == "A"
    assert found.reminder("24h") == (at("10:00:00", 1), "missed")
    assert found.fact("24h")["responsible"] == "B"
    assert found.owner() == ("B", "memo", [])


@pytest.mark.parametrize(
    ("memos", "owner"),
    [
        (("10:02:00 order o memo | 2号",), ("B", "memo", ["memo_conflict"])),
        (("10:02:00 order o memo | 2号", "10:03:00 order o memo | 发顺丰"), ("A", "chat", ["memo_missing"])),
        (("10:02:00 order o memo | 12月2号到1号楼,99号,１２号客服",), ("E", "memo", ["memo_conflict"])),
        (("10:02:00 order o memo | 2号 工号1",), ("A", "memo", [])),
        (("+15 10:00:00.001 order o memo | 2号",), ("A", "chat", ["memo_missing"])),
    ],
)
def test_v35_memos_are_read_as_people_write_them(memos: tuple[str, ...], owner: Any) -> None:
    found = seen(
        "08:00:00 profile E number=012",
        *V34,
        "10:01:00 order o paid",
        *memos,
        clock="+16 12:00:00 - system @d",
    )
    assert found.owner() == owner


def test_v36_goods_tell_more_than_the_last_word() -> None:
    talk = ("09:00:00 c sku=x", "09:01:00 A human", "09:05:00 c sku=z", "09:06:00 B human")
    both = seen(*talk, '10:00:00 order o created items=[{"sku":"x"},{"sku":"y"}]')
    assert both.owner() == ("A", "sku", [])
    assert both.order()["assist_order"] == ["B"]
    assert seen(*talk, '10:00:00 order o created items=[{"sku":"w"}]').owner() == ("B", "chat", [])
    assert seen("09:01:00 A human", "10:00:00 order o created").owner() == (None, "silent", [])


def test_v37_money_counts_on_its_days_and_an_order_refunded_in_full_is_owned_no_more() -> None:
    found = seen(
        "09:00:00 c", "09:01:00 A human", "23:59:00 order o created amount=10.005", "+1 00:00:00 order o paid",
        "+2 10:00:00 order o refunded amount=3.00", "+3 10:00:00 order o refunded", "+3 10:00:00 order o closed",
    )  # fmt: skip
    for figure in (found.shop, lambda column, days: found.agent("A", column, days)):
        assert [figure("turnover_fen", days) for days in range(4)] == [0, 1001, 0, 0]
        assert [figure("refunds_fen", days) for days in range(4)] == [0, 0, 300, 701]
        assert [figure("unpaid_open", days) for days in range(4)] == [1, 0, 0, 0]
        assert figure("orders_owned", 0) == 0
    assert found.order()["taken_back"] == at("10:00:00", 3)


@pytest.mark.parametrize(
    ("lines", "figures"),
    [
        (("09:00:00 order o created", "09:01:00 order o paid", "10:00:00 c"), (0, 0, 0)),
        (("09:00:00 order o created", "09:01:00 order o paid", "10:00:00 c", "+3 23:59:00 order n created"), (1, 0, 1)),
        (("09:00:00 order o created", "09:01:00 order o paid", "10:00:00 c", "+4 00:00:00 order n created"), (0, 0, 0)),
        (("09:00:00 order o created", "10:00:00 c", "10:05:00 order o paid"), (0, 0, 0)),
        (("09:00:00 order o created", "09:30:00 order o closed", "10:00:00 c"), (1, 0, 0)),
    ],
)  # fmt: skip
def test_v38_who_asks_about_a_recent_order_is_no_inquirer(
    lines: tuple[str, ...], figures: tuple[int, ...]
) -> None:
    found = seen(*lines)
    assert tuple(found.shop(c) for c in ("inquirers", "ordered_same_day", "ordered_final")) == figures


def test_v39_cash_on_delivery_needs_a_call_and_nothing_else() -> None:
    nothing = seen("10:00:00 order o created cod=true")
    assert nothing.reminder("contact") == (at("10:05:00"), "missed")
    assert nothing.fact("contact")["until"] == at("11:05:00")
    assert (nothing.shop("orderers"), nothing.shop("unpaid_open")) == (0, 0)
    called = seen("10:00:00 order o created cod=true", "10:05:00 dun o phone")
    assert called.reminder("contact") == (at("10:05:00"), "done")
    shipped = seen("10:00:00 order o created cod=true", "10:20:00 order o shipped")
    assert shipped.reminder("contact") == (at("10:05:00"), "moot")
    night = seen("02:00:00 order o created cod=true")
    assert night.reminder("contact") == (at("08:30:00"), "missed")


def test_cash_on_delivery_is_called_for_however_often_the_customer_was_called() -> None:
    found = seen(*(f"10:0{n}:00 order {o} created cod=true" for n, o in enumerate("abcd")))
    dues = [found.reminder("contact", o) for o in "abcd"]
    assert [due[0] for due in dues if due] == [at(f"10:0{5 + n}:00") for n in range(4)]


@pytest.mark.parametrize(("paid", "payers"), [("+3 23:59:59.999", 1), ("+4 00:00:00", 0)])
def test_who_pays_after_the_window_is_no_payer_of_the_day(paid: str, payers: int) -> None:
    found = seen("10:00:00 order o created", f"{paid} order o paid")
    assert (found.shop("orderers"), found.shop("payers")) == (1, payers)


def test_v40_scripts_are_counted_by_any_touch_and_by_the_last() -> None:
    found = seen(
        "10:00:00 order o created", "11:00:00 dun o sms script=p", "12:00:00 dun o sms script=q",
        "12:30:00 order o paid", "12:30:00 dun o sms script=r",
    )  # fmt: skip
    assert found.audit.scripts == {
        ("s", "p"): {"reminded": 1, "paid_last": 0, "paid_any": 1, "cancelled": 0},
        ("s", "q"): {"reminded": 1, "paid_last": 1, "paid_any": 1, "cancelled": 0},
    }


def test_v41_an_unpaid_order_is_open_until_it_is_paid_or_lost() -> None:
    paid = seen("10:00:00 order o created", "+1 00:00:00 order o paid")
    assert [paid.shop("unpaid_open", days) for days in range(6)] == [1, 0, 0, 0, 0, 0]
    lost = seen("10:00:00 order o created")
    assert [lost.shop("unpaid_open", days) for days in range(6)] == [1, 1, 1, 0, 0, 0]
    assert lost.order()["lost"] == at("10:00:00", 3)


def test_v64_the_responsible_is_told_when_a_reminder_is_due_and_when_it_is_missed() -> None:
    duty = ("08:00:00 shift D w 09:00:00-18:00:00 duty=true", "10:00:00 order o created amount=5")
    done = seen(*duty, "22:30:00 dun o chat")
    [alert] = [a for a in done.audit.alerts if a["alert"].endswith("|12h")]
    assert (alert["rule"], alert["agent"], alert["ts"], alert["end"], alert["outcome"]) == (
        "reminder_due", "D", at("22:00:00"), at("22:30:00"), "done",
    )  # fmt: skip
    assert alert["value"] == {"amount_fen": 500}
    paid = seen(*duty, "23:00:00.000 order o paid")
    assert paid.alerts("reminder_due") == [(at("22:00:00"), at("23:00:00"), "paid")]
    assert paid.alerts("reminder_missed") == []
    nothing = seen(*duty)
    assert nothing.alerts("reminder_due")[0] == (at("22:00:00"), at("23:00:00"), "missed")
    assert nothing.alerts("reminder_missed")[0] == (at("23:00:00"), at("10:00:00", 1), "passed")
