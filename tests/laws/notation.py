"""Conversations as the SPEC writes them, so that a test reads like its vector.

`chat("10:00:00 c>A", "10:00:40 A human")` gives events (SPEC 1, `ts` in epoch milliseconds) on 2026-11-21, +08:00.

A line is `[+N] TIME WHAT [@customer[/shop]] [#id] [field=value ...] [| text]`:

* `+1`: the next day. `TIME`: `hh:mm:ss`, with or without milliseconds; `:ss` is in the minute of the line before.
* `WHAT`:
    `c>A`, `c>-`, `c`            the customer writes: routed to A, to the queue (null), unknown (absent)
    `A human`, `- bot`           an outgoing message of any sender; `-` is nobody's account
    `A note`                     an internal note
    `transfer A>B`, `transfer A>-`
    `session close agent A`      action, by and, if one is named, the agent
    `spam`, `spam m1`, `spam off`, `spam m1 off`   a mark for the session, for the message m1; taken back
    `order o1 paid`, `dun o1 sms`  an order's status, a reminder by a channel
    `presence A online capacity=3`  also the way to move the shop's clock without a word to anyone
    `shift A 08:30:00-17:30:00`, `shift A w1 08:30:00-17:30:00 duty=true`   a shift of that day; its id
    `profile A early`, `profile A number=2`   an agent's group, or number
    `complaint A opened`         of the complaint p1
* `@d`, `@d/t`: customer d, shop t (else `c` and `s`).
* `#m1`: the event's id; else `e001`, `e002`, ... by its line, so that ids sort like lines.
* `kind=emoji authorised=false sku=x`: any further field; the value is read as JSON if it is JSON.
* `| 谢谢`: the text, to the end of the line; of an order, the memo. A customer who writes without one asks something.
"""

import json
import re
from datetime import datetime, timedelta
from typing import Any

from tests.canary import TEXT

DAY = "2026-11-21"
ZONE = "+08:00"

LINE = re.compile(
    r"(?:\+(?P<days>\d+) +)?(?P<time>(?:\d\d:\d\d)?:\d\d(?:\.\d+)?) +(?P<what>[^|]+?) *(?:\| *(?P<text>.*))?"
)


def chat(*lines: str) -> list[dict[str, Any]]:
    """The events that these lines say; a line that says nothing is a ValueError."""
    events = []
    minute = "00:00"
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line)
        if match is None:
            raise ValueError(
                f"line {number}, {line!r}: write `[+N] hh:mm:ss WHAT`, see the header of notation.py"
            )
        time = match["time"] if match["time"][0] != ":" else minute + match["time"]
        minute = time[:5]
        words = match["what"].split()
        event: dict[str, Any] = {"v": 1, "id": f"e{number:03}", "ts": at(time, int(match["days"] or 0))}
        event |= {"shop": "s", "customer": "c"}
        said = [word for word in words if word[0] not in "@#" and "=" not in word]
        event |= says(said, line)
        for word in words:
            if word[0] == "@":
                event["customer"], _, shop = word[1:].partition("/")
                event["shop"] = shop or "s"
            elif word[0] == "#":
                event["id"] = word[1:]
            elif "=" in word:
                name, _, value = word.partition("=")
                event[name] = plain(value)
        if event["type"] == "message" and (match["text"] or "kind" not in event):
            event["text"] = match["text"] or (f"{TEXT}?" if event["sender"] == "customer" else TEXT)
        if event["type"] == "order" and match["text"] is not None:
            event["memo"] = match["text"]
        if event["type"] in ("presence", "shift", "profile"):
            del event["customer"]
        if event["type"] == "shift":
            for name in ("start", "end"):
                event[name] = at(event[name])
        events.append(event)
    return events


def says(words: list[str], line: str) -> dict[str, Any]:
    """The fields of the WHAT of a line."""
    match words:
        case ["c"]:
            return {"type": "message", "sender": "customer"}
        case [route] if route.startswith("c>"):
            return {"type": "message", "sender": "customer", "agent": who(route[2:])}
        case ["transfer", route]:
            giver, _, taker = route.partition(">")
            return {
                "type": "transfer",
                "from_agent": who(giver),
                "to_agent": who(taker),
                "reason": "manual",
                "authorised": True,
            }
        case ["session", action, by, *agent]:
            return {"type": "session", "action": action, "by": by} | ({"agent": agent[0]} if agent else {})
        case ["spam", *rest]:
            named = [word for word in rest if word != "off"]
            return {"type": "spam", "value": "off" not in rest} | ({"message": named[0]} if named else {})
        case ["order", order, status]:
            return {"type": "order", "order": order, "status": status}
        case ["dun", order, channel]:
            return {"type": "dun", "order": order, "channel": channel}
        case ["profile", agent]:
            return {"type": "profile", "agent": agent}
        case ["presence", agent, state]:
            return {"type": "presence", "agent": agent, "state": state}
        case ["shift", agent, *shift, span]:
            start, _, end = span.partition("-")
            name = shift[0] if shift else f"of {agent}"
            return {"type": "shift", "agent": agent, "shift": name, "start": start, "end": end}
        case ["complaint", agent, status]:
            return {"type": "complaint", "agent": who(agent), "status": status, "complaint": "p1"}
        case ["profile", agent, group]:
            return {"type": "profile", "agent": agent, "group": group}
        case [agent, "note"]:
            return {"type": "message", "sender": "human", "agent": who(agent), "internal": True}
        case [agent, ("human" | "assist_bot" | "bot" | "auto" | "template" | "system") as sender]:
            return {"type": "message", "sender": sender, "agent": who(agent)}
    raise ValueError(f"{line!r}: {' '.join(words)!r} is no event, see the header of notation.py")


def who(name: str) -> str | None:
    """An agent's name; `-` is nobody, the queue."""
    return None if name == "-" else name


def plain(value: str) -> object:
    """A field's value: JSON if it is JSON (`false`, `5`), else the word itself."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def at(time: str, days: int = 0) -> int:
    """The instant of `hh:mm:ss[.mmm]`, `days` after the first day, in epoch milliseconds."""
    moment = datetime.fromisoformat(f"{DAY}T{time}{ZONE}") + timedelta(days=days)
    return round(moment.timestamp() * 1000)


def day(days: int = 0) -> str:
    """The local day so many days after the first, `YYYY-MM-DD`."""
    return (datetime.fromisoformat(DAY) + timedelta(days=days)).date().isoformat()
