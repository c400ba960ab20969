"""Shop by shop: its days as charts and as a table, the busiest first."""

from collections.abc import Sequence

from csstream.replay.figures import Row, count, whole
from csstream.replay.markup import Html, ident, join, tag
from csstream.replay.report import drawings
from csstream.replay.report.columns import FIGURES, SHOP_LOSSES
from csstream.replay.report.input import ReportInput
from csstream.replay.report.limits import DAYS_DRAWN, DAYS_LISTED, SHOPS_DRAWN
from csstream.replay.report.table import Column, left_out, table
from csstream.replay.report.totals import by_waits


def body(report: ReportInput) -> Html:
    """The shops with the most waits, up to `SHOPS_DRAWN`."""
    by_shop: dict[str, list[Row]] = {}
    for row in report.shops:
        by_shop.setdefault(str(row["shop"]), []).append(row)
    drawn = by_waits(report.shop_totals)[:SHOPS_DRAWN]
    parts = [_shop(report, total, by_shop.get(str(total["shop"]), [])) for total in drawn]
    rest = len(report.shop_totals) - len(drawn)
    if rest:
        parts.append(
            left_out(
                f"此处为等待最多的 {SHOPS_DRAWN} 家店铺；其余 {count(rest)} 家见总览和 shops.csv。",
                f"These are the {SHOPS_DRAWN} shops with the most waits; {count(rest)} more are in the table above and in shops.csv.",
            )
        )
    return join(parts)


def _shop(report: ReportInput, total: Row, days: Sequence[Row]) -> Html:
    shop = str(total["shop"])
    pictures: list[Html] = []
    if len(days) > 1:
        pictures += drawings.daily(days[-DAYS_DRAWN:])
    hours = report.hours.get(shop)
    if hours and any(waits for waits, _ in hours):
        pictures.append(drawings.hourly(hours))
    histogram = report.histogram.get(shop)
    if histogram and any(histogram):
        pictures.append(drawings.distribution(histogram, whole(total, "excluded_long") or 0))
    columns = (
        Column("日期", "day", lambda row: tag("td", str(row["day"]), class_="t"), numeric=False),
        *FIGURES,
        *SHOP_LOSSES,
    )
    whole_range = {**total, "day": "全部 total"}
    summary = tag("tr", *(column.cell(whole_range) for column in columns), class_="total")
    listed = days[-DAYS_LISTED:]
    rest = len(days) - len(listed)
    note = (
        left_out(
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
            table(columns, listed, summary),
            note,
        )
    )
