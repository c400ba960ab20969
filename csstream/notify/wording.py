"""A message in words, in Chinese or English; what every sink for people says, each in its own form.

What an alert says comes from its own `summary`; what is added is what somebody needs who is called away from
something else: where, who, since when, and the way to the wall. All that came from outside is made inert here, once,
so that no sink can forget it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from csstream.core.alert import Alert
from csstream.notify.message import Message
from csstream.notify.neutral import inert, masked

LANGUAGES = ("zh", "en")


@dataclass(frozen=True)
class Voice:
    """How a sink speaks: language, time zone, where the wall is, and whether customers are named in full."""

    language: str = "zh"
    zone: str = "Asia/Shanghai"
    wall_url: str | None = None
    mask_customers: bool = True


@dataclass(frozen=True)
class Text:
    """A message in words: one line that says it all, the lines below it, and a link."""

    title: str
    lines: tuple[str, ...]
    link: str | None = None

    def whole(self) -> str:
        """All of it as plain text."""
        return "\n".join((self.title, *self.lines, *([self.link] if self.link else [])))


_WORDS: Mapping[str, Mapping[str, str]] = {
    "zh": {
        "info": "提示", "warning": "警告", "critical": "严重", "breach": "违约", "lost": "流失",
        "cleared": "已解除", "answered": "已回复", "abandoned": "顾客已离开", "expired": "已过期", "bot": "机器人已答",
        "moot": "无需回复", "void": "作废", "done": "已完成", "missed": "已错过", "paid": "已付款", "withdrawn": "已撤回",
        "cancelled": "已取消", "closed": "已关闭", "refunded": "已退款", "confirmed": "已确认", "shipped": "已发货",
        "retracted": "已撤销（以现在所知并未发生）", "ended": "已结束", "shop": "店铺", "agent": "客服", "group": "组",
        "queue": "排队", "customer": "顾客", "since": "始于", "fired": "触发", "end": "结束", "divert": "可转给",
        "id": "编号", "repeat": "可能重复：上次发送没有得到答复", "oldest": "最早的几条", "wall": "大屏",
        "digest": "共 {firing} 条告警触发，{ended} 条结束", "summary": "店铺 {shop}：恢复后仍有 {firing} 条告警未解除",
        "of": "{rule}：{firing} 条触发，{ended} 条结束", "waits": "涉及 {waits} 位等待中的顾客",
        "test": "csstream 通知测试：收到即表示通道正常",
        "sep": "：", "join": " · ",
    },
    "en": {
        "info": "info", "warning": "warning", "critical": "critical", "breach": "breach", "lost": "lost",
        "retracted": "retracted (by what is known now it never was)", "ended": "ended", "shop": "shop",
        "agent": "agent", "group": "group", "queue": "the queue", "customer": "customer", "since": "since",
        "fired": "fired", "end": "ended", "divert": "could take over", "id": "id",
        "repeat": "perhaps a repeat: the last try was not answered", "oldest": "the oldest", "wall": "wall",
        "digest": "{firing} alerts fired, {ended} ended",
        "summary": "shop {shop}: {firing} alerts still stand after an outage",
        "of": "{rule}: {firing} fired, {ended} ended", "waits": "{waits} customers waiting",
        "test": "csstream notification test: if you read this, the way is open",
        "sep": ": ", "join": " · ",
    },
}  # fmt: skip


def text_of(message: Message, voice: Voice) -> Text:
    """The message in words."""
    words = _WORDS[voice.language]
    lines: list[str] = []
    if message.kind == "test":
        title = words["test"]
    elif message.kind in {"firing", "ended"}:
        alert = message.alerts[0]
        title = _headline(alert, voice)
        lines += [_place(alert, voice), _times(alert, voice)]
        if alert.divert_to is not None and message.kind == "firing":
            lines.append(words["divert"] + words["sep"] + inert(alert.divert_to, 64))
    else:
        kind = "summary" if message.kind == "summary" else "digest"
        title = "【{}】{}".format(
            words[message.severity],
            words[kind].format(
                firing=sum(message.firing.values()),
                ended=sum(message.ended.values()),
                shop=inert(message.alerts[0].shop, 64),
            ),
        )
        lines += _counts(message, words)
        if message.waits:
            lines.append(words["waits"].format(waits=message.waits))
        lines.append(words["oldest"] + words["sep"])
        lines += [
            f"{_time(alert.since, voice)} {_headline(alert, voice)}{words['join']}{_place(alert, voice)}"
            for alert in message.alerts
        ]
    if message.repeat:
        lines.append(words["repeat"])
    lines.append(f"{words['id']} {message.id}")
    return Text(title, tuple(lines), voice.wall_url)


def _counts(message: Message, words: Mapping[str, str]) -> Iterable[str]:
    for rule in sorted({*message.firing, *message.ended}):
        yield words["of"].format(
            rule=inert(rule, 64), firing=message.firing.get(rule, 0), ended=message.ended.get(rule, 0)
        )


def summary_of(alert: Alert, voice: Voice) -> str:
    """What the alert says of itself; its rule where it says nothing."""
    return inert(alert.summary.get(voice.language) or alert.rule, 300)


def _headline(alert: Alert, voice: Voice) -> str:
    words = _WORDS[voice.language]
    state = ""
    if alert.state == "retracted":
        state = words["retracted"]
    elif alert.state == "resolved":
        state = inert(words.get(alert.outcome or "", alert.outcome or words["ended"]), 64)
    said = summary_of(alert, voice)
    # A severity that is not known here is shown as it is.
    severity = inert(words.get(alert.severity, alert.severity), 64)
    return f"【{severity}】{said}" if not state else f"【{state}】{said}"


def _place(alert: Alert, voice: Voice) -> str:
    words = _WORDS[voice.language]
    parts = [f"{words['shop']} {inert(alert.shop, 64)}"]
    if alert.agent is not None:
        parts.append(f"{words['agent']} {inert(alert.agent, 64)}")
    elif alert.customer is not None:
        parts.append(words["queue"])
    if alert.group:
        parts.append(f"{words['group']} {inert(alert.group, 64)}")
    if alert.customer is not None:
        shown = masked(alert.customer) if voice.mask_customers else alert.customer
        # The stars of a mask are ours, and must not become markup either.
        parts.append(f"{words['customer']} {inert(shown, 64)}")
    return words["join"].join(parts)


def _times(alert: Alert, voice: Voice) -> str:
    words = _WORDS[voice.language]
    parts = [f"{words['since']} {_time(alert.since, voice)}", f"{words['fired']} {_time(alert.ts, voice)}"]
    if alert.state == "resolved" and alert.end is not None:
        parts.append(f"{words['end']} {_time(alert.end, voice)}")
    return words["join"].join(parts)


def _time(ms: int, voice: Voice) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, ZoneInfo(voice.zone)):%m-%d %H:%M:%S}"
