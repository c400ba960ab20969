"""The longest waits one by one, with the ids that prove them: what an auditor asks about first."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from csstream.core.facts import Wait
from csstream.replay.figures import count, local, span
from csstream.replay.markup import Html, both, ident, join, tag
from csstream.replay.report.input import ReportInput
from csstream.replay.report.limits import EVIDENCE_LISTED, LONGEST
from csstream.replay.report.table import left_out

CRITICAL_MS = 100_000
"""Levels from here on are shown in the colour of a loss."""

_OUTCOMES = {
    "answered": ("已答复", "answered"),
    "answered_by_other": ("他人答复", "answered by other"),
    "transferred_unanswered": ("未答转出", "handed on"),
    "assigned": ("分配", "assigned"),
    "abandoned": ("顾客离开", "abandoned"),
    "expired": ("过期未答", "expired"),
    "bot": ("机器人答复", "bot"),
    "moot": ("无需答复", "moot"),
    "void": ("作废", "void"),
    "open": ("仍在等待", "still open"),
}


def _outcome(name: str) -> Html:
    zh, en = _OUTCOMES.get(name, (name, ""))
    return both(zh, en)


def waited(wait: Wait, clocks: Mapping[str, int]) -> int:
    """How long the customer waited in ms; an open wait up to its shop's clock."""
    until = clocks.get(wait.shop, wait.since) if wait.until is None else wait.until
    return max(until - wait.since, 0)


def body(report: ReportInput) -> Html:
    """The longest waits, each with the agents it went through."""
    if not report.longest:
        return tag("p", both("没有等待。", "Nobody waited."))
    zone = ZoneInfo(report.timezone)
    several = len(report.shop_totals) > 1
    names = [("#", ""), ("顾客", "customer"), ("开始", "since"), ("时长", "length"), ("结果", "outcome")]
    names += [("经手客服", "agents in turn"), ("最高级别", "highest level"), ("消息", "messages")]
    heads = tag(
        "tr",
        *(
            tag("th", both(zh, en), class_="n" if zh in "#时长消息" else None, scope="col")
            for zh, en in names
        ),
    )
    shown = [
        _long_wait(at, wait, report, zone, several=several)
        for at, wait in enumerate(report.longest[:LONGEST], 1)
    ]
    return join(
        (
            left_out(
                f"按顾客等待时间排序，最多 {LONGEST} 条；每条下方为事实编号与作证的消息编号，可用 csstream explain 查看。",
                f"By the customer's clock, at most {LONGEST}; below each, the fact's id and the ids of the messages that prove it, "
                "for csstream explain. All waits are in facts.jsonl.",
            ),
            tag("div", tag("table", tag("thead", heads), Html("\n"), *shown), class_="scroll"),
        )
    )


def _long_wait(at: int, wait: Wait, report: ReportInput, zone: ZoneInfo, *, several: bool) -> Html:
    clock = report.clocks.get(wait.shop)
    legs: list[str] = []
    for leg in wait.legs:
        end = leg.until if leg.until is not None else clock
        took = f" {span(max(end - leg.from_ms, 0))}" if end is not None else ""
        who = both("队列", "queue") if leg.agent is None else ident(leg.agent)
        legs += [" → ", tag("span", who, took, " ", tag("span", _outcome(leg.outcome), class_="en"))]
    if len(wait.legs) > 6:
        hidden = f" … +{len(wait.legs) - 6}"
        legs = [*legs[:6], hidden, *legs[-6:]]
    highest = max((level.over_ms for level in wait.levels), default=None)
    level = (
        tag("span", f"> {span(highest)}", class_="chip bad" if highest >= CRITICAL_MS else "chip")
        if highest is not None
        else "–"
    )
    evidence = wait.evidence[:EVIDENCE_LISTED]
    more = len(wait.evidence) - len(evidence)
    shop = [tag("small", ident(wait.shop))] if several else []
    first = tag(
        "tr",
        tag("td", str(at), class_="n"),
        tag("td", ident(wait.customer), *shop),
        tag("td", local(wait.since, zone), class_="t"),
        tag("td", tag("b", span(waited(wait, report.clocks))), class_="n"),
        tag("td", _outcome(wait.outcome)),
        tag("td", *(legs[1:] or ["–"])),
        tag("td", level),
        tag("td", count(wait.messages), class_="n"),
    )
    second = tag(
        "tr",
        tag(
            "td",
            both("事实", "fact"),
            " ",
            ident(wait.fact),
            both("证据", "evidence"),
            " ",
            *(join((ident(event), " ")) for event in evidence),
            f"… +{count(more)} (facts.jsonl)" if more else "",
            colspan=8,
            class_="ids",
        ),
    )
    return join((tag("tbody", first, second, class_="wait"), Html("\n")))
