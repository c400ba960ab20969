"""Orders: what came of the inquiries, what was earned, and who was reminded (SPEC 6).

Conversion stands in two tables that are never multiplied: of those who asked, who ordered; of those who ordered, who
paid. Days whose final window is still open are marked, because they will change.
"""

from collections.abc import Sequence

from csstream.replay.figures import Row, count, percent, span, whole, yuan
from csstream.replay.lost import CUSTOMER
from csstream.replay.markup import Html, both, ident, join, tag
from csstream.replay.report.columns import cell, counted, money, named, ratio
from csstream.replay.report.input import ReportInput
from csstream.replay.report.limits import AGENTS_LISTED, DAYS_LISTED, EVIDENCE_LISTED, SHOPS_DRAWN
from csstream.replay.report.table import Column, left_out, plain, table

_SHOWN = ("inquirers", "orders_owned", "silent_orders", "turnover_fen", "refunds_fen", "reminders_due")


def any_orders(report: ReportInput) -> bool:
    """Whether there is anything to say: a log without orders has no such section."""
    return any(whole(row, name) for row in report.shop_totals for name in _SHOWN[1:])


def body(report: ReportInput) -> Html:
    """Shop by shop the days, then the agents, the scripts and the lost inquiries."""
    shops = [row for row in report.shop_totals if any(whole(row, name) for name in _SHOWN)]
    shops.sort(key=lambda row: (-(whole(row, "turnover_fen") or 0), str(row["shop"])))
    parts = [_shop(report, total) for total in shops[:SHOPS_DRAWN]]
    if len(shops) > SHOPS_DRAWN:
        parts.append(
            left_out(
                f"此处为营业额最高的 {SHOPS_DRAWN} 家店铺，其余见 shops.csv。",
                f"These are the {SHOPS_DRAWN} shops with the highest turnover; the others are in shops.csv.",
            )
        )
    return join((*parts, _agents(report), _scripts(report), _lost(report)))


def _day(row: Row) -> Html:
    mark = tag("small", both("未定", "provisional")) if row.get("provisional") else Html("")
    return tag("td", str(row["day"]), " ", mark, class_="t")


def _lost_share(row: Row) -> Html:
    asked, ordered = whole(row, "inquirers"), whole(row, "ordered_final")
    lost = None if asked is None or ordered is None else asked - ordered
    of = tag("small", f"{count(lost)} / {count(asked)}") if asked else Html("")
    return cell(percent(lost, asked), lost / asked if lost is not None and asked else None, of)


def _unit_price(zh: str, en: str, turnover: str, buyers: str) -> Column:
    def shown(row: Row) -> Html:
        total, number = _turnover(row, turnover), whole(row, buyers)
        price = (2 * total + number) // (2 * number) if total is not None and number else None
        of = tag("small", f"{yuan(total)} / {count(number)}") if number else Html("")
        return cell(yuan(price), price, of)

    return Column(zh, en, shown)


def _turnover(row: Row, name: str) -> int | None:
    if name != "turnover_silent_fen":
        return whole(row, name)
    every, served = whole(row, "turnover_fen"), whole(row, "turnover_served_fen")
    return None if every is None or served is None else every - served


_DAYS = (
    Column("日期", "day", _day, numeric=False),
    counted("咨询人数", "inquirers", "inquirers"),
    ratio("当日下单", "ordered, same day", "ordered_same_day", "inquirers"),
    ratio("最终下单", "ordered, final", "ordered_final", "inquirers"),
    Column("流失", "lost", _lost_share),
    ratio("付款转化", "paid, of orderers", "payers", "orderers"),
    money("营业额", "turnover", "turnover_fen"),
    money("退款", "refunds", "refunds_fen"),
    _unit_price("客单价", "unit price", "turnover_fen", "buyers"),
    _unit_price("咨询客单价", "served", "turnover_served_fen", "buyers_served"),
    _unit_price("静默客单价", "silent", "turnover_silent_fen", "buyers_silent"),
    counted("客服订单", "orders owned", "orders_owned"),
    counted("静默订单", "silent orders", "silent_orders"),
    counted("日末未付", "unpaid at 24:00", "unpaid_open"),
    ratio("催付未做", "reminders missed", "reminders_missed", "reminders_due"),
)


def _shop(report: ReportInput, total: Row) -> Html:
    days = [row for row in report.shops if row["shop"] == total["shop"]]
    whole_range = {**total, "day": "全部 total", "unpaid_open": days[-1]["unpaid_open"] if days else None}
    summary = tag("tr", *(column.cell(whole_range) for column in _DAYS), class_="total")
    listed = days[-DAYS_LISTED:]
    note = (
        left_out(
            f"最近 {DAYS_LISTED} 天；其余见 shops.csv。",
            f"The last {DAYS_LISTED} days; the others are in shops.csv.",
        )
        if len(days) > len(listed)
        else Html("")
    )
    return join((Html("\n"), tag("h3", ident(str(total["shop"]))), table(_DAYS, listed, summary), note))


def _agents(report: ReportInput) -> Html:
    rows = [
        row
        for row in report.agent_totals
        if any(whole(row, name) for name in ("orders_owned", "turnover_fen", "refunds_fen", "reminders_due"))
    ]
    if not rows:
        return Html("")
    rows.sort(key=lambda row: (-(whole(row, "turnover_fen") or 0), str(row["shop"]), str(row["agent"])))
    columns = [
        *([named("店铺", "shop", "shop")] if len(report.shop_totals) > 1 else []),
        named("客服", "agent", "agent"),
        counted("归属订单", "orders owned", "orders_owned"),
        money("营业额", "turnover", "turnover_fen"),
        money("退款", "refunds", "refunds_fen"),
        counted("催付", "reminders", "reminders_due"),
        ratio("催付未做", "missed", "reminders_missed", "reminders_due"),
    ]
    note = left_out(
        "订单归属：备注、商品、聊天依次判定；转单后营业额随之移动，已派的催付不变。",
        "An order belongs to whom its memo, its goods or the chat name, in this order; turnover follows a later memo, a reminder already asked for does not.",
    )
    return join(
        (tag("h3", both("客服的订单", "Orders by agent")), note, table(columns, rows[:AGENTS_LISTED]))
    )


def _scripts(report: ReportInput) -> Html:
    if not report.scripts:
        return Html("")
    rows: list[Row] = [
        {"shop": shop, "script": script, **columns} for (shop, script), columns in report.scripts.items()
    ]
    columns = [
        *([named("店铺", "shop", "shop")] if len(report.shop_totals) > 1 else []),
        named("催付话术", "script", "script"),
        counted("催付订单", "orders reminded", "reminded"),
        ratio("末次催付成交", "paid, last touch", "paid_last", "reminded"),
        ratio("参与成交", "paid, any touch", "paid_any", "reminded"),
        ratio("其后取消", "cancelled", "cancelled", "reminded"),
    ]
    return join((tag("h3", both("催付话术", "Reminder scripts")), table(columns, rows)))


def _lost(report: ReportInput) -> Html:
    if not report.lost:
        return Html("")
    heads = (
        ("顾客", "customer"),
        ("日期", "day"),
        ("最后发言", "last word"),
        ("证据", "evidence"),
        ("未答", "unanswered"),
        ("最长等待", "longest wait"),
    )
    several = len(report.shop_totals) > 1
    rows: list[Sequence[Html]] = [
        (
            join((ident(each.customer), tag("small", ident(each.shop)) if several else Html(""))),
            tag("span", each.day),
            both("顾客", "customer") if each.last == CUSTOMER else ident(each.last),
            join(join((ident(event), " ")) for event in each.evidence[:EVIDENCE_LISTED]),
            tag("span", count(each.unanswered)),
            tag("b", span(each.longest_ms)),
        )
        for each in report.lost
    ]
    note = left_out(
        f"咨询后没有下单的顾客，按当日最长等待排序，最多 {len(report.lost)} 条；全部见 facts.jsonl 的 consult（ordered = no）。",
        "Customers who asked and did not order, by their longest wait of the day; all are in facts.jsonl (consult, ordered = no).",
    )
    return join((tag("h3", both("流失的咨询", "Lost inquiries")), note, plain(heads, rows, numbers=2)))
