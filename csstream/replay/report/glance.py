"""At a glance: the figures of the whole, and the shops side by side."""

from zoneinfo import ZoneInfo

from csstream.replay.figures import Row, count, length, local, percent, seconds, span, whole
from csstream.replay.markup import Html, both, ident, join, tag
from csstream.replay.report.columns import FIGURES, SHOP_LOSSES, named
from csstream.replay.report.input import ReportInput
from csstream.replay.report.limits import SHOPS_LISTED
from csstream.replay.report.longest import waited
from csstream.replay.report.table import left_out, table
from csstream.replay.report.totals import added, by_waits, mean_s, summed


def body(report: ReportInput) -> Html:
    """The tiles, what could not be read, and the table of shops if there are several."""
    if not report.shop_totals:
        return tag("p", both("日志中没有咨询。", "The log holds no conversation."))
    total = summed(report.shop_totals)
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
            length(mean_s(total)),
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
            count(added(unanswered)),
            f"离开 abandoned {count(unanswered[0])} · 过期 expired {count(unanswered[1])}",
        )
    )
    if report.longest:
        longest = report.longest[0]
        tiles.append(
            _tile(
                "最长等待",
                "longest wait",
                span(waited(longest, report.clocks)),
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
    shown = by_waits(report.shop_totals)[:SHOPS_LISTED]
    rest = len(report.shop_totals) - len(shown)
    note = (
        left_out(f"另有 {count(rest)} 家店铺见 shops.csv。", f"{count(rest)} more shops are in shops.csv.")
        if rest
        else Html("")
    )
    return join((table((named("店铺", "shop", "shop"), *FIGURES, *SHOP_LOSSES), shown), note))


def _tile(zh: str, en: str, value: str, below: str) -> Html:
    return tag("div", both(zh, en), tag("b", value), tag("small", below), class_="tile")


def _ratio_tile(zh: str, en: str, row: Row, part: str, total: str) -> Html:
    over, under = whole(row, part), whole(row, total)
    return _tile(zh, en, percent(over, under), f"{count(over)} / {count(under)}")
