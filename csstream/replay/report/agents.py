"""Agents, worst first: whoever has to act looks at the top of a list."""

from collections.abc import Sequence
from datetime import date
from typing import TypeAlias

from csstream.replay import charts
from csstream.replay.figures import Row, count, share, whole
from csstream.replay.markup import Html, both, join, tag
from csstream.replay.report.columns import LOSSES, counted, named, ratio, timed
from csstream.replay.report.input import ReportInput
from csstream.replay.report.limits import AGENTS_LISTED
from csstream.replay.report.table import Column, left_out, table
from csstream.replay.report.totals import summed

FEW_WAITS = 20
"""Below so many waits a share says little about an agent: such rows come after the others."""
TREND_POINTS = 30
"""Parts of the small line of an agent's days."""

_Place: TypeAlias = tuple[str, str]


def body(report: ReportInput) -> Html:
    """The table of agents, with a small line of their days where there are at least three."""
    if not report.agent_totals:
        return tag("p", both("没有客服接待。", "No agent received anybody."))
    ordered = sorted(report.agent_totals, key=_worst_first)
    shown = ordered[:AGENTS_LISTED]
    trends = _trends(report, shown)
    points = [value for trend in trends.values() for value in trend if value is not None]
    lowest = min(int(10 * min(points, default=0)) / 10, 0.9)
    several = len(report.shop_totals) > 1
    columns = [named("客服", "agent", "agent")]
    if several:
        columns.insert(0, named("店铺", "shop", "shop"))
    columns += [
        ratio("30 秒应答率", "within 30 s", "within_30", "waits", drawn=True),
        timed("平均响应", "mean", "response_mean_s"),
        timed("中位", "p50", "response_p50_s"),
        timed("p90", "90 % below", "response_p90_s"),
        timed("最长", "max", "response_max_s"),
        counted("响应次数", "responses", "responses"),
        timed("首响", "first, mean", "first_response_mean_s"),
        ratio("未回复接待", "unanswered", "receptions_unanswered", "receptions"),
        ratio("回复率", "replied, any", "replied_any", "consulted"),
        ratio("严格回复率", "replied, strict", "replied_strict", "consulted"),
        *LOSSES,
    ]
    if trends:
        columns.append(
            Column(
                "走势",
                "30 s, by day",
                lambda row: tag(
                    "td", charts.spark(trends.get((str(row["shop"]), str(row["agent"])), []), lowest)
                ),
                numeric=False,
            )
        )
    few = sum((whole(row, "waits") or 0) < FEW_WAITS for row in ordered)
    last = (
        (
            f"；等待不足 {FEW_WAITS} 次的 {count(few)} 人排在后面，数少难作判断",
            f"; the {count(few)} with fewer than {FEW_WAITS} waits come last, since few cases say little",
        )
        if few
        else ("", "")
    )
    notes = [
        left_out(
            f"按 30 秒应答率由低到高{last[0]}。客服只对顾客在自己手中的时间负责。",
            f"By the share within 30 s, lowest first{last[1]}. "
            "An agent is charged only for the time the customer was with them.",
        )
    ]
    rest = ordered[AGENTS_LISTED:]
    if rest:
        left = summed(rest)
        notes.append(
            left_out(
                f"另有 {count(len(rest))} 名客服（等待 {count(whole(left, 'waits'))} 次，其中 30 秒内 {count(whole(left, 'within_30'))} 次）见 agents.csv。",
                f"{count(len(rest))} more agents ({count(whole(left, 'waits'))} waits, {count(whole(left, 'within_30'))} within 30 s) are in agents.csv.",
            )
        )
    return join((notes[0], table(columns, shown), *notes[1:]))


def _worst_first(row: Row) -> tuple[int, float, int, str, str]:
    waits = whole(row, "waits") or 0
    value = share(row, "within_30", "waits")
    return (
        0 if waits >= FEW_WAITS else 1 if waits else 2,
        2.0 if value is None else value,
        -waits,
        str(row["shop"]),
        str(row["agent"]),
    )


def _trends(report: ReportInput, shown: Sequence[Row]) -> dict[_Place, list[float | None]]:
    """Shares within 30 s over the days of the report, in at most `TREND_POINTS` even parts."""
    days = sorted({str(row["day"]) for row in report.shops})
    if len(days) < 3:
        return {}
    first = date.fromisoformat(days[0]).toordinal()
    number = date.fromisoformat(days[-1]).toordinal() - first + 1
    points = min(number, TREND_POINTS)
    part_of = {day: (date.fromisoformat(day).toordinal() - first) * points // number for day in days}
    sums = {(str(row["shop"]), str(row["agent"])): [[0, 0] for _ in range(points)] for row in shown}
    for row in report.agents:
        found = sums.get((str(row["shop"]), str(row["agent"])))
        part = part_of.get(str(row["day"]))
        if found is not None and part is not None:
            found[part][0] += whole(row, "within_30") or 0
            found[part][1] += whole(row, "waits") or 0
    return {
        place: [within / waits if waits else None for within, waits in parts] for place, parts in sums.items()
    }
