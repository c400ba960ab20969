"""A WeCom (企业微信) group robot: its URL is the secret, a Markdown message has 4,096 bytes, 20 go a minute."""

from csstream.notify.message import Answer, Message
from csstream.notify.neutral import cut_bytes
from csstream.notify.sinks.kind import Field, SinkKind
from csstream.notify.sinks.robot import Robot
from csstream.notify.sinks.verdict import by_code
from csstream.notify.target import Rate
from csstream.notify.wording import text_of

MOST_BYTES = 4_096
MEANINGS = {
    45009: "more than 20 messages a minute",
    93000: "the key is not one of a robot, or the robot is gone",
    40008: "the message has no form that it knows",
    40058: "a field is too long or empty",
    -1: "busy",
}
PAUSES_MS = {45009: 60_000}


class WeCom(Robot):
    """Posts Markdown to a robot."""

    async def send(self, message: Message) -> Answer:
        """Post it; only `errcode` 0 is a yes."""
        text = text_of(message, self.voice)
        tail = f"\n[{text.link}]({text.link})" if text.link else ""
        said = f"**{text.title}**\n" + "\n".join(f"> {line}" for line in text.lines)
        content = cut_bytes(said, MOST_BYTES - len(tail.encode())) + tail
        body = {"msgtype": "markdown", "markdown": {"content": content}}
        reply = await self.post(body)
        return by_code(reply, ("errcode",), MEANINGS, PAUSES_MS)


WECOM = SinkKind(
    "wecom",
    "a WeCom (企业微信) group robot",
    (Field("url", "secret_url", required=True),),
    WeCom,
    rate=Rate.of(20),
)
