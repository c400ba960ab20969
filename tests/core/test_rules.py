"""The alert records of conversations: what a supervisor reads must name the right person and moment (SPEC 8)."""

import msgspec
import pytest

from csstream.core import rules
from csstream.core.alert import Alert, encode
from csstream.core.audit import Auditor
from csstream.core.crew import Crew, Known
from csstream.core.rules import Case, holder_at
from csstream.policy import Policy
from tests.core.look import chosen, told
from tests.laws.notation import at, chat
from tests.laws.views import read

FIELDS = (
    "alert", "rule", "state", "severity", "shop", "agent", "group", "customer", "since", "ts", "end", "outcome",
    "value", "divert_to", "evidence", "policy", "summary",
)  # fmt: skip


def crew() -> Crew:
    """Agents A and B are in the early group until 10:00:20, then in the late one."""
    found = Crew(Auditor(chosen()).calendar)
    for agent in "AB":
        found.profile(agent, Known(0, 0, "p1", "early", None))
        found.profile(agent, Known(at("10:00:20"), 0, "p2", "late", None))
    return found


group_of = crew().group_of


def alerts(*lines: str, policy: Policy | None = None, clock: str = "12:00:00") -> list[Alert]:
    """The alert records of customer c."""
    auditor = Auditor(policy or chosen())
    found = auditor.story("s", "c", read(chat(*lines)), at(clock), crew()).alerts
    return sorted(found, key=lambda alert: (alert.ts, alert.alert))


def test_a_record_is_the_whole_alert_in_the_order_of_the_contract() -> None:
    [record, *_] = alerts("10:00:00 c>A #m1", "10:00:20 A human #m2")
    plain = msgspec.json.decode(encode(record))
    assert tuple(plain) == FIELDS
    summary = plain.pop("summary")
    since = at("10:00:00")
    assert plain == {
        "alert": f"wait|s|c|{since}|m1|15",
        "rule": "wait",
        "state": "resolved",
        "severity": "info",
        "shop": "s",
        "agent": "A",
        "group": "early",
        "customer": "c",
        "since": since,
        "ts": since + 15_000,
        "end": since + 20_000,
        "outcome": "answered",
        "value": {"over_s": 15},
        "divert_to": None,
        "evidence": ["m1"],
        "policy": "handbook@1",
    }
    assert set(summary) == {"zh", "en"}
    assert all("15" in text and "A" in text for text in summary.values())


def test_the_group_is_the_one_of_the_agent_at_that_instant() -> None:
    found = alerts("10:00:00 c>A", "10:00:50 A human")
    assert [(a.value["over_s"], a.group) for a in found] == [(15, "early"), (30, "late")]


def test_an_open_wait_fires_without_an_end() -> None:
    [record] = alerts("10:00:00 c>-", clock="10:00:20")
    assert (record.state, record.end, record.outcome, record.agent, record.group) == (
        "firing", None, None, None, None,
    )  # fmt: skip
    assert "排队" in record.summary["zh"]
    assert "queue" in record.summary["en"]


def test_every_level_of_a_wait_ends_with_it() -> None:
    found = alerts("10:00:00 c>A", "10:02:00 session close customer")
    assert {(a.end, a.outcome, a.state) for a in found} == {(at("10:02:00"), "abandoned", "resolved")}
    assert len(found) == 3


def test_a_transfer_at_the_due_itself_names_the_new_holder() -> None:
    found = alerts("10:00:00 c>A", "10:00:30 transfer A>B", "10:01:00 B human")
    assert [(a.value["over_s"], a.agent) for a in found] == [(15, "A"), (30, "B")]


def test_who_answers_for_another_is_not_named_for_the_wait() -> None:
    found = alerts("10:00:00 c>A", "10:01:00 B human")
    assert {a.agent for a in found} == {"A"}


def test_the_levels_and_severities_are_the_policys() -> None:
    found = alerts(
        "10:00:00 c", policy=chosen(settings=("alert.levels=7s warning,61s lost",)), clock="10:05:00"
    )
    assert [(a.ts - a.since, a.severity, a.alert.rsplit("|", 1)[1]) for a in found] == [
        (7_000, "warning", "7"),
        (61_000, "lost", "61"),
    ]


def test_long_waits_and_hours_do_not_quieten_an_alert() -> None:
    found = alerts("02:00:00 c>A", "03:00:00 A human", policy=chosen("tmall"))
    assert [a.value["over_s"] for a in found] == [15, 30, 100, 180, 1800]


def test_a_void_wait_has_no_alert() -> None:
    assert alerts("10:00:00 c>A", ":02 session close agent A", "10:05:00 spam") == []


def test_a_void_wait_has_no_alert_whatever_it_still_carries() -> None:
    auditor = Auditor(chosen())
    events = read(chat("10:00:00 c>A", ":02 session close agent A"))
    facts = auditor.story("s", "c", events, at("10:05:00"), crew()).facts
    [wait], [flag] = facts.waits, facts.flags
    assert rules.alerts(Case(chosen(), wait, flag, group_of))
    wait.outcome = "void"
    assert rules.alerts(Case(chosen(), wait, flag, group_of)) == []


def test_a_close_by_an_agent_is_told_with_its_evidence() -> None:
    lines = ("10:00:00 c>A #m1", ":12 session close agent #s1", ":40 A human")
    [record] = [a for a in alerts(*lines) if a.rule == "closed_while_waiting"]
    since = at("10:00:00")
    assert record.alert == f"closed_while_waiting|s|c|{since}|m1"
    assert (record.severity, record.agent, record.group) == ("critical", "A", "early")
    assert (record.since, record.ts, record.end, record.outcome) == (
        since, since + 12_000, since + 40_000, "answered",
    )  # fmt: skip
    assert (record.value, record.evidence) == ({"waited_ms": 12_000}, ["m1", "s1"])
    assert "12" in record.summary["zh"]
    assert "12" in record.summary["en"]


def test_a_close_by_another_agent_names_him() -> None:
    lines = ("10:00:00 c>A", ":12 session close agent B", ":40 A human")
    assert [a.agent for a in alerts(*lines) if a.rule == "closed_while_waiting"] == ["B"]


def test_a_close_of_the_queue_by_nobody_in_particular_names_nobody() -> None:
    [record] = [
        a for a in alerts("10:00:00 c>-", ":02 session close agent") if a.rule == "closed_while_waiting"
    ]
    assert (record.agent, record.state, record.end) == (None, "firing", None)
    assert "排队" in record.summary["zh"]


def test_the_holder_at_the_close_is_named_though_another_holds_later() -> None:
    lines = ("10:00:00 c>A", ":02 session close agent", ":10 transfer A>B", ":12 session close agent")
    assert [(a.agent, a.ts) for a in alerts(*lines) if a.rule == "closed_while_waiting"] == [
        ("A", at("10:00:02"))
    ]


def test_a_close_after_the_reply_of_the_same_instant_closes_nobody_out() -> None:
    lines = ("10:00:00 c>A", ":10 A human", ":10 session close agent A")
    assert [a.rule for a in alerts(*lines)] == []


def test_a_close_at_the_instant_at_which_the_customer_leaves_is_no_alert() -> None:
    lines = ("10:00:00 c>A", ":10 session close agent A #a", ":10 session close customer #b")
    assert [a.rule for a in alerts(*lines)] == []


@pytest.mark.parametrize("by", ["system", "customer"])
def test_only_an_agent_closes_a_window_on_somebody(by: str) -> None:
    assert told("10:00:00 c>A", f":02 session window_closed {by}").alerts("closed_while_waiting") == []


def test_the_flag_is_a_fact_of_its_own() -> None:
    auditor = Auditor(chosen())
    events = read(chat("10:00:00 c>A #m1", ":02 session close agent A #s1"))
    [flag] = auditor.story("s", "c", events, at("10:05:00"), crew()).facts.flags
    assert (flag.fact, flag.agent, flag.ts, flag.since, flag.evidence) == (
        f"closed_while_waiting|{flag.wait}", "A", at("10:00:02"), at("10:00:00"), ["m1", "s1"],
    )  # fmt: skip


def test_the_holder_of_an_instant_follows_half_open_legs() -> None:
    auditor = Auditor(chosen())
    events = read(chat("10:00:00 c>A", ":10 transfer A>B", ":20 C human"))
    [wait] = auditor.story("s", "c", events, at("10:05:00"), crew()).facts.waits
    assert [holder_at(wait, at(f"10:00:{s}")) for s in ("00", "09.999", "10", "19.999", "20")] == [
        "A", "A", "B", "B", None,
    ]  # fmt: skip


def test_every_rule_is_named_once() -> None:
    names = [rule.name for rule in rules.RULES]
    assert len(names) == len(set(names))
    assert {"wait", "closed_while_waiting"} <= set(names)
