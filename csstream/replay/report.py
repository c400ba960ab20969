"""The report of a replay: one HTML file for people who have to decide or to check (SPEC 10).

It is read where nothing else is at hand (an auditor's laptop, a printout, years later), so all of it is inside:
style, charts, and the one script, which only sorts tables. The content policy in its head allows these by their
hashes and nothing else, so a log that brings its own markup gets nowhere even if escaping failed.

It shows what the CSV files hold, in both languages, the whole first and then the parts. Long tables are cut,
and say what was left out: a year of two hundred agents must still open at once.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib.resources import files
from typing import TypeAlias
from zoneinfo import ZoneInfo

from csstream.core.facts import Wait
from csstream.replay import charts
from csstream.replay.charts import Series
from csstream.replay.figures import Cell, Row, count, length, local, percent, seconds, share, span, whole
from csstream.replay.markup import Html, both, ident, join, tag

BOUNDS_S = (5, 10, 15, 20, 30, 45, 60, 100, 180, 300, 600, 1800)
"""Bounds of the distribution of responses (SPEC 5)."""

LONGEST = 50
"""Waits listed one by one."""

SHOPS_DRAWN = 12
SHOPS_LISTED = 100
AGENTS_LISTED = 100
DAYS_LISTED = 31
DAYS_DRAWN = 731
EVIDENCE_LISTED = 12
NOTES_LISTED = 50
FEW_WAITS = 20
"""Below so many waits a share says little about an agent: such rows come after the others."""
TREND_POINTS = 30
CRITICAL_MS = 100_000
"""Levels from here on are shown in the colour of a loss."""


@dataclass(frozen=True, kw_only=True)
class ReportInput:
    """What one policy's replay found. Nothing in it may depend on a clock or on the number of workers."""

    version: str
    """Of csstream."""
    policy: Mapping[str, object]
    """`csstream.policy.describe`: every field by name."""
    policy_tag: str
    timezone: str
    inputs: Sequence[Mapping[str, Cell]]
    """As in the manifest: `file`, `sha256`, `bytes`, `lines`; further keys are ignored."""
    counts: Mapping[str, object]
    """Plain counts by name in the order to show; a nested mapping is shown as `name.key`."""
    notes: Sequence[str]
    shops: Sequence[Row]
    """Rows of `shops.csv`, by shop and day."""
    agents: Sequence[Row]
    """Rows of `agents.csv`, by shop, day and agent."""
    shop_totals: Sequence[Row]
    """The columns of `shops.csv` but `day`, one row a shop over all days (sums, mean, exact percentiles)."""
    agent_totals: Sequence[Row]
    """The columns of `agents.csv` but `day`, one row for each shop and agent."""
    hours: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    """By shop, 24 pairs by local hour of `since`: waits (as the column `waits`), and those of them that were
    not answered within 30 s. So the sums are `waits` and `waits - within_30`."""
    histogram: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """By shop, 13 counts: the samples of `responses` up to each of `BOUNDS_S`, not cumulative, then over it."""
    longest: Sequence[Wait] = ()
    """The longest `normal` waits, `void` and `bot` left out, by the customer clock (open ones up to the shop's
    clock), longest first, ties by fact id; the first `LONGEST` are shown."""
    clocks: Mapping[str, int] = field(default_factory=dict)
    """By shop, its clock at the end (epoch ms): how long open waits are."""
    alerts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Number of alerts by (rule, severity)."""
    dead_letters: Mapping[str, int] = field(default_factory=dict)
    """Rejected lines by reason."""


def render(report: ReportInput) -> str:
    """The whole file as text, to be written as UTF-8. The same input gives the same text."""
    style, script = _asset("report.css"), _asset("report.js")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    sections = [section for section in _sections(report) if section is not None]
    links = (
        tag("a", section.zh, " ", tag("span", section.en, class_="en", lang="en"), href=f"#{section.name}")
        for section in sections
    )
    head = join(
        (
            Html('<meta charset="utf-8">\n'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">\n'),
            Html('<meta name="referrer" content="no-referrer">\n'),
            tag("title", f"客服响应审计 · csstream · {report.policy_tag}"),
            Html(f"\n<style>{style}</style>\n"),
        )
    )
    body = join(
        (
            _header(report),
            tag("nav", *links),
            *(
                tag(
                    "section",
                    Html("\n"),
                    tag("h2", both(section.zh, section.en)),
                    section.body,
                    id=section.name,
                )
                for section in sections
            ),
            Html(f"\n<script>{script}</script>"),
        )
    )
    return f'<!DOCTYPE html>\n<html lang="zh-CN">\n<head>\n{head}</head>\n<body>\n{body}\n</body>\n</html>\n'


@cache
def _asset(name: str) -> Html:
    return Html((files("csstream.replay") / name).read_text("utf-8"))


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


@dataclass(frozen=True)
class _Section:
    name: str
    zh: str
    en: str
    body: Html


def _sections(report: ReportInput) -> Iterable[_Section | None]:
    yield _Section("glance", "总览", "At a glance", _glance(report))
    yield _Section("shops", "店铺", "Shops", _shops(report))
    yield _Section("agents", "客服", "Agents, worst first", _agents(report))
    yield _Section("longest", "最长等待", "The longest waits", _longest(report))
    if report.alerts:
        yield _Section("alerts", "告警", "Alerts", _alerts(report))
    yield _Section("rejected", "拒收的行", "Dead letters", _dead_letters(report))
    yield _Section("sources", "依据", "Sources and policy", _sources(report))
    yield _Section("reading", "如何阅读", "How to read this", _reading(report))


def _header(report: ReportInput) -> Html:
    days = sorted({str(row["day"]) for row in report.shops})
    shown = f"{days[0]} – {days[-1]}" if len(days) > 1 else "".join(days) or "–"
    return tag(
        "header",
        tag("h1", both("客服响应审计报告", "Customer service response audit")),
        tag(
            "div",
            tag("span", both("日期", "days"), " ", tag("b", shown)),
            tag("span", both("店铺", "shops"), " ", tag("b", count(len(report.shop_totals)))),
            tag("span", both("时区", "time zone"), " ", tag("b", report.timezone)),
            tag("span", both("规则", "policy"), " ", tag("b", ident(report.policy_tag))),
            tag("span", "csstream ", tag("b", report.version)),
            class_="meta",
        ),
    )


# Tables


@dataclass(frozen=True)
class _Column:
    zh: str
    en: str
    cell: Callable[[Row], Html]
    """The whole `td`."""
    numeric: bool = True

    def head(self) -> Html:
        return tag("th", both(self.zh, self.en), class_="n" if self.numeric else None, scope="col")


def _cell(shown: str, value: float | None, *more: str) -> Html:
    # What sorts is the value; a cell without a sample sorts last, in either direction.
    return tag("td", shown, *more, class_="n", data_v="" if value is None else f"{value:.6g}")


def _name(zh: str, en: str, name: str) -> _Column:
    return _Column(zh, en, lambda row: tag("td", ident(str(row.get(name)))), numeric=False)


def _count(zh: str, en: str, name: str) -> _Column:
    return _Column(zh, en, lambda row: _cell(count(whole(row, name)), whole(row, name)))


def _time(zh: str, en: str, name: str) -> _Column:
    return _Column(zh, en, lambda row: _cell(length(seconds(row, name)), seconds(row, name)))


def _ratio(zh: str, en: str, part: str, total: str, *, drawn: bool = False) -> _Column:
    def cell(row: Row) -> Html:
        over, under, value = whole(row, part), whole(row, total), share(row, part, total)
        picture = join((charts.bar(value), " ")) if drawn else Html("")
        of = tag("small", f"{count(over)} / {count(under)}") if under else Html("")
        return _cell(join((picture, percent(over, under))), value, of)

    return _Column(zh, en, cell)


_FIGURES = (
    _count("咨询人次", "consulted", "consulted"),
    _ratio("回复率", "replied, any", "replied_any", "consulted"),
    _ratio("严格回复率", "replied, strict", "replied_strict", "consulted"),
    _count("等待次数", "waits", "waits"),
    _ratio("30 秒应答率", "within 30 s", "within_30", "waits", drawn=True),
    _count("响应次数", "responses", "responses"),
    _time("平均响应", "mean", "response_mean_s"),
    _time("中位", "p50", "response_p50_s"),
    _time("p90", "90 % below", "response_p90_s"),
    _time("最长", "max", "response_max_s"),
)
_LOSSES = (
    _count("超长", "excluded", "excluded_long"),
    _count("未答转出", "handed on", "transferred_unanswered"),
)
_SHOP_LOSSES = (
    *_LOSSES,
    _count("顾客离开", "abandoned", "abandoned"),
    _count("过期未答", "expired", "expired"),
)


def _table(
    columns: Sequence[_Column], rows: Iterable[Row], total: Html | None = None, *, sortable: bool = True
) -> Html:
    body = (tag("tr", *(column.cell(row) for column in columns)) for row in rows)
    return tag(
        "div",
        tag(
            "table",
            tag("thead", tag("tr", *(column.head() for column in columns)), total or Html("")),
            Html("\n"),
            tag("tbody", *(part for row in body for part in (row, Html("\n")))),
            class_="sortable" if sortable else None,
        ),
        class_="scroll",
    )


def _left_out(zh: str, en: str) -> Html:
    return tag("p", both(zh, en), class_="note")


# At a glance


def _glance(report: ReportInput) -> Html:
    if not report.shop_totals:
        return tag("p", both("日志中没有咨询。", "The log holds no conversation."))
    total = _sum(report.shop_totals)
    alone = report.shop_totals[0] if len(report.shop_totals) == 1 else None
    tiles = [
        _tile(
            "咨询人次",
            "customers × days",
            count(whole(total, "consulted")),
            "每人每店每日计一次 · one per customer, shop, day",
        ),
        _ratio_tile("回复率", "replied at all", total, "replied_any", "consulted"),
        _ratio_tile("严格回复率", "nothing left open", total, "replied_strict", "consulted"),
        _ratio_tile("30 秒应答率", "within 30 s", total, "within_30", "waits"),
        _tile(
            "平均响应",
            "mean response",
            length(_mean(total)),
            f"{count(whole(total, 'responses'))} 次 · responses",
        ),
    ]
    if alone is not None:
        tiles.append(
            _tile(
                "中位 / p90",
                "median / p90",
                f"{length(seconds(alone, 'response_p50_s'))} / {length(seconds(alone, 'response_p90_s'))}",
                f"最长 max {length(seconds(alone, 'response_max_s'))}",
            )
        )
    unanswered = [whole(total, name) for name in ("abandoned", "expired")]
    tiles.append(
        _tile(
            "无人应答",
            "never answered",
            count(_added(unanswered)),
            f"离开 abandoned {count(unanswered[0])} · 过期 expired {count(unanswered[1])}",
        )
    )
    if report.longest:
        longest = report.longest[0]
        tiles.append(
            _tile(
                "最长等待",
                "longest wait",
                span(_waited(longest, report.clocks)),
                join((ident(longest.customer), " · ", local(longest.since, ZoneInfo(report.timezone)))),
            )
        )
    rejected = sum(report.dead_letters.values())
    warning = (
        tag(
            "p",
            both(
                f"有 {count(rejected)} 行无法读取，不在以下数字之内。",
                f"Lines that could not be read and are in no figure here: {count(rejected)}.",
            ),
            " ",
            tag("a", "→ 拒收的行", href="#rejected"),
            class_="warning",
        )
        if rejected
        else Html("")
    )
    return join((warning, tag("div", *tiles, class_="tiles"), _shop_table(report)))


def _shop_table(report: ReportInput) -> Html:
    if len(report.shop_totals) < 2:
        return Html("")
    shown = _by_waits(report.shop_totals)[:SHOPS_LISTED]
    rest = len(report.shop_totals) - len(shown)
    note = (
        _left_out(f"另有 {count(rest)} 家店铺见 shops.csv。", f"{count(rest)} more shops are in shops.csv.")
        if rest
        else Html("")
    )
    return join((_table((_name("店铺", "shop", "shop"), *_FIGURES, *_SHOP_LOSSES), shown), note))


def _tile(zh: str, en: str, value: str, below: str) -> Html:
    return tag("div", both(zh, en), tag("b", value), tag("small", below), class_="tile")


def _ratio_tile(zh: str, en: str, row: Row, part: str, total: str) -> Html:
    over, under = whole(row, part), whole(row, total)
    return _tile(zh, en, percent(over, under), f"{count(over)} / {count(under)}")


def _sum(rows: Sequence[Row]) -> Row:
    names = ("consulted", "replied_any", "replied_strict", "waits", "within_30", "responses")
    more = ("response_sum_ms", "abandoned", "expired")
    return {name: _added([whole(row, name) for row in rows]) for name in (*names, *more)}


def _added(values: Sequence[int | None]) -> int | None:
    # What was not computed in one place is not known in all.
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _mean(row: Row) -> float | None:
    number, total_ms = whole(row, "responses"), whole(row, "response_sum_ms")
    return total_ms / (1000 * number) if number and total_ms is not None else None


def _by_waits(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-(whole(row, "waits") or 0), str(row["shop"])))


# Shops


def _shops(report: ReportInput) -> Html:
    by_shop: dict[str, list[Row]] = {}
    for row in report.shops:
        by_shop.setdefault(str(row["shop"]), []).append(row)
    drawn = _by_waits(report.shop_totals)[:SHOPS_DRAWN]
    parts = [_shop(report, total, by_shop.get(str(total["shop"]), [])) for total in drawn]
    rest = len(report.shop_totals) - len(drawn)
    if rest:
        parts.append(
            _left_out(
                f"此处为等待最多的 {SHOPS_DRAWN} 家店铺；其余 {count(rest)} 家见总览和 shops.csv。",
                f"These are the {SHOPS_DRAWN} shops with the most waits; {count(rest)} more are in the table above and in shops.csv.",
            )
        )
    return join(parts)


def _shop(report: ReportInput, total: Row, days: Sequence[Row]) -> Html:
    shop = str(total["shop"])
    pictures: list[Html] = []
    if len(days) > 1:
        pictures += _daily_charts(days[-DAYS_DRAWN:])
    hours = report.hours.get(shop)
    if hours and any(waits for waits, _ in hours):
        pictures.append(_hours_chart(hours))
    histogram = report.histogram.get(shop)
    if histogram and any(histogram):
        pictures.append(_histogram_chart(histogram, whole(total, "excluded_long") or 0))
    columns = (
        _Column("日期", "day", lambda row: tag("td", str(row["day"]), class_="t"), numeric=False),
        *_FIGURES,
        *_SHOP_LOSSES,
    )
    whole_range = {**total, "day": "全部 total"}
    summary = tag("tr", *(column.cell(whole_range) for column in columns), class_="total")
    listed = days[-DAYS_LISTED:]
    rest = len(days) - len(listed)
    note = (
        _left_out(
            f"最近 {DAYS_LISTED} 天；之前的 {count(rest)} 天见 shops.csv，合计包含全部 {count(len(days))} 天。",
            f"The last {DAYS_LISTED} days; the {count(rest)} before are in shops.csv. The total is over all {count(len(days))} days.",
        )
        if rest
        else Html("")
    )
    return join(
        (
            Html("\n"),
            tag("h3", ident(shop)),
            tag("div", *pictures, class_="charts"),
            _table(columns, listed, summary),
            note,
        )
    )


_WITHIN = ("good", both("30 秒内答复", "answered within 30 s"))
_OVER = ("bad", both("未在 30 秒内答复", "not within 30 s"))


def _daily_charts(rows: Sequence[Row]) -> list[Html]:
    days = [date.fromisoformat(str(row["day"])).toordinal() for row in rows]
    rates = (
        Series("s1", both("回复率", "any"), [share(row, "replied_any", "consulted") for row in rows]),
        Series("s2", both("严格", "strict"), [share(row, "replied_strict", "consulted") for row in rows]),
        Series("s3", both("30 秒应答", "within 30 s"), [share(row, "within_30", "waits") for row in rows]),
    )
    hundred = [
        Series(line.colour, line.name, [None if v is None else 100 * v for v in line.values])
        for line in rates
    ]
    times = (
        Series("s1", both("中位", "p50"), [seconds(row, "response_p50_s") for row in rows]),
        Series("s3", both("平均", "mean"), [seconds(row, "response_mean_s") for row in rows]),
        Series("s2", Html("p90"), [seconds(row, "response_p90_s") for row in rows]),
    )
    within = Series(*_WITHIN, [whole(row, "within_30") or 0 for row in rows])
    over = Series(*_OVER, [(whole(row, "waits") or 0) - (whole(row, "within_30") or 0) for row in rows])
    consulted = Series("s1", both("咨询人数", "customers"), [whole(row, "consulted") for row in rows])
    lowest = min((value for line in hundred for value in line.values if value is not None), default=0)
    floor = next(low for low in (80, 60, 20, 0) if low <= lowest)
    rate_tips = [
        f"{row['day']}: any {percent(whole(row, 'replied_any'), whole(row, 'consulted'))}, "
        f"strict {percent(whole(row, 'replied_strict'), whole(row, 'consulted'))}, "
        f"30 s {percent(whole(row, 'within_30'), whole(row, 'waits'))}"
        for row in rows
    ]
    time_tips = [
        f"{row['day']}: p50 {length(seconds(row, 'response_p50_s'))}, mean {length(seconds(row, 'response_mean_s'))}, "
        f"p90 {length(seconds(row, 'response_p90_s'))} (n = {count(whole(row, 'responses'))})"
        for row in rows
    ]
    wait_tips = [
        f"{row['day']}: {count(whole(row, 'waits'))} waits, {count(whole(row, 'within_30'))} within 30 s"
        for row in rows
    ]
    consult_tips = [f"{row['day']}: {count(whole(row, 'consulted'))} customers" for row in rows]
    return [
        charts.figure(
            both("每日比率", "Rates by day"),
            charts.days_lines("Rates by day", days, hundred, floor, 100, " %", rate_tips),
            [(line.colour, line.name) for line in rates],
        ),
        charts.figure(
            both("每日响应时长（秒）", "Response by day, seconds"),
            charts.days_lines("Response times by day", days, times, 0, None, "", time_tips),
            [(line.colour, line.name) for line in times],
        ),
        charts.figure(
            both("每日等待", "Waits by day"),
            charts.days_columns("Waits by day", days, (within, over), wait_tips),
            (_WITHIN, _OVER),
        ),
        charts.figure(
            both("每日咨询人数", "Customers by day"),
            charts.days_columns("Customers who consulted, by day", days, (consulted,), consult_tips),
        ),
    ]


def _hours_chart(hours: Sequence[tuple[int, int]]) -> Html:
    within = Series(*_WITHIN, [waits - over for waits, over in hours])
    over_30 = Series(*_OVER, [over for _, over in hours])
    return charts.figure(
        both("按时段的等待，上方为未及时 %", "Waits by local hour; above, % not within 30 s"),
        charts.columns(
            "Waits by local hour",
            [f"{hour}" for hour in range(24)],
            (within, over_30),
            [f"{(200 * over + waits) // (2 * waits)}" if waits else "" for waits, over in hours],
            [
                f"{hour:02d}:00–{hour + 1:02d}:00: {count(waits)} waits, {count(over)} not within 30 s ({percent(over, waits)})"
                for hour, (waits, over) in enumerate(hours)
            ],
        ),
        (_WITHIN, _OVER),
    )


def _histogram_chart(histogram: Sequence[int], excluded: int) -> Html:
    number = sum(histogram)
    names = [f"≤{bound}" for bound in BOUNDS_S] + [f">{BOUNDS_S[-1]}"]
    at = BOUNDS_S.index(30) + 1
    quick = Series(*_WITHIN, [*histogram[:at], *(0 for _ in histogram[at:])])
    slow = Series("bad", both("超过 30 秒", "over 30 s"), [*(0 for _ in histogram[:at]), *histogram[at:]])
    caption = (
        both(
            f"响应时长分布（秒），另剔除超长 {count(excluded)}",
            f"Responses, seconds; {count(excluded)} long ones excluded",
        )
        if excluded
        else both("响应时长分布（秒）", "Distribution of responses, seconds")
    )
    return charts.figure(
        caption,
        charts.columns(
            "Distribution of responses",
            names,
            (quick, slow),
            [percent(part, number).replace(" ", "") if part else "" for part in histogram],
            [
                f"{name} s: {count(part)} ({percent(part, number)})"
                for name, part in zip(names, histogram, strict=True)
            ],
        ),
        ((quick.colour, quick.name), (slow.colour, slow.name)),
    )


# Agents

_Place: TypeAlias = tuple[str, str]


def _agents(report: ReportInput) -> Html:
    if not report.agent_totals:
        return tag("p", both("没有客服接待。", "No agent received anybody."))
    ordered = sorted(report.agent_totals, key=_worst_first)
    shown = ordered[:AGENTS_LISTED]
    trends = _trends(report, shown)
    points = [value for trend in trends.values() for value in trend if value is not None]
    lowest = min(int(10 * min(points, default=0)) / 10, 0.9)
    several = len(report.shop_totals) > 1
    columns = [_name("客服", "agent", "agent")]
    if several:
        columns.insert(0, _name("店铺", "shop", "shop"))
    columns += [
        _ratio("30 秒应答率", "within 30 s", "within_30", "waits", drawn=True),
        _time("平均响应", "mean", "response_mean_s"),
        _time("中位", "p50", "response_p50_s"),
        _time("p90", "90 % below", "response_p90_s"),
        _time("最长", "max", "response_max_s"),
        _count("响应次数", "responses", "responses"),
        _time("首响", "first, mean", "first_response_mean_s"),
        _ratio("未回复接待", "unanswered", "receptions_unanswered", "receptions"),
        _ratio("回复率", "replied, any", "replied_any", "consulted"),
        _ratio("严格回复率", "replied, strict", "replied_strict", "consulted"),
        *_LOSSES,
    ]
    if trends:
        columns.append(
            _Column(
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
        _left_out(
            f"按 30 秒应答率由低到高{last[0]}。客服只对顾客在自己手中的时间负责。",
            f"By the share within 30 s, lowest first{last[1]}. "
            "An agent is charged only for the time the customer was with them.",
        )
    ]
    rest = ordered[AGENTS_LISTED:]
    if rest:
        left = _sum(rest)
        notes.append(
            _left_out(
                f"另有 {count(len(rest))} 名客服（等待 {count(whole(left, 'waits'))} 次，其中 30 秒内 {count(whole(left, 'within_30'))} 次）见 agents.csv。",
                f"{count(len(rest))} more agents ({count(whole(left, 'waits'))} waits, {count(whole(left, 'within_30'))} within 30 s) are in agents.csv.",
            )
        )
    return join((notes[0], _table(columns, shown), *notes[1:]))


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


# The longest waits

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


def _waited(wait: Wait, clocks: Mapping[str, int]) -> int:
    until = clocks.get(wait.shop, wait.since) if wait.until is None else wait.until
    return max(until - wait.since, 0)


def _longest(report: ReportInput) -> Html:
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
            _left_out(
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
        tag("td", tag("b", span(_waited(wait, report.clocks))), class_="n"),
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


# Alerts, dead letters, sources

_SEVERITIES = ("info", "warning", "critical", "breach", "lost")


def _pairs(heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[Html]], numbers: int = 1) -> Html:
    """A table of a few plain columns, the last `numbers` of them figures."""
    first = len(heads) - numbers
    return tag(
        "div",
        tag(
            "table",
            tag(
                "thead",
                tag(
                    "tr",
                    *(
                        tag("th", both(*head), class_="n" if at >= first else None, scope="col")
                        for at, head in enumerate(heads)
                    ),
                ),
            ),
            tag(
                "tbody",
                *(
                    tag(
                        "tr",
                        *(
                            tag("td", cell, class_="n" if at >= first else None)
                            for at, cell in enumerate(row)
                        ),
                    )
                    for row in rows
                ),
            ),
        ),
        class_="scroll",
    )


def _alerts(report: ReportInput) -> Html:
    def order(entry: tuple[tuple[str, str], int]) -> tuple[str, int, str]:
        (rule, severity), _ = entry
        return rule, -_SEVERITIES.index(severity) if severity in _SEVERITIES else 1, severity

    rows = [
        (ident(rule), ident(severity), join((count(number),)))
        for (rule, severity), number in sorted(report.alerts.items(), key=order)
    ]
    return _pairs((("规则", "rule"), ("级别", "severity"), ("次数", "number")), rows)


_REASONS = {
    "not_json": ("不是 JSON", "is not JSON"),
    "not_object": ("不是 JSON 对象", "is no JSON object"),
    "missing": ("缺少字段", "a field is missing"),
    "bad": ("字段的值不合格式", "a field's value does not fit"),
    "unknown_type": ("未知的事件类型", "no known type of event"),
    "unsupported_version": ("版本过新", "a newer format version"),
    "too_large": ("超过 1 MiB", "over 1 MiB"),
    "internal": ("程序自身的错误", "our own fault"),
}


def _dead_letters(report: ReportInput) -> Html:
    if not report.dead_letters:
        return tag("p", both("没有：每一行都读入了。", "None: every line was read."))
    ordered = sorted(report.dead_letters.items(), key=lambda entry: (-entry[1], entry[0]))
    rows = [
        (ident(reason), both(*_REASONS.get(reason.partition(":")[0], ("", ""))), join((count(number),)))
        for reason, number in ordered[:SHOPS_LISTED]
    ]
    rest = ordered[SHOPS_LISTED:]
    if rest:
        rows.append(
            (
                join(("…",)),
                both("其他原因", "other reasons"),
                join((count(sum(number for _, number in rest)),)),
            )
        )
    return join(
        (
            _left_out(
                "原文、文件和行号在 dead_letters.jsonl。",
                "The lines themselves, with file and line number, are in dead_letters.jsonl.",
            ),
            _pairs((("原因", "reason"), ("含义", "meaning"), ("行数", "lines")), rows),
        )
    )


def _sources(report: ReportInput) -> Html:
    inputs = [
        (
            ident(str(entry.get("file"))),
            ident(str(entry.get("sha256"))),
            join((count(whole(entry, "bytes")),)),
            join((count(whole(entry, "lines")),)),
        )
        for entry in report.inputs[:SHOPS_LISTED]
    ]
    rest = len(report.inputs) - len(inputs)
    parts = [
        tag("h3", both("输入", "Inputs")),
        _pairs((("文件", "file"), ("sha-256", ""), ("字节", "bytes"), ("行数", "lines")), inputs, 2),
    ]
    if rest:
        parts.append(
            _left_out(
                f"另有 {count(rest)} 个文件见 manifest.json。",
                f"{count(rest)} more files are in manifest.json.",
            )
        )
    if report.notes:
        parts += [
            tag("h3", both("说明", "Notes")),
            tag("ul", *(tag("li", note) for note in report.notes[:NOTES_LISTED])),
        ]
        if len(report.notes) > NOTES_LISTED:
            parts.append(
                _left_out(
                    f"另有 {count(len(report.notes) - NOTES_LISTED)} 条见 manifest.json。",
                    f"{count(len(report.notes) - NOTES_LISTED)} more are in manifest.json.",
                )
            )
    parts += [
        tag("h3", both("计数", "Counts")),
        _listing(_flat(report.counts)),
        tag("h3", both("规则", "Policy"), " ", ident(report.policy_tag)),
        _listing((name, _shown(value)) for name, value in report.policy.items()),
    ]
    return join(parts)


def _listing(entries: Iterable[tuple[str, str]]) -> Html:
    pairs = (join((tag("dt", ident(name)), tag("dd", shown))) for name, shown in entries)
    return tag("div", tag("dl", *pairs, class_="list"), class_="columns")


def _flat(counts: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in counts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, count(value) if isinstance(value, int) else str(value)


def _shown(value: object) -> str:
    """A policy's value as one would say it."""
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    if isinstance(value, Mapping):
        return " ".join(_shown(part) for part in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        apart = " · " if any(isinstance(part, Mapping) for part in value) else "、"
        return apart.join(_shown(part) for part in value)
    return str(value)


_READING = (
    (
        "顾客时钟：从顾客第一条未获答复的消息，到任何人的第一条有效答复；转接不重新计时。店铺数字与最长等待用它。",
        "Customer clock: from the first unanswered message to the first effective reply by anyone; a transfer does not restart it. Shop figures and the longest waits use it.",
    ),
    (
        "客服时钟：从顾客到达该客服起计。客服表用它。",
        "Agent clock: from the moment the customer is with that agent. The agents' table uses it.",
    ),
    (
        "回复率：当日咨询的顾客中，当日在其首条消息之后得到答复者。严格：当日 24:00 没有未答的等待，也没有离开或过期的等待。",
        "Replied, any: of the customers of a day, those who got a reply that day. Strict: those with no wait open at 24:00 and none abandoned or expired that day.",
    ),
    (
        "30 秒应答率：30 秒内（含 30 秒）答复的等待 ÷ 开始的全部等待，包括从未答复的；垃圾消息与机器人在队列中答复的不计。",
        "Within 30 s: waits answered within 30 s (exactly 30 s included) of all that began, the never answered among them; spam and waits ended by a bot in the queue are left out.",
    ),
    (
        "响应按答复之日计；等待按开始之日计；离开、过期、未答转出按结束之日计。百分位数为精确值（线性插值），比率四舍五入，旁边是分子 / 分母。",
        "A response counts on the day of the reply, a wait on the day it began, abandoned, expired and handed on when they ended. Percentiles are exact (linear interpolation), ratios are rounded half up, with numerator / denominator beside them.",
    ),
    (
        "“–” 表示没有样本或未计算，不是零。",
        "“–” means no sample or not computed; it is not zero.",
    ),
)


def _reading(report: ReportInput) -> Html:
    extra = []
    if (hours := report.policy.get("hours")) not in (None, "always"):
        extra.append(
            both(
                f"响应、等待与 30 秒应答率只计 {hours} 内开始的等待。",
                f"Responses, waits and the share within 30 s count only what began within {hours}.",
            )
        )
    if (limit := report.policy.get("long_wait")) not in (None, "none"):
        extra.append(
            both(
                f"超长等待（{_shown(limit)}）：exclude 剔除并计入“超长”，cap 按上限计；不影响 30 秒应答率和最长等待。",
                f"Long waits ({_shown(limit)}): excluded ones are counted as such, capped ones count as the cap; the share within 30 s and the longest waits are not touched.",
            )
        )
    items = [both(zh, en) for zh, en in _READING] + extra
    return tag("ul", *(tag("li", item) for item in items))
