"""Where messages go: one small file a service, each with the one entry that makes it known.

A sink turns a message into what its service wants and tells whether the service really took it: most of them answer
HTTP 200 whatever happens, and say in the body that they refused.
"""

from csstream.notify.sinks.alertmanager import ALERTMANAGER
from csstream.notify.sinks.console import CONSOLE
from csstream.notify.sinks.dingtalk import DINGTALK
from csstream.notify.sinks.feishu import FEISHU
from csstream.notify.sinks.kind import Field, Settings, Sink, SinkKind
from csstream.notify.sinks.mail import MAIL
from csstream.notify.sinks.slack import SLACK
from csstream.notify.sinks.webhook import WEBHOOK
from csstream.notify.sinks.wecom import WECOM

KINDS = {kind.name: kind for kind in (CONSOLE, WEBHOOK, DINGTALK, WECOM, FEISHU, SLACK, ALERTMANAGER, MAIL)}
"""Every kind of sink, by the `kind` of the configuration."""

__all__ = ["KINDS", "Field", "Settings", "Sink", "SinkKind"]
