"""A shop that never was: seeded chat traffic in the wire format (SPEC 1), for demos, benchmarks and tests.

Waits that look real come from queueing, not from drawing them: each agent has one pair of hands, so a reply
comes after those promised before it, and the evening peak makes the long waits by itself. Everything that is
going to happen lies in one agenda per shop, ordered by time; taking the next item writes events and puts new
items on it. So the stream is lazy, in order, and memory is the conversations that are open.

Nothing here knows a clock or the outside: a plan alone decides every byte. Disorder and duplicates are what
the way to us does to a story, not part of it, so they have their own randomness: two plans that differ in
nothing else hold the same events. For the same reason each shop has its own, and tells the same story
however many others there are. To add a kind of traffic, write a step (`_Shop._arrive` is one) and `push` it.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush, merge
from itertools import count
from operator import itemgetter
from random import Random
from statistics import NormalDist
from typing import Any, Final

import orjson

Wire = dict[str, Any]
"""One event as it goes over the wire: names and values of SPEC 1, times in epoch milliseconds."""

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
ZONE_MS: Final = 8 * HOUR_MS  # the shops are in Asia/Shanghai, which has known no summer time since 1991

HOURLY: Final = (
    *(1043, 530, 341, 189, 135, 113, 250, 556, 880, 1283, 1672, 1640),
    *(1367, 1339, 1500, 1720, 1481, 1205, 1270, 1532, 1990, 2204, 2126, 1644),
)
"""Customers by local hour, as weights: how the orders of a Tmall shop spread over the day."""

PER_AGENT: Final = 22.0
"""Customers an hour (mean of the day) for each agent: at the evening peak the roster can just serve them, late."""

_MEAN_WEIGHT: Final = sum(HOURLY) / 24
_SHARES: Final = ("duplicates", "bots", "autos", "transfers", "spam", "closings", "notes", "ratings")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to simulate. Shares are 0..1.

    `messages` (events of type `message`, duplicates not counted) and `hours` of event time end the stream,
    whichever comes first; without both it is endless. `customers_per_hour` is a shop's mean over the day
    (at 21:00 it is 1.8 times that); by default what `agents` can just not serve at the peak.
    `disorder_ms` bounds how far an event may come behind a later one. Without `presence` there is no roster:
    everybody is on all day, and the stream has no `presence`, `shift` and `profile`.
    Raises ValueError naming the field.
    """

    seed: int
    start_ms: int
    shops: int = 1
    agents: int = 8
    customers_per_hour: float | None = None
    messages: int | None = None
    hours: float | None = None
    disorder_ms: int = 0
    duplicates: float = 0.0
    """Share of events that come a second time, as exact copies."""
    bots: float = 0.35
    """Share of customers whom a bot answers first, in the queue."""
    autos: float = 0.3
    """Share of the other customers who get an automatic first reply after 1 s."""
    transfers: float = 0.08
    """Share of customers whom an agent hands on by hand; roster and overload make more, with other reasons."""
    spam: float = 0.02
    """Share of arrivals that are adverts, marked later."""
    closings: float = 0.6
    """Share of served customers who end with a courtesy."""
    notes: float = 0.08
    """Share of served customers about whom an internal note is written."""
    ratings: float = 0.15
    """Share of served customers who rate the agent."""
    presence: bool = True

    def __post_init__(self) -> None:
        for name in _SHARES:
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise ValueError(f"plan.{name} is {share}; give a share from 0 to 1")
        for name in ("shops", "agents"):
            if getattr(self, name) < 1:
                raise ValueError(f"plan.{name} is {getattr(self, name)}; give at least 1")
        for name in ("start_ms", "disorder_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"plan.{name} is {getattr(self, name)}; give milliseconds, at least 0")
        for name in ("messages", "hours"):
            limit = getattr(self, name)
            if limit is not None and not limit >= 0:
                raise ValueError(f"plan.{name} is {limit}; give at least 0, or None for no end")
        rate = self.customers_per_hour
        if rate is not None and not 0 < rate <= HOUR_MS:
            raise ValueError(f"plan.customers_per_hour is {rate}; give more than 0 and at most {HOUR_MS}")

    @property
    def rate(self) -> float:
        """Customers an hour and shop, mean over the day."""
        return PER_AGENT * self.agents if self.customers_per_hour is None else self.customers_per_hour


def events(plan: Plan) -> Iterator[Wire]:
    """The plan's events (SPEC 1), all shops and topics in one stream; ordered by `ts` but for `disorder_ms`."""
    stories = [_Shop(plan, n).run() for n in range(1, plan.shops + 1)]
    stream = stories[0] if plan.shops == 1 else merge(*stories, key=itemgetter("ts"))
    if plan.hours is not None:
        stream = _until(stream, plan.start_ms + int(plan.hours * HOUR_MS))
    if plan.messages is not None:
        stream = _first_messages(stream, plan.messages)
    return _delivered(stream, plan) if plan.disorder_ms or plan.duplicates else stream


def lines(plan: Plan) -> Iterator[bytes]:
    """`events` as JSON, one object each, without line ends. The same plan gives the same bytes."""
    return map(orjson.dumps, events(plan))


def _until(stream: Iterator[Wire], end_ms: int) -> Iterator[Wire]:
    for event in stream:
        if event["ts"] >= end_ms:
            return
        yield event


def _first_messages(stream: Iterator[Wire], messages: int) -> Iterator[Wire]:
    if messages == 0:
        return
    for event in stream:
        yield event
        if event["type"] == "message":
            messages -= 1
            if messages == 0:
                return


def _delivered(stream: Iterator[Wire], plan: Plan) -> Iterator[Wire]:
    """Each event (and its copy) is held back by up to `disorder_ms`, and let go once none can come before it."""
    chance = Random(f"csstream/{plan.seed}/delivery").random
    spread, duplicates = plan.disorder_ms + 1, plan.duplicates
    held: list[tuple[int, int, Wire]] = []
    number = count()
    for event in stream:
        ts = event["ts"]
        while held and held[0][0] <= ts:
            yield heappop(held)[2]
        heappush(held, (ts + int(chance() * spread), next(number), event))
        if chance() < duplicates:
            heappush(held, (ts + int(chance() * spread), next(number), dict(event)))
    while held:
        yield heappop(held)[2]


# --- Who works when -----------------------------------------------------------------------------------------

PRESALE: Final = "售前"
AFTERSALE: Final = "售后"

_EARLY, _MIDDLE, _LATE, _NIGHT, _LONG = (8, 17), (9, 23), (15, 25), (0, 9), (9, 24)
# Most people in the evening, one at night; so the first hour of the morning and the last are thin, as in life.
_ROSTER: Final = (_MIDDLE, _LATE, _EARLY, _LATE, _MIDDLE, _EARLY, _LATE, _NIGHT)
_FEW: Final = 4  # fewer agents than this cannot take turns

_GONE: Final = {"away": "hang", "dropped": "offline", "offline": "shift_end"}
"""States in which nobody is at the desk, and the reason by which customers are then handed on."""

_NAMES: Final = (
    "小禾",
    "小满",
    "小麦",
    "小橙",
    "小雨",
    "小松",
    "小米",
    "小夏",
    "小秋",
    "小月",
    "小竹",
    "小北",
)


class _Agent:
    """One person: a pair of hands that is busy until `free_ms`."""

    __slots__ = ("free_ms", "group", "hours", "id", "index", "pace", "state")

    def __init__(self, index: int, agents: int, pace: float) -> None:
        self.id = f"a{index + 1:02d}"
        self.index = index
        self.group = AFTERSALE if index % 4 == 3 else PRESALE
        self.hours = _LONG if agents < _FEW else _ROSTER[index % len(_ROSTER)]
        self.pace = pace
        self.state = "online"
        self.free_ms = 0


# --- What is said -------------------------------------------------------------------------------------------

_QUESTIONS: Final = {
    PRESALE: (
        "这款还有货吗？",
        "今天拍下什么时候发货？",
        "包邮吗？",
        "有优惠券可以领吗？",
        "我身高165，体重55公斤，穿什么码合适？",
        "这个颜色和图片一样吗？",
        "可以送礼盒包装吗？",
        "这两款有什么区别？",
        "材质是纯棉的吗？",
        "发什么快递？",
        "活动到什么时候结束？",
        "能开发票吗？",
        "会不会掉色？",
        "小孩子可以用吗？",
        "M码还有吗",
        "想买两件，能便宜一点吗",
    ),
    AFTERSALE: (
        "我的快递到哪里了？",
        "订单怎么还没有发货？",
        "收到的尺码不合适，可以换吗？",
        "退货地址发我一下",
        "退款什么时候到账？",
        "少发了一件",
        "包装有点破损，怎么处理？",
        "想改一下收货地址",
        "发票怎么申请？",
        "换货要多久？",
        "运费谁来承担？",
        "说明书找不到了，怎么安装？",
    ),
}
_FOLLOW_UPS: Final = (
    "那大概几天能到？",
    "可以今天发吗？",
    "好像和我想的不太一样",
    "我再看看尺码表",
    "另外一款呢？",
    "是这个意思吗？",
    "麻烦帮我查一下",
    "那我拍哪个规格？",
    "还有别的颜色吗？",
    "备注一下可以吗？",
    "这样啊",
    "我想要浅一点的",
)
_ANSWERS: Final = (
    "亲，有货的，可以放心拍下。",
    "亲，下午四点前付款当天发出。",
    "默认包邮的，偏远地区请先咨询一下。",
    "店铺首页可以领券，满199减20。",
    "按您的身高体重，建议选M码。",
    "正在为您查询，请稍等。",
    "查到了，包裹已经到您所在的城市，预计明天送达。",
    "支持七天无理由退换的。",
    "已经帮您备注好了。",
    "这款是纯棉的，手感比较柔软。",
    "可以换的，您在订单里申请换货就好。",
    "退款会在一到三个工作日原路退回。",
    "非常抱歉给您添麻烦了，马上为您处理。",
    "两款的区别主要在面料，价格也在详情页写明了。",
    "发票在订单完成后可以申请。",
    "好的，我这边登记一下。",
)
_EXTRA: Final = (
    "您看还有什么可以帮到您？",
    "详情页也有说明哦。",
    "这是尺码表，您参考一下。",
    "我发链接给您。",
)
_BOT: Final = (
    "您好，我是智能助手，请问您想咨询什么？",
    "您可以回复数字：1 发货时间 2 尺码推荐 3 退换货",
    "查询物流请点击订单详情。",
    "没有理解您的问题，可以换一种说法试试。",
)
_FOR_A_PERSON: Final = ("转人工", "人工客服", "找人工", "我要人工服务")
_AUTO: Final = ("亲，您好，欢迎光临本店，请稍等，马上为您服务。", "您好，咨询的人有点多，我们会尽快回复您。")
_NUDGES: Final = ("在吗？", "有人吗？", "还在吗", "人呢？", "等了好久了")
_COURTESIES: Final = (
    "谢谢",
    "好的",
    "好的，谢谢！",
    "嗯嗯",
    "知道了",
    "谢谢～",
    "OK",
    "好滴，谢谢",
    "好的👌",
    "再见",
)
_WELCOMES: Final = ("不客气，祝您生活愉快。", "感谢光临，期待再次为您服务。", "不客气的，亲。")
_NOTES: Final = ("客户要礼盒，已备注。", "尺码已确认。", "等仓库回复后再联系客户。", "老客户，送小样一份。")
_ADVERTS: Final = (
    "专业店铺装修，价格优惠，欢迎咨询。",
    "承接快递打包业务，量大从优。",
    "低价印刷卡片，长期合作。",
)
_TEMPLATE: Final = "您收藏的商品正在参加活动，欢迎回来看看。"
_SYSTEM: Final = "客服已接入，请描述您的问题。"
_EMOJI: Final = ("[微笑]", "[谢谢]", "[抱拳]", "[OK]", "👍")

# --- How long things take -----------------------------------------------------------------------------------


def _log_normal_ms(median_s: float, sigma: float) -> tuple[int, ...]:
    """A thousand quantiles, in milliseconds: to draw is then to index, which is fast and the same everywhere."""
    bell = NormalDist(math.log(median_s * 1000), sigma)
    return tuple(round(math.exp(bell.inv_cdf((n + 0.5) / 1000))) for n in range(1000))


_THINK_MS: Final = _log_normal_ms(12, 0.9)  # an agent, from turning to a customer until the reply is sent
_READ_MS: Final = _log_normal_ms(16, 0.9)  # a customer, until he writes again
_TYPE_MS: Final = _log_normal_ms(4, 0.6)  # between two messages of one run
_LINGER_MS: Final = _log_normal_ms(90, 0.7)  # until the session is closed
_PATIENCE_MS: Final = _log_normal_ms(150, 0.8)  # until an unanswered customer asks again or leaves

_BUSY_SHARE: Final = 0.55  # of the thinking keeps the hands busy; the rest runs beside other chats
_BUSY_MAX_MS: Final = 60_000  # nobody works longer on one reply: the rest is waiting for a colleague
_BACKLOG_MS: Final = 150_000  # work promised ahead by which a chat is moved elsewhere or forgotten
_BACKLOG_MAX_MS: Final = 480_000  # no agent is behind by more than this: further customers are not answered
_QUEUE_MAX_MS: Final = 2 * HOUR_MS  # nobody waits longer for the morning

_RUNS: Final = (1, 1, 1, 1, 1, 2, 2, 2, 3, 4)  # messages in a row
_TURNS: Final = (1, 2, 2, 3, 3, 3, 4, 4, 5, 7)  # times a customer asks before he is served
_RECENT: Final = 500  # customers remembered as likely to come back

_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS: Final = tuple(a + b for a in _DIGITS for b in _DIGITS)


def _base36(n: int) -> str:
    text = ""
    while n:
        n, digit = divmod(n, 36)
        text = _DIGITS[digit] + text
    return text


class _Chat:
    """One customer's visit."""

    __slots__ = (
        *("agent", "asked", "bot", "bot_turns", "closing", "customer", "group", "nudges", "noted"),
        *("replies", "run", "since_ms", "transfer", "turns"),
    )

    def __init__(self, customer: str, group: str) -> None:
        self.customer = customer
        self.group = group
        self.agent: _Agent | None = None
        self.since_ms = 0  # start of the time in the queue
        self.turns = 1  # questions to come, this one included
        self.run = 0  # messages to come in this run
        self.asked = False  # somebody owes a reply, or never gives it
        self.replies = 0
        self.nudges = 0
        self.bot_turns = 0
        self.bot = self.transfer = self.closing = self.noted = False


_Step = Callable[[int, Any], None]


class _Shop:
    """One shop's agenda, and the steps that work it off. A step may only push what is not before its time."""

    def __init__(self, plan: Plan, number: int) -> None:
        self.plan = plan
        self.shop = f"s{number:02d}"
        self.rng = Random(f"csstream/{plan.seed}/{self.shop}")
        self.random = self.rng.random
        self.out: list[Wire] = []
        self.agenda: list[tuple[int, int, _Step, Any]] = []
        self.pushed = 0
        # Ids are unique over all shops, and yet those of one shop do not depend on how many there are.
        self.id_head = "m" if number == 1 else f"m{_base36(number)}."
        self.id_prefix = ""
        self.ids = 0
        self.customers = 0
        self.here: set[str] = set()
        self.recent: deque[str] = deque(maxlen=_RECENT)
        self.agents = [_Agent(n, plan.agents, 0.75 + 0.6 * self.random()) for n in range(plan.agents)]
        self.online: list[_Agent] = list(self.agents)
        self.gaps_ms = [HOUR_MS * _MEAN_WEIGHT / (plan.rate * weight) for weight in HOURLY]

    def run(self) -> Iterator[Wire]:
        """The events, in order of time, without end."""
        start_ms = self.plan.start_ms
        if self.plan.presence:
            self._sign_up(start_ms)
        self._expect(start_ms)
        agenda, out = self.agenda, self.out
        while True:
            if out:
                yield from out
                out.clear()
            ts, _, step, subject = heappop(agenda)
            step(ts, subject)

    def push(self, ts: int, step: _Step, subject: Any) -> None:
        """Put a step on the agenda; of the same millisecond, first pushed is first done."""
        self.pushed += 1
        heappush(self.agenda, (ts, self.pushed, step, subject))

    def pick(self, choices: tuple[Any, ...]) -> Any:
        """One of `choices`."""
        return choices[int(self.random() * len(choices))]

    # Events

    def _id(self) -> str:
        high, low = divmod(self.ids, len(_PAIRS))
        if low == 0:
            self.id_prefix = self.id_head + _base36(high)
        self.ids += 1
        return self.id_prefix + _PAIRS[low]

    def _event(self, kind: str, ts: int, customer: str) -> Wire:
        event = {"v": 1, "id": self._id(), "type": kind, "ts": ts, "shop": self.shop, "customer": customer}
        self.out.append(event)
        return event

    def _of_agent(self, kind: str, ts: int, agent: _Agent) -> Wire:
        event = {"v": 1, "id": self._id(), "type": kind, "ts": ts, "shop": self.shop, "agent": agent.id}
        self.out.append(event)
        return event

    def _message(self, ts: int, chat: _Chat, sender: str, text: str) -> Wire:
        agent = chat.agent
        event = {
            "v": 1,
            "id": self._id(),
            "type": "message",
            "ts": ts,
            "shop": self.shop,
            "customer": chat.customer,
            "agent": None if agent is None else agent.id,
            "sender": sender,
            "text": text,
        }
        self.out.append(event)
        return event

    # The roster

    def _sign_up(self, ts: int) -> None:
        for agent in self.agents:
            self._of_agent("profile", ts, agent).update(
                number=str(agent.index + 1),
                name=_NAMES[agent.index % len(_NAMES)],
                group=agent.group,
                tenure=self.pick(("新人", "半年", "一年", "三年")),
                valid_from=ts,
            )
            agent.state = "offline"
        self.online.clear()
        midnight = ts - (ts + ZONE_MS) % DAY_MS
        for agent in self.agents:
            if midnight - DAY_MS + agent.hours[1] * HOUR_MS > ts:
                self._shift(ts, agent, midnight - DAY_MS)
        self._day(ts, midnight)
        for agent in self.agents:
            # What began before the log does is told at its first instant.
            self._presence(ts, (agent, agent.state))

    def _day(self, ts: int, midnight: int) -> None:
        for agent in self.agents:
            self._shift(ts, agent, midnight)
        self.push(midnight + DAY_MS, self._next_day, None)

    def _shift(self, ts: int, agent: _Agent, midnight: int) -> None:
        """An agent's shift on the local day from `midnight`, and when he comes, rests and goes."""
        day = (midnight + ZONE_MS) // DAY_MS
        start, end = (midnight + hour * HOUR_MS for hour in agent.hours)
        self._of_agent("shift", ts, agent).update(
            shift=f"{agent.id}-{day}",
            start=start,
            end=end,
            group=agent.group,
            duty=agent.index == day % len(self.agents),
        )
        before = []
        rest = start + int((0.35 + 0.3 * self.random()) * (end - start))
        for at, state in (
            (start + int(self.random() * 60_000), "online"),
            (rest - int((3 + 4 * self.random()) * 60_000), "hung"),
            (rest, "away"),
            (rest + int((10 + 15 * self.random()) * 60_000), "online"),
            (end - int((1 + 3 * self.random()) * 60_000), "hung"),
            (end - int(self.random() * 1000), "offline"),
            *self._drop(start, rest),
        ):
            if at < ts:
                before.append((at, state))
            else:
                self.push(at, self._presence, (agent, state))
        if before:
            agent.state = max(before)[1]

    def _drop(self, start: int, rest: int) -> tuple[tuple[int, str], ...]:
        """Now and then the line breaks in mid-shift: nobody was warned, and the customers are passed on."""
        if self.random() > 0.25:
            return ()
        at = start + int((0.3 + 0.5 * self.random()) * (rest - start))
        return (at, "dropped"), (at + int((2 + 4 * self.random()) * 60_000), "online")

    def _next_day(self, ts: int, _: None) -> None:
        self._day(ts, ts)

    def _presence(self, ts: int, subject: tuple[_Agent, str]) -> None:
        agent, state = subject
        agent.state = state
        self._of_agent("presence", ts, agent).update(
            state="offline" if state == "dropped" else state, capacity=10
        )
        self.online = [other for other in self.agents if other.state == "online"]

    def _choose(self, group: str, but: _Agent | None = None) -> _Agent | None:
        """Who takes a customer: the freer of two at random, as platforms deal; of the group if one is there."""
        able = [agent for agent in self.online if agent.group == group and agent is not but]
        if not able:
            able = [agent for agent in self.online if agent is not but]
        if not able:
            return None
        one = able[int(self.random() * len(able))]
        two = able[int(self.random() * len(able))]
        return one if one.free_ms <= two.free_ms else two

    # Customers come

    def _expect(self, ts: int) -> None:
        """Push the next arrival: a Poisson process whose rate changes on the hour."""
        while True:
            local = ts + ZONE_MS
            gap_ms = -math.log(1.0 - self.random()) * self.gaps_ms[local // HOUR_MS % 24]
            hour_end = ts + HOUR_MS - local % HOUR_MS
            if ts + gap_ms < hour_end:
                self.push(ts + int(gap_ms), self._arrive, None)
                return
            ts = hour_end

    def _arrive(self, ts: int, _: None) -> None:
        self._expect(ts)
        plan, random = self.plan, self.random
        group = AFTERSALE if random() < 0.28 else PRESALE
        if random() < plan.spam:
            chat = _Chat(self._stranger(), group)
            chat.agent = self._choose(group)
            self._advertise(ts, chat)
            return
        chat = _Chat(self._customer(), group)
        self.here.add(chat.customer)
        chat.turns = self.pick(_TURNS)
        chat.transfer = random() < plan.transfers
        chat.closing = random() < plan.closings
        chat.noted = random() < plan.notes
        chat.bot = random() < plan.bots
        if chat.bot:
            chat.bot_turns = 1 if random() < 0.6 else 2
        else:
            chat.agent = self._choose(group)
            if random() < plan.autos:
                self.push(ts + 1000, self._greet, chat)
        self._event("session", ts, chat.customer).update(action="open", by="customer")
        self._ask(ts, chat)

    def _stranger(self) -> str:
        self.customers += 1
        return f"c{self.customers:06d}"

    def _customer(self) -> str:
        if self.recent and self.random() < 0.15:
            known = self.recent[int(self.random() * len(self.recent))]
            if known not in self.here:
                return known
        return self._stranger()

    def _advertise(self, ts: int, chat: _Chat) -> None:
        """An advert, and the mark that takes it out of the figures: on the message, or on the whole session."""
        advert = self._message(ts, chat, "customer", self.pick(_ADVERTS))
        mark: Wire = {"value": True, "by": "system" if chat.agent is None else chat.agent.id}
        if self.random() < 0.5:
            mark["message"] = advert["id"]
        elif self.random() < 0.5:
            self.push(ts + self.pick(_TYPE_MS), self._advertise_again, chat)
        self.push(ts + 60_000 + self.pick(_PATIENCE_MS), self._mark, (chat, mark))

    def _advertise_again(self, ts: int, chat: _Chat) -> None:
        self._message(ts, chat, "customer", self.pick(_ADVERTS))["kind"] = "image"

    def _mark(self, ts: int, subject: tuple[_Chat, Wire]) -> None:
        chat, mark = subject
        self._event("spam", ts, chat.customer).update(mark)

    # The conversation

    def _ask(self, ts: int, chat: _Chat) -> None:
        chat.run = self.pick(_RUNS)
        self._write(ts, chat)

    def _write(self, ts: int, chat: _Chat) -> None:
        """One message of a run; the first that nobody is about to answer makes somebody owe a reply."""
        if chat.bot and chat.bot_turns == 0 and chat.agent is None:
            self._message(ts, chat, "customer", self.pick(_FOR_A_PERSON))
        else:
            choices = _FOLLOW_UPS if chat.replies else _QUESTIONS[chat.group]
            event = self._message(ts, chat, "customer", self.pick(choices))
            chance = self.random()
            if chance < 0.12:
                event["kind"] = "image" if chance < 0.08 else "emoji" if chance < 0.1 else "card"
                event["text"] = "[图片]" if chance < 0.08 else self.pick(_EMOJI) if chance < 0.1 else "[商品]"
                if chance >= 0.1:
                    event["sku"] = f"k{int(self.random() * 200):03d}"
        chat.run -= 1
        if chat.run:
            self.push(ts + self.pick(_TYPE_MS), self._write, chat)
        if chat.asked:
            return
        chat.asked = True
        if chat.agent is not None:
            self._promise(ts, chat)
        elif chat.bot_turns:
            chat.bot_turns -= 1
            self.push(ts + 800 + int(self.random() * 1700), self._answer_by_bot, chat)
        else:
            chat.since_ms = ts
            self.push(ts + 1000 + int(self.random() * 3000), self._assign, chat)

    def _greet(self, ts: int, chat: _Chat) -> None:
        self._message(ts, chat, "auto", self.pick(_AUTO))

    def _answer_by_bot(self, ts: int, chat: _Chat) -> None:
        self._message(ts, chat, "bot", self.pick(_BOT))
        chat.asked = False
        if chat.run:
            return
        if chat.bot_turns == 0 and self.random() < 0.2:
            self.push(ts + self.pick(_LINGER_MS), self._close, chat)
        else:
            self.push(ts + self.pick(_READ_MS), self._ask, chat)

    def _assign(self, ts: int, chat: _Chat) -> None:
        """From the queue to an agent; where nobody is on, look again every minute until patience ends."""
        agent = self._choose(chat.group)
        if agent is None:
            waited_ms = ts - chat.since_ms
            if waited_ms > _QUEUE_MAX_MS or (waited_ms > 60_000 and self.random() < 0.08):
                self._give_up(ts, chat)
            else:
                self.push(ts + 60_000, self._assign, chat)
            return
        self._transfer(ts, chat, agent, "divert")
        if chat.bot:
            self._message(ts, chat, "system", _SYSTEM)["agent"] = None
        self._promise(ts, chat)

    def _transfer(self, ts: int, chat: _Chat, to: _Agent | None, reason: str) -> None:
        event = self._event("transfer", ts, chat.customer)
        event["from_agent"] = None if chat.agent is None else chat.agent.id
        event["to_agent"] = None if to is None else to.id
        event["reason"] = reason
        if reason == "manual" and self.random() < 0.05:
            event["authorised"] = False
        chat.agent = to

    def _move(self, ts: int, subject: tuple[_Chat, str]) -> None:
        """The agent is gone: the customer goes to another, else back to the queue."""
        chat, reason = subject
        self._transfer(ts, chat, self._choose(chat.group, but=chat.agent), reason)
        if chat.agent is None:
            chat.since_ms = ts
            self.push(ts + 60_000, self._assign, chat)
        else:
            self._promise(ts, chat)

    def _promise(self, ts: int, chat: _Chat) -> None:
        """When will the agent reply: after all that was promised before, and then some thinking; or never."""
        agent = chat.agent
        assert agent is not None
        random = self.random
        if agent.state in _GONE:
            self.push(ts + 2000 + self.pick(_TYPE_MS), self._move, (chat, _GONE[agent.state]))
            return
        begin = max(ts, agent.free_ms)
        chance = random()
        if begin - ts > _BACKLOG_MS:
            if chance < 0.5:
                other = self._choose(chat.group, but=agent)
                if other is not None and other.free_ms < begin - 60_000:
                    self._transfer(ts, chat, other, "timeout")
                    agent = other
                    begin = max(ts, agent.free_ms)
            elif chance < 0.8:
                begin = ts + _BACKLOG_MAX_MS + 1
            if begin - ts > _BACKLOG_MAX_MS:
                if random() < 0.1:
                    # Tidying a crowded list by closing what was never answered: SPEC 4, W10.
                    self.push(ts + 30_000 + self.pick(_READ_MS), self._shut, chat)
                self.push(ts + 60_000 + self.pick(_PATIENCE_MS), self._give_up, chat)
                return
        elif chance < 0.012:
            self.push(ts + 60_000 + self.pick(_PATIENCE_MS), self._give_up, chat)
            return
        think = int(_THINK_MS[int(random() * 1000)] * agent.pace)
        if random() < 0.008:
            think *= 8  # looks it up in the warehouse, or simply forgot
        busy = int(think * _BUSY_SHARE)
        agent.free_ms = begin + min(_BUSY_MAX_MS, busy)
        self.push(begin + think, self._reply, chat)

    def _reply(self, ts: int, chat: _Chat) -> None:
        agent = chat.agent
        assert agent is not None
        random = self.random
        if agent.state in _GONE:
            self._move(ts, (chat, _GONE[agent.state]))
            return
        other = None
        if chat.transfer:
            other = self._choose(chat.group, but=agent)
            chat.transfer = False
            if other is not None and random() < 0.5:
                self._transfer(ts, chat, other, "manual")
                self._promise(ts, chat)
                return
        event = self._message(ts, chat, "assist_bot" if random() < 0.12 else "human", self.pick(_ANSWERS))
        chance = random()
        if chance < 0.2:
            event["quick_reply"] = f"q{int(chance * 100):02d}"
        elif chance < 0.26:
            event["kind"] = "card"
            event["sku"] = f"k{int(random() * 200):03d}"
        chat.asked = False
        chat.replies += 1
        if chance > 0.8:
            self.push(ts + self.pick(_TYPE_MS), self._add, (chat, agent))
        if chat.noted:
            chat.noted = False
            self.push(ts + self.pick(_TYPE_MS), self._note, (chat, agent))
        if other is not None:
            # He who has answered and then hands over leaves no open leg behind: SPEC 4, V19.
            self._transfer(ts, chat, other, "manual")
        if chat.run:
            return
        chat.turns -= 1
        self.push(ts + self.pick(_READ_MS), self._ask if chat.turns > 0 else self._finish, chat)

    def _add(self, ts: int, subject: tuple[_Chat, _Agent]) -> None:
        chat, agent = subject
        if chat.agent is agent and agent.state not in _GONE:
            self._message(ts, chat, "human", self.pick(_EXTRA))

    def _note(self, ts: int, subject: tuple[_Chat, _Agent]) -> None:
        chat, agent = subject
        if agent.state not in _GONE:
            self._message(ts, chat, "human", self.pick(_NOTES)).update(agent=agent.id, internal=True)

    # The end of it

    def _finish(self, ts: int, chat: _Chat) -> None:
        if chat.closing:
            event = self._message(ts, chat, "customer", self.pick(_COURTESIES))
            if self.random() < 0.2:
                event.update(kind="emoji", text=self.pick(_EMOJI))
            if self.random() < 0.45:
                self.push(ts + self.pick(_TYPE_MS), self._welcome, chat)
        self.push(ts + 15_000 + self.pick(_LINGER_MS), self._close, chat)

    def _welcome(self, ts: int, chat: _Chat) -> None:
        if chat.agent is not None and chat.agent.state not in _GONE:
            self._message(ts, chat, "human", self.pick(_WELCOMES))

    def _shut(self, ts: int, chat: _Chat) -> None:
        assert chat.agent is not None
        event = self._event("session", ts, chat.customer)
        event.update(agent=chat.agent.id, action="window_closed", by="agent")

    def _give_up(self, ts: int, chat: _Chat) -> None:
        """Nobody answered: ask once more, or leave, with or without closing the window."""
        if chat.nudges == 0 and self.random() < 0.6:
            chat.nudges = 1
            self._message(ts, chat, "customer", self.pick(_NUDGES))
            self.push(ts + 30_000 + self.pick(_PATIENCE_MS), self._give_up, chat)
            return
        by = "customer" if self.random() < 0.5 else "system"
        self._event("session", ts, chat.customer).update(action="close", by=by)
        self._leave(chat)

    def _close(self, ts: int, chat: _Chat) -> None:
        agent = chat.agent
        event = self._event("session", ts, chat.customer)
        event["action"] = "close"
        event["by"] = self.pick(("customer", "system"))
        if agent is not None and agent.state not in _GONE and self.random() < 0.4:
            event.update(agent=agent.id, by="agent")
        if agent is not None and chat.replies:
            chance = self.random()
            if chance < self.plan.ratings:
                score = self.pick((5, 5, 5, 5, 5, 4, 4, 3, 2, 1))
                self._event("rating", ts, chat.customer).update(agent=agent.id, score=score)
            elif chance > 0.97:
                self.push(ts + 2 * HOUR_MS, self._remind, chat)
        self._leave(chat)

    def _remind(self, ts: int, chat: _Chat) -> None:
        self._message(ts, chat, "template", _TEMPLATE)

    def _leave(self, chat: _Chat) -> None:
        self.here.discard(chat.customer)
        self.recent.append(chat.customer)
