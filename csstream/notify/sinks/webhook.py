"""A webhook of one's own: CloudEvents in JSON, signed.

The signature covers the body and the time of sending, so that neither can be changed and an old request cannot be
played again. The event's id is the message's, the same when it is sent once more: who receives twice can tell.
"""

import hashlib
import hmac
import time
from typing import Any

import orjson
from msgspec import to_builtins

from csstream.core.alert import Alert
from csstream.notify.message import Answer, Message, short_id
from csstream.notify.neutral import masked
from csstream.notify.post import Poster
from csstream.notify.secret import Secret
from csstream.notify.sinks.kind import Field, Settings, SinkKind
from csstream.notify.target import Rate
from csstream.notify.wording import Voice, text_of

TIME = "%Y-%m-%dT%H:%M:%S"


def signature(secret: Secret, at_s: int, body: bytes) -> str:
    """`X-Csstream-Signature`: HMAC-SHA256 of the time stamp, a dot and the body."""
    said = hmac.new(secret.text().encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={said}"


def _alert(alert: Alert, voice: Voice) -> dict[str, Any]:
    """The alert as in SPEC 8. Masked, neither the customer nor an id that holds him is shown."""
    shown: dict[str, Any] = to_builtins(alert)
    if voice.mask_customers and alert.customer is not None:
        shown["alert"] = short_id(alert.alert)
        shown["customer"] = masked(alert.customer)
    return shown


class Webhook:
    """Posts one CloudEvent a message."""

    def __init__(self, settings: Settings) -> None:
        self._voice = settings.voice
        self._secret = settings.secrets.get("secret")
        self._poster = Poster(
            settings.secrets["url"], allow_private=settings.allow_private, timeout_s=settings.timeout_s
        )

    async def send(self, message: Message) -> Answer:
        """Post it; any 2xx is a yes."""
        body = orjson.dumps(self.event(message))
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "X-Csstream-Alert-Id": message.id,
        }
        if self._secret is not None:
            headers["X-Csstream-Signature"] = signature(self._secret, int(time.time()), body)
        reply = await self._poster.post(body, headers)
        return reply if isinstance(reply, Answer) else Answer(True, f"HTTP {reply.status}")

    def event(self, message: Message) -> dict[str, Any]:
        """The message as a CloudEvent 1.0."""
        seconds, ms = divmod(message.at_ms, 1000)
        text = text_of(message, self._voice)
        data: dict[str, Any] = {
            "text": text.whole(),
            "repeat": message.repeat,
            "severity": message.severity,
            "alerts": [_alert(alert, self._voice) for alert in message.alerts],
        }
        if message.kind in {"digest", "summary"}:
            data |= {"firing": message.firing, "ended": message.ended, "waits": message.waits}
        return {
            "specversion": "1.0",
            "id": message.id,
            "source": "csstream",
            "type": f"csstream.alert.{message.kind}",
            "time": f"{time.strftime(TIME, time.gmtime(seconds))}.{ms:03}Z",
            "datacontenttype": "application/json",
            "data": data,
        }

    async def close(self) -> None:
        """Let go of the connection."""
        await self._poster.close()


WEBHOOK = SinkKind(
    "webhook",
    "a webhook of your own: CloudEvents, signed with HMAC-SHA256",
    (Field("url", "url", required=True), Field("secret", "secret")),
    Webhook,
    rate=Rate(50, 100),
)
