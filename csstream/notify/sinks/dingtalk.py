"""A DingTalk group robot: Markdown, signed with the robot's secret, 20 messages a minute or it is muted for ten."""

import base64
import hashlib
import hmac
import time
from urllib.parse import quote_plus

from csstream.notify.message import Answer, Message
from csstream.notify.neutral import cut_bytes
from csstream.notify.secret import Secret
from csstream.notify.sinks.kind import Field, SinkKind
from csstream.notify.sinks.robot import Robot
from csstream.notify.sinks.verdict import by_code
from csstream.notify.target import Rate
from csstream.notify.wording import text_of

MOST_BYTES = 15_000
MEANINGS = {
    310000: "refused by the robot's security setting: look at its secret, key word or address list, and at our clock",
    300001: "the token is not one of a robot",
    400013: "the group is gone",
    400101: "the token is not one of a robot",
    400102: "the robot is switched off",
    130101: "more than 20 messages a minute",
    90030: "too many messages",
    -1: "busy",
}
PAUSES_MS = {130101: 600_000, 90030: 600_000}


def signature(secret: Secret, at_ms: int) -> str:
    """`sign` of a request, ready for the URL: key is the secret, the text is the time stamp and the secret again."""
    key = secret.text()
    digest = hmac.new(key.encode(), f"{at_ms}\n{key}".encode(), hashlib.sha256).digest()
    return quote_plus(base64.b64encode(digest))


class DingTalk(Robot):
    """Posts Markdown to a robot."""

    async def send(self, message: Message) -> Answer:
        """Post it; only `errcode` 0 is a yes."""
        text = text_of(message, self.voice)
        lines = [f"#### {text.title}", *(f"- {line}" for line in text.lines)]
        if text.link:
            lines.append(f"- [{text.link}]({text.link})")
        if self.keyword:
            lines.append(self.keyword)
        body = {
            "msgtype": "markdown",
            "markdown": {
                "title": cut_bytes(text.title, 200),
                "text": cut_bytes("\n".join(lines), MOST_BYTES),
            },
            "at": {"isAtAll": False},
        }
        query = ""
        if self.secret is not None:
            now = time.time_ns() // 1_000_000
            query = f"timestamp={now}&sign={signature(self.secret, now)}"
        reply = await self.post(body, query)
        return by_code(reply, ("errcode",), MEANINGS, PAUSES_MS)


DINGTALK = SinkKind(
    "dingtalk",
    "a DingTalk (钉钉) group robot",
    (Field("url", "secret_url", required=True), Field("secret", "secret"), Field("keyword", "text")),
    DingTalk,
    rate=Rate.of(20),
)
