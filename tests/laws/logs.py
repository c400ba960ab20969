"""Random logs that look for trouble: exact thresholds, ties, midnight, every type, few ids."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from tests.canary import TEXT

START_MS = 1_763_738_400_000 + 5 * 3_600_000  # 2025-11-21 23:20 at +08:00 less some minutes: midnight is near
STEPS_MS = (
    0, 0, 1, 999, 1_000, 4_000, 10_000, 14_999, 15_000, 29_999, 30_000, 30_001, 60_000, 100_000, 179_999,
    300_000, 599_999, 600_000, 600_001, 1_500_000, 1_800_000, 1_800_001, 3_600_000, 20_000_000, 86_400_000,
    172_800_000,
)  # fmt: skip
SHORT = 17
"""How many of `STEPS_MS` keep a conversation together; the others are drawn less often."""

SENDERS = ("human", "human", "human", "assist_bot", "bot", "auto", "template", "system")
TEXTS = (TEXT, "谢谢", "好的~", "谢谢?", TEXT, "👌🏻", "ok 好的！", "...")
AGENTS = ("A", "B", "C")
CUSTOMERS = ("c1", "c2", "c3")
CHAT, MIXED = 31, 48
"""Kinds of events that are drawn, some of them more than one number: without orders, and with them."""

STATUSES = ("paid", "paid", "memo", "shipped", "refunded", "cancelled", "closed", "refund_requested")
MEMOS = ("1号", "2号客服", "工号：０2", "12月2号 3号楼", "", "发顺丰", "99号,1号")


def event(number: int, ts: int, draw: tuple[int, ...], shops: int) -> dict[str, Any]:
    """One event from a handful of small integers."""
    kind, a, b, c = draw
    if kind >= CHAT:
        return sale(number, ts, draw, shops)
    found: dict[str, Any] = {
        "id": f"m{number:02d}",
        "ts": ts,
        "shop": f"s{c % shops}",
        "customer": CUSTOMERS[(a // 5) % len(CUSTOMERS)] if c % 3 == 0 else CUSTOMERS[0],
    }
    agent = AGENTS[a % len(AGENTS)]
    if kind < 9:
        found |= {"type": "message", "sender": "customer", "text": TEXTS[b % len(TEXTS)]}
        if b % 11 == 0:
            found["kind"] = "emoji"
        if c % 4 == 0:
            found["agent"] = None
        elif c % 4 < 3:
            found["agent"] = agent
    elif kind < 18:
        sender = SENDERS[b % len(SENDERS)]
        found |= {"type": "message", "sender": sender, "text": TEXT}
        if sender in ("human", "assist_bot") or c % 2:
            found["agent"] = agent
        if b % 13 == 0:
            found["internal"] = True
    elif kind < 21:
        found |= {"type": "transfer", "to_agent": agent if b % 4 else None, "from_agent": None}
    elif kind < 23:
        found |= {
            "type": "session",
            "action": ("close", "window_closed", "open")[b % 3],
            "by": ("customer", "agent", "system")[c % 3],
        }
        if a % 2:
            found["agent"] = agent
    elif kind < 25:
        found |= {"type": "spam", "value": b % 3 > 0}
        if c % 3:
            found["message"] = f"m{(number - 1 - a % 8) % 100:02d}"
    elif kind == 25:
        found |= {"type": "dun", "order": f"c1o{b % 3}", "channel": "chat", "agent": agent}
    elif kind == 26 and b % 2:
        status = ("opened", "confirmed", "withdrawn", "opened")[c % 4]
        found |= {
            "type": "complaint",
            "complaint": f"{found['customer']}p{b % 3}",
            "agent": agent,
            "status": status,
        }
    elif kind == 26:
        found |= {"type": "rating", "agent": agent, "score": 1 + b % 5}
    else:
        del found["customer"]
        found |= {"agent": agent} | of_agent(kind, ts, b, c)
    return found


def of_agent(kind: int, ts: int, b: int, c: int) -> dict[str, Any]:
    """What an agent says of himself."""
    if kind < 30 or b % 3 == 0:
        said: dict[str, Any] = {
            "type": "presence",
            "state": ("online", "online", "hung", "away", "offline")[b % 5],
        }
        return said | ({"capacity": b % 3} if c % 4 == 0 else {})
    if b % 3 == 1:
        start = ts + (b % 4 - 2) * 300_000
        return {"type": "shift", "shift": f"t{c % 2}", "start": start, "end": start + (c % 5) * 400_000}
    return {"type": "profile", "group": f"g{b % 2}"} | ({"valid_from": ts + 60_000} if c % 3 == 0 else {})


def sale(number: int, ts: int, draw: tuple[int, ...], shops: int) -> dict[str, Any]:
    """An event about orders, or about the agents whom orders belong to."""
    kind, a, b, c = draw
    kind -= CHAT
    agent = AGENTS[a % len(AGENTS)]
    found: dict[str, Any] = {"id": f"m{number:02d}", "ts": ts, "shop": f"s{c % shops}"}
    if kind < 14:
        found["customer"] = CUSTOMERS[1] if c % 5 == 0 else CUSTOMERS[0]
        order = f"{found['customer']}o{b % 3}"
        sku = "xyz"[a % 3]
        if kind < 5:
            found |= {"type": "order", "order": order, "status": "created", "items": [{"sku": sku}]}
            if c % 3:
                found["amount"] = ("1.00", "10.005", "7")[a % 3]
            if a % 6 == 5:
                found["cod"] = True
            if b % 4 == 3:
                found["pay_deadline"] = ts + (0, 30_000, 60_000, 300_000)[a % 4]
        elif kind < 9:
            found |= {"type": "order", "order": order, "status": STATUSES[a % len(STATUSES)]}
            if c % 3 == 0:
                found["amount"] = ("1.00", "0.5", "3")[b % 3]
            if a % 3 == 2 or found["status"] == "memo":
                found["memo"] = MEMOS[c % len(MEMOS)]
        elif kind < 11:
            found |= {"type": "dun", "order": order, "channel": ("chat", "sms", "phone")[c % 3]}
            if a % 4:
                found["script"] = "pq"[a % 2]
        elif kind < 13:
            found |= {"type": "message", "sender": "customer", "text": TEXT, "sku": sku}
        else:
            found |= {"type": "message", "sender": "human", "agent": agent, "text": TEXT}
            if c % 2:
                found["sku"] = sku
    elif kind < 16:
        found |= {"type": "profile", "agent": agent, "number": (1, "02", "3", None)[b % 4]}
        if c % 3 == 0:
            found["valid_from"] = ts + (a % 5 - 2) * 60_000
    else:
        start = ts + (a - 12) * 600_000
        found |= {"type": "shift", "agent": agent, "shift": f"w{b % 2}", "duty": c % 4 > 0}
        found |= {"start": start, "end": start + 1_800_000}
    return found


def build(draws: Sequence[tuple[int, tuple[int, ...]]], shops: int = 1) -> list[dict[str, Any]]:
    """A log in the order of its times."""
    ts = START_MS
    log = []
    for number, (step, draw) in enumerate(draws):
        ts += STEPS_MS[step]
        log.append(event(number, ts, draw, shops))
    return log


def with_copies(log: list[dict[str, Any]], copies: Sequence[tuple[int, int, int]]) -> list[dict[str, Any]]:
    """The log with some events twice: unchanged, moved in time, or with another content."""
    found = list(log)
    for which, how, shift in copies:
        if log:
            copy = dict(log[which % len(log)])
            if how == 1:
                copy["ts"] += (shift - 2) * 300_000
            elif how == 2 and "text" in copy:
                copy["text"] = f"别的话 {TEXT}"
            elif how == 3 and copy.get("agent"):
                copy["agent"] = "B"
            found.append(copy)
    return found


# Examples are drawn as bytes: one choice for hypothesis instead of a hundred, and shrinking still works.
BYTES = 6


def bytes_of(size: int, least: int = 0, most: int = 24) -> st.SearchStrategy[bytes]:
    """`least` to `most` pieces of `size` bytes, every number of pieces as likely as another.

    (Left to itself, hypothesis draws few bytes: logs of one event.)
    """
    return st.integers(least, most).flatmap(lambda n: st.binary(min_size=n * size, max_size=n * size))


def of_bytes(data: bytes, shops: int = 1, kinds: int = CHAT) -> list[dict[str, Any]]:
    """A log from six bytes an event."""
    draws = []
    for at in range(0, len(data) - BYTES + 1, BYTES):
        step, kind, a, b, c, mode = data[at : at + BYTES]
        far = len(STEPS_MS) if mode % 3 == 0 else SHORT + 1
        draws.append((step % far, (kind % kinds, a % 24, b % 24, c % 12)))
    return build(draws, shops)


def logs(max_size: int = 24, shops: int = 1, kinds: int = CHAT) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Logs of distinct events, in order of time."""
    return bytes_of(BYTES, 1, max_size).map(lambda data: of_bytes(data, shops, kinds))


def logs_with_copies(
    max_size: int = 20, shops: int = 1, kinds: int = CHAT
) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Logs with duplicates and conflicts."""

    def copied(log: list[dict[str, Any]], data: bytes) -> list[dict[str, Any]]:
        return with_copies(log, [(a % 31, b % 4, c % 7) for a, b, c in zip(*[iter(data)] * 3, strict=False)])

    return st.builds(copied, logs(max_size, shops, kinds), bytes_of(3, 0, 4))
