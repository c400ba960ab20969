"""What the robots of all chat services have in common: one address to post JSON to, which is a secret itself.

Each service has its own form of a message, its own signature and its own way to say no; the rest is here once.
"""

from abc import ABC, abstractmethod

import orjson

from csstream.notify.message import Answer, Message
from csstream.notify.post import Poster, Reply
from csstream.notify.sinks.kind import Settings


class Robot(ABC):
    """Posts to the robot of a group; what it says there is each service's own."""

    def __init__(self, settings: Settings) -> None:
        self.voice = settings.voice
        self.secret = settings.secrets.get("secret")
        self.keyword = settings.texts.get("keyword", "")
        self._poster = Poster(
            settings.secrets["url"], allow_private=settings.allow_private, timeout_s=settings.timeout_s
        )

    async def post(self, body: object, query: str = "") -> Reply | Answer:
        """Post a body as JSON; an answer where there was no reply to judge."""
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return await self._poster.post(orjson.dumps(body), kind, query)

    @abstractmethod
    async def send(self, message: Message) -> Answer:
        """Send a message once, and say what became of it."""

    async def close(self) -> None:
        """Let go of the connection."""
        await self._poster.close()
