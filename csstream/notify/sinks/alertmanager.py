"""Prometheus Alertmanager (API v2), for teams that route there: it groups, silences and tells people by itself.

It wants the state, not the news: every alert that stands is posted again once a minute, with an end that lies ahead,
so that one survives its restart and none stays behind if we stop. Its grouping replaces our digests. The labels are
what the API needs to tell alerts apart, `alert_id` among them: that is a label of Alertmanager's, never of a metric.
"""

from datetime import UTC, datetime
from typing import Any

import orjson

from csstream.core.alert import Alert
from csstream.notify.message import Answer, Message, short_id
from csstream.notify.neutral import masked, plain
from csstream.notify.post import Poster
from csstream.notify.sinks.kind import Field, Settings, SinkKind
from csstream.notify.wording import Voice, summary_of, text_of

AHEAD_MS = 600_000
"""How far ahead the end of an alert that stands lies: ten times the time between two posts."""


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


def posted(alert: Alert, at_ms: int, voice: Voice) -> dict[str, Any]:
    """One alert as the API takes it."""
    labels = {
        "alertname": "Csstream" + "".join(part.capitalize() for part in alert.rule.split("_")),
        "alert_id": short_id(alert.alert),
        "rule": plain(alert.rule),
        "severity": plain(alert.severity),
        "shop": plain(alert.shop),
        "agent": plain(alert.agent or ""),
        "group": plain(alert.group or ""),
    }
    annotations = {"summary": summary_of(alert, voice)}
    if alert.customer is not None:
        annotations["customer"] = masked(alert.customer) if voice.mask_customers else plain(alert.customer)
    end = at_ms + AHEAD_MS if alert.state == "firing" else max(alert.ts, min(at_ms, alert.end or at_ms))
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": annotations,
        "startsAt": _time(alert.ts),
        "endsAt": _time(end),
        **({"generatorURL": voice.wall_url} if voice.wall_url else {}),
    }


class Alertmanager:
    """Posts alerts to `/api/v2/alerts`."""

    def __init__(self, settings: Settings) -> None:
        self._voice = settings.voice
        self._poster = Poster(
            settings.secrets["url"], allow_private=settings.allow_private, timeout_s=settings.timeout_s
        )

    async def send(self, message: Message) -> Answer:
        """Post its alerts; any 2xx is a yes."""
        at = message.at_ms
        alerts = [posted(alert, at, self._voice) for alert in message.alerts]
        if message.kind == "test":
            alerts = [
                {
                    "labels": {"alertname": "CsstreamTest", "alert_id": message.id, "severity": "info"},
                    "annotations": {"summary": text_of(message, self._voice).title},
                    "startsAt": _time(at),
                    "endsAt": _time(at + 60_000),
                }
            ]
        reply = await self._poster.post(orjson.dumps(alerts), {"Content-Type": "application/json"})
        return reply if isinstance(reply, Answer) else Answer(True, f"HTTP {reply.status}")

    async def close(self) -> None:
        """Let go of the connection."""
        await self._poster.close()


ALERTMANAGER = SinkKind(
    "alertmanager",
    "Prometheus Alertmanager; `url` ends in /api/v2/alerts",
    (Field("url", "url", required=True),),
    Alertmanager,
    most=200,
    refresh_ms=60_000,
)
