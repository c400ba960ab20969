"""Alert rules (SPEC 8): one entry of `RULES` is one rule.

The rules here are of kind *c*: pure functions of one customer's facts, policy and clock, and so corrected like
facts. What stands is computed from the waits as they stand; what is published is the difference to before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from csstream.core.alert import Alert
from csstream.core.conversation import Complaining
from csstream.core.facts import Flag, Wait
from csstream.core.orders.purchase import Asking, Purchase
from csstream.policy import Policy

GroupOf = Callable[[str | None, int], str | None]
"""The group of an agent at an instant."""


class Case(NamedTuple):
    """What a rule of kind c looks at: one wait, its flag if it has one, and who is in which group."""

    policy: Policy
    wait: Wait
    flag: Flag | None
    group_of: GroupOf


class Unpaid(NamedTuple):
    """What a rule on unpaid orders looks at: one reminder of an order."""

    policy: Policy
    shop: str
    customer: str
    order: Purchase
    asking: Asking
    group_of: GroupOf


def _of_wait(
    case: Case, rule: str, alert: str, severity: str, agent: str | None, ts: int, value: dict[str, int]
) -> Alert:
    """An alert that stands as long as the wait is open."""
    wait = case.wait
    open_ = wait.until is None
    return Alert(
        alert=alert,
        rule=rule,
        state="firing" if open_ else "resolved",
        severity=severity,
        shop=wait.shop,
        agent=agent,
        group=case.group_of(agent, ts),
        customer=wait.customer,
        since=wait.since,
        ts=ts,
        end=wait.until,
        outcome=None if open_ else wait.outcome,
        value=value,
        divert_to=None,
        evidence=wait.evidence[:1],
        policy=wait.policy,
        summary={},
    )


@cache
def _levels(policy: Policy) -> dict[int, tuple[str, int, str]]:
    """By `over_ms`: how a level is written in ids and texts, its whole seconds, its severity."""
    return {
        level.over_ms: (f"{level.over_ms / 1000:.10g}", level.over_ms // 1000, level.severity)
        for level in policy.levels
    }


def wait_levels(case: Case) -> list[Alert]:
    """`wait`: a level of `alert.levels` that the wait passed while it was open."""
    policy, wait, _, _ = case
    levels = _levels(policy)
    one = wait.legs[0].agent if len(wait.legs) == 1 else None
    found = []
    for passed in wait.levels:
        shown, over_s, severity = levels[passed.over_ms]
        ts = passed.ts
        agent = one or holder_at(wait, ts)
        alert = _of_wait(case, "wait", f"wait|{wait.wait}|{shown}", severity, agent, ts, {"over_s": over_s})
        zh, en = (agent, agent) if agent is not None else ("排队", "the queue")
        alert.summary = {
            "zh": f"顾客等待已超过 {shown} 秒（{zh}）：请马上回复或转接",
            "en": f"A customer has waited more than {shown} s ({en}): reply now or hand over",
        }
        found.append(alert)
    return found


def closed_while_waiting(case: Case) -> list[Alert]:
    """`closed_while_waiting`: an agent closed the window on a customer who was waiting."""
    flag = case.flag
    if flag is None:
        return []
    waited_ms = flag.ts - case.wait.since
    alert = _of_wait(
        case, "closed_while_waiting", flag.fact, "critical", flag.agent, flag.ts, {"waited_ms": waited_ms}
    )
    alert.evidence = flag.evidence
    zh, en = (flag.agent, flag.agent) if flag.agent is not None else ("排队", "the queue")
    alert.summary = {
        "zh": f"{zh} 在顾客等待 {waited_ms // 1000} 秒时关闭了会话：请重新接待并核查",
        "en": f"{en} closed the window on a customer waiting {waited_ms // 1000} s: take the customer back, and check",
    }
    return [alert]


def _of_order(
    case: Unpaid, rule: str, severity: str, ts: int, ended: tuple[int, str] | None, summary: dict[str, str]
) -> Alert:
    order, asking = case.order, case.asking
    return Alert(
        alert=f"{rule}|{case.shop}|{order.name}|{asking.stage}",
        rule=rule,
        state="firing" if ended is None else "resolved",
        severity=severity,
        shop=case.shop,
        agent=asking.responsible,
        group=case.group_of(asking.responsible, ts),
        customer=case.customer,
        since=order.created,
        ts=ts,
        end=None if ended is None else ended[0],
        outcome=None if ended is None else ended[1],
        value={} if order.created_fen is None else {"amount_fen": order.created_fen},
        divert_to=None,
        evidence=order.evidence[:1],
        policy=case.policy.tag,
        summary=summary,
    )


def reminder_due(case: Unpaid) -> list[Alert]:
    """`reminder_due`: the responsible agent is asked to remind the customer of an unpaid order."""
    order, asking = case.order, case.asking
    if not asking.asked:
        return []
    ended = None
    if asking.state == "missed":
        ended = asking.until, "missed"
    elif asking.state != "due":
        ended = asking.ended, "done" if asking.state == "done" else order.end_status
    zh, en = _named(asking.responsible)
    summary = {
        "zh": f"订单 {order.name} 未付款（{asking.stage}），请 {zh} 催付",
        "en": f"Order {order.name} is not paid ({asking.stage}): {en}, remind the customer",
    }
    return [_of_order(case, "reminder_due", "info", asking.due, ended, summary)]


def reminder_missed(case: Unpaid) -> list[Alert]:
    """`reminder_missed`: nobody reminded the customer in time."""
    order, asking = case.order, case.asking
    if asking.state != "missed":
        return []
    ended = None
    if asking.passed:
        ended = asking.following, "passed"
    if order.end >= 0 and (ended is None or order.end <= ended[0]):
        ended = order.end, order.end_status
    zh, en = _named(asking.responsible)
    summary = {
        "zh": f"订单 {order.name} 未按时催付（{asking.stage}，{zh}）",
        "en": f"Order {order.name}: the reminder ({asking.stage}, {en}) was missed",
    }
    return [_of_order(case, "reminder_missed", "warning", asking.until, ended, summary)]


def _named(agent: str | None) -> tuple[str, str]:
    return ("主管", "the supervisor") if agent is None else (agent, agent)


class Accused(NamedTuple):
    """What the rule of complaints looks at: one of them, of a customer of a shop."""

    policy: Policy
    shop: str
    customer: str
    name: str
    complaint: Complaining
    group_of: GroupOf


def complaint(case: Accused) -> list[Alert]:
    """`complaint`: a customer complains, and nobody has decided yet."""
    found = case.complaint
    over = found.end >= 0
    named = found.agent is not None
    return [
        Alert(
            alert=f"complaint|{case.shop}|{case.name}",
            rule="complaint",
            state="resolved" if over else "firing",
            severity="critical",
            shop=case.shop,
            agent=found.agent,
            group=case.group_of(found.agent, found.ts),
            customer=case.customer,
            since=found.ts,
            ts=found.ts,
            end=found.end if over else None,
            outcome=found.outcome if over else None,
            value={},
            divert_to=None,
            evidence=[found.id],
            policy=case.policy.tag,
            summary={
                "zh": f"顾客投诉{found.agent if named else ''}：请主管查看聊天记录并尽快处理",
                "en": f"A customer complains{f' about {found.agent}' if named else ''}: "
                "read the conversation, and decide soon",
            },
        )
    ]


@dataclass(frozen=True)
class ComplaintRule:
    """The rule of kind c on complaints: its name, what it is about (for the README), and what it says of a case."""

    name: str
    meaning: str
    judge: Callable[[Accused], list[Alert]]


@dataclass(frozen=True)
class Rule:
    """One rule of kind c on waits: its name, what it is about (for the README), and what it says of a case."""

    name: str
    meaning: str
    judge: Callable[[Case], list[Alert]]


@dataclass(frozen=True)
class OrderRule:
    """One rule of kind c on reminders: its name, what it is about (for the README), and what it says of a case."""

    name: str
    meaning: str
    judge: Callable[[Unpaid], list[Alert]]


RULES = (
    Rule("wait", "a level of waiting is passed", wait_levels),
    Rule("closed_while_waiting", "an agent closed the window on a customer who waited", closed_while_waiting),
    ComplaintRule("complaint", "nobody has decided yet on what a customer complains of", complaint),
    OrderRule("reminder_due", "an order is unpaid, and somebody has to remind the customer", reminder_due),
    OrderRule("reminder_missed", "a reminder was due, and nobody gave it in time", reminder_missed),
)
_OF_WAITS = tuple(rule for rule in RULES if isinstance(rule, Rule))
_OF_ORDERS = tuple(rule for rule in RULES if isinstance(rule, OrderRule))


def alerts(case: Case) -> list[Alert]:
    """Every alert that stands on a wait as it is; none on a void one."""
    wait = case.wait
    if (not wait.levels and case.flag is None) or wait.outcome == "void":
        return []
    return [alert for rule in _OF_WAITS for alert in rule.judge(case)]


def order_alerts(case: Unpaid) -> list[Alert]:
    """Every alert that stands on a reminder as it is."""
    return [alert for rule in _OF_ORDERS for alert in rule.judge(case)]


def holder_at(wait: Wait, ts: int) -> str | None:
    """Who holds the waiting customer at `ts`, an instant of the wait; None is the queue."""
    for leg in wait.legs:
        if leg.from_ms <= ts and (leg.until is None or ts < leg.until):
            return leg.agent
    return None
