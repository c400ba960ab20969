"""How to read the page: the words behind its figures, in both languages (SPEC 5, 10)."""

from csstream.replay.markup import Html, both, tag
from csstream.replay.report.input import ReportInput
from csstream.replay.report.sources import said

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
        "咨询转化：当日咨询且近期没有订单（售前）或其后下了新单的顾客；最终下单含其后的结算窗口。付款转化按下单日计，以人计，不含货到付款；两者不相乘。",
        "Inquiry conversion: customers who asked that day and had no recent order (pre-sale), or made a new one; the final figure includes the window after the day. Payment conversion: persons, by the day of the order, cash on delivery left out. The two are never multiplied.",
    ),
    (
        "“–” 表示没有样本或未计算，不是零。",
        "“–” means no sample or not computed; it is not zero.",
    ),
)


def body(report: ReportInput) -> Html:
    """The definitions, and what of them this policy changes."""
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
                f"超长等待（{said(limit)}）：exclude 剔除并计入“超长”，cap 按上限计；不影响 30 秒应答率和最长等待。",
                f"Long waits ({said(limit)}): excluded ones are counted as such, capped ones count as the cap; the share within 30 s and the longest waits are not touched.",
            )
        )
    items = [both(zh, en) for zh, en in _READING] + extra
    return tag("ul", *(tag("li", item) for item in items))
