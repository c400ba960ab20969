"""The columns that tables share: each figure reads and sorts alike wherever it stands."""

from csstream.replay import charts
from csstream.replay.figures import Row, count, length, percent, seconds, share, whole, yuan
from csstream.replay.markup import Html, ident, join, tag
from csstream.replay.report.table import Column


def cell(shown: str, value: float | None, *more: str) -> Html:
    """A figure as shown, and by what it sorts."""
    # What sorts is the value; a cell without a sample sorts last, in either direction.
    return tag("td", shown, *more, class_="n", data_v="" if value is None else f"{value:.6g}")


def named(zh: str, en: str, name: str) -> Column:
    """A column of ids."""
    return Column(zh, en, lambda row: tag("td", ident(str(row.get(name)))), numeric=False)


def counted(zh: str, en: str, name: str) -> Column:
    """A column of counts."""
    return Column(zh, en, lambda row: cell(count(whole(row, name)), whole(row, name)))


def timed(zh: str, en: str, name: str) -> Column:
    """A column of measured times, from seconds."""
    return Column(zh, en, lambda row: cell(length(seconds(row, name)), seconds(row, name)))


def money(zh: str, en: str, name: str) -> Column:
    """A column of money, from fen."""
    return Column(zh, en, lambda row: cell(yuan(whole(row, name)), whole(row, name)))


def ratio(zh: str, en: str, part: str, total: str, *, drawn: bool = False) -> Column:
    """A column of shares, numerator and denominator beside them; `drawn` with a small bar."""

    def shown(row: Row) -> Html:
        over, under, value = whole(row, part), whole(row, total), share(row, part, total)
        picture = join((charts.bar(value), " ")) if drawn else Html("")
        of = tag("small", f"{count(over)} / {count(under)}") if under else Html("")
        return cell(join((picture, percent(over, under))), value, of)

    return Column(zh, en, shown)


FIGURES = (
    counted("咨询人次", "consulted", "consulted"),
    ratio("回复率", "replied, any", "replied_any", "consulted"),
    ratio("严格回复率", "replied, strict", "replied_strict", "consulted"),
    counted("等待次数", "waits", "waits"),
    ratio("30 秒应答率", "within 30 s", "within_30", "waits", drawn=True),
    counted("响应次数", "responses", "responses"),
    timed("平均响应", "mean", "response_mean_s"),
    timed("中位", "p50", "response_p50_s"),
    timed("p90", "90 % below", "response_p90_s"),
    timed("最长", "max", "response_max_s"),
)
"""What is told of a shop, over any range of days."""

LOSSES = (
    counted("超长", "excluded", "excluded_long"),
    counted("未答转出", "handed on", "transferred_unanswered"),
)
"""What the measures do not hold, of a shop or an agent."""

SHOP_LOSSES = (
    *LOSSES,
    counted("顾客离开", "abandoned", "abandoned"),
    counted("过期未答", "expired", "expired"),
)
"""The same of a shop, with the waits that nobody answered."""
