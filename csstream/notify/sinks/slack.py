"""A Slack incoming webhook: its URL is the secret, and yes is the body `ok`.

The blocks are of plain text, so that nothing in them is markup; only the fall-back text for notifications is read
for mentions, and there the three signs that could make one are escaped.
"""

from typing import Any

from csstream.notify.message import Answer, Message
from csstream.notify.neutral import cut_bytes
from csstream.notify.sinks.kind import Field, SinkKind
from csstream.notify.sinks.robot import Robot
from csstream.notify.target import Rate
from csstream.notify.wording import text_of

MOST_BYTES = 2_900


def escaped(text: str) -> str:
    """The text with the signs escaped that Slack reads."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Slack(Robot):
    """Posts blocks to a webhook."""

    async def send(self, message: Message) -> Answer:
        """Post it; only `ok` is a yes."""
        text = text_of(message, self.voice)
        blocks: list[dict[str, Any]] = [
            {"type": "section", "text": {"type": "plain_text", "emoji": False, "text": said}}
            for said in (cut_bytes(text.title, MOST_BYTES), cut_bytes("\n".join(text.lines), MOST_BYTES))
        ]
        if text.link:
            link = {"type": "mrkdwn", "text": f"<{escaped(text.link)}>"}
            blocks.append({"type": "section", "text": link})
        body = {"text": escaped(cut_bytes(text.title, MOST_BYTES)), "blocks": blocks}
        reply = await self.post(body)
        if isinstance(reply, Answer):
            return reply
        if reply.body.strip() == b"ok":
            return Answer(True, "ok")
        return Answer(False, f"HTTP {reply.status}, but the body is not ok")


SLACK = SinkKind(
    "slack",
    "a Slack incoming webhook",
    (Field("url", "secret_url", required=True),),
    Slack,
    rate=Rate(4, 1_000),
)
