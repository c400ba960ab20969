"""The charts of one shop: which of its figures are drawn together, and what their tooltips say."""

from collections.abc import Sequence
from datetime import date

from csstream.replay import charts
from csstream.replay.charts import Series
from csstream.replay.figures import Row, count, length, percent, seconds, share, whole
from csstream.replay.markup import Html, both
from csstream.replay.report.input import BOUNDS_S

_WITHIN = ("good", both("30 秒内答复", "answered within 30 s"))
_OVER = ("bad", both("未在 30 秒内答复", "not within 30 s"))


def daily(rows: Sequence[Row]) -> list[Html]:
    """Rates, times, waits and customers of one shop, by day."""
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


def hourly(hours: Sequence[tuple[int, int]]) -> Html:
    """Waits by local hour, from 24 pairs: all, and those not within 30 s."""
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


def distribution(histogram: Sequence[int], excluded: int) -> Html:
    """Responses by length, from the counts of `ReportInput.histogram`."""
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
