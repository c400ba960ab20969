"""What the screen says, in the two languages of the alerts; a new word is one line here."""

from csstream.core.alert import Alert

LANGUAGES = ("en", "zh")

_WORDS = {
    "longest": ("LONGEST WAIT", "最长等待"),
    "late": ("OVER 30 s OF {n}", "超过30秒/共{n}"),
    "share": ("WITHIN 30 s", "30秒内回复"),
    "mean": ("MEAN, s", "平均响应(秒)"),
    "waiting": ("WAITING", "等待"),
    "oldest_first": ("oldest first", "最久在前"),
    "level": ("level", "级别"),
    "customer": ("customer", "顾客"),
    "with": ("with", "客服"),
    "queue": ("the queue", "排队"),
    "messages": ("msgs", "消息"),
    "agent": ("AGENT", "客服"),
    "open": ("open", "未回"),
    "oldest": ("oldest", "最久"),
    "waits": ("waits", "应答"),
    "within": ("within 30 s", "30秒内"),
    "mean_col": ("mean", "平均"),
    "p90": ("p90", "p90"),
    "replied": ("replied", "已回复"),
    "alerts": ("ALERTS", "提醒"),
    "newest_first": ("newest first", "最新在前"),
    "nobody": ("nobody is waiting", "没有顾客在等待"),
    "quiet": ("none yet", "暂无"),
    "more": ("{n} more", "另有{n}个"),
    "data": ("data {s} old", "数据延迟{s}"),
    "rate": ("{n}/s", "{n}/秒"),
    "events": ("{n} events", "{n}条事件"),
    "dead": ("{n} dead", "{n}条无效"),
    "paused": ("PAUSED", "暂停"),
    "reading": ("READING", "读取中"),
    "keys": ("q quit   space pause   + - speed   l 中文", "q 退出   空格 暂停   + - 速度   l English"),
    "ended": ("{what}, {customer}, after {s}", "{what}，{customer}，等待{s}"),
    "online": ("online", "在线"),
    "hung": ("hung", "挂起"),
    "away": ("away", "离开"),
    "offline": ("offline", "离线"),
    "answered": ("answered", "已回复"),
    "abandoned": ("abandoned", "顾客离开"),
    "expired": ("expired", "已过期"),
    "moot": ("moot", "无需回复"),
    "bot": ("answered by the bot", "机器人回复"),
    "void": ("spam", "垃圾消息"),
    "cleared": ("over", "已解除"),
    "passed": ("past", "已过"),
    "retracted": ("taken back", "已撤回"),
    "shops": ("{n} shops", "{n}家店铺"),
}

_DAYS = (("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), ("一", "二", "三", "四", "五", "六", "日"))


def say(word: str, language: str, **values: object) -> str:
    """A word of the screen; one that is not known is said as it is."""
    found = _WORDS.get(word)
    text = word if found is None else found[LANGUAGES.index(language)]
    return text.format(**values) if values else text


def weekday(number: int, language: str) -> str:
    """The day of the week, Monday is 0."""
    return _DAYS[LANGUAGES.index(language)][number]


def short(customer: str) -> str:
    """A customer id that tells two apart on a screen, and no more."""
    return customer if len(customer) <= 4 else f"*{customer[-4:]}"


def span(ms: int) -> str:
    """A duration as `m:ss`, or `h:mm:ss`."""
    minutes, seconds = divmod(max(ms, 0) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def alert_text(alert: Alert, language: str) -> str:
    """What happened, in one line; never chat text."""
    if alert.state == "firing":
        return alert.summary.get(language, alert.rule)
    what = say("retracted" if alert.state == "retracted" else alert.outcome or "", language)
    if alert.customer is None:  # of a state: what was said of it, and how long it lasted
        lasted = span((alert.end or alert.ts) - alert.ts)
        return f"{what} ({lasted}): {alert.summary.get(language, alert.rule)}"
    waited = span((alert.end or alert.ts) - alert.since)
    customer = short(alert.customer or "")
    over = alert.value.get("over_s")
    lead = f"{alert.agent or say('queue', language)}: "
    tail = say("ended", language, what=what, customer=customer, s=waited)
    return f"{lead}{tail}" if over is None else f"{lead}{tail} (>{over} s)"
