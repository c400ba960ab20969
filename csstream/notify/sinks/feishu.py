"""A Feishu or Lark group robot: a card of plain text, so that nothing in it can be markup.

Its signature looks like DingTalk's and is the other way round: the time stamp and the secret are the key, and the
text is empty.
"""

import base64
import hashlib
import hmac
import time
from typing import Any

from csstream.notify.message import Answer, Message
from csstream.notify.neutral import cut_bytes
from csstream.notify.secret import Secret
from csstream.notify.sinks.kind import Field, SinkKind
from csstream.notify.sinks.robot import Robot
from csstream.notify.sinks.verdict import by_code
from csstream.notify.target import Rate
from csstream.notify.wording import Text, text_of

MOST_BYTES = 15_000
MEANINGS = {
    19021: "the signature does not fit: look at the secret, and at our clock",
    19022: "our address is not on the robot's list",
    19024: "the robot's key word is not in the message",
    19001: "the token is not one of a robot",
    9499: "the message has no form that it knows",
    11232: "too many messages",
}
PAUSES_MS = {11232: 60_000}
COLOURS = {"info": "blue", "warning": "yellow", "critical": "orange", "breach": "red", "lost": "carmine"}


def signature(secret: Secret, at_s: int) -> str:
    """`sign` of a request: the key is the time stamp and the secret, the text is empty."""
    key = f"{at_s}\n{secret.text()}".encode()
    return base64.b64encode(hmac.new(key, b"", hashlib.sha256).digest()).decode()


class Feishu(Robot):
    """Posts cards to a robot."""

    async def send(self, message: Message) -> Answer:
        """Post it; only `code` (of old robots `StatusCode`) 0 is a yes."""
        text = text_of(message, self.voice)
        colour = "green" if message.kind == "ended" else COLOURS.get(message.severity, "red")
        body: dict[str, Any] = {"msg_type": "interactive", "card": self._card(text, colour)}
        if self.secret is not None:
            now = int(time.time())
            body = {"timestamp": str(now), "sign": signature(self.secret, now), **body}
        reply = await self.post(body)
        return by_code(reply, ("code", "StatusCode"), MEANINGS, PAUSES_MS)

    def _card(self, text: Text, colour: str) -> dict[str, Any]:
        lines = "\n".join((*text.lines, *([self.keyword] if self.keyword else [])))
        elements: list[dict[str, Any]] = [
            {"tag": "div", "text": {"tag": "plain_text", "content": cut_bytes(lines, MOST_BYTES)}}
        ]
        if text.link:
            button = {"tag": "plain_text", "content": "大屏" if self.voice.language == "zh" else "Wall"}
            elements.append(
                {"tag": "action", "actions": [{"tag": "button", "text": button, "url": text.link}]}
            )
        return {
            "config": {"wide_screen_mode": True},
            "header": {
                "template": colour,
                "title": {"tag": "plain_text", "content": cut_bytes(text.title, 1_000)},
            },
            "elements": elements,
        }


FEISHU = SinkKind(
    "feishu",
    "a Feishu (飞书) or Lark group robot",
    (Field("url", "secret_url", required=True), Field("secret", "secret"), Field("keyword", "text")),
    Feishu,
    rate=Rate(4, 1_000),
)
