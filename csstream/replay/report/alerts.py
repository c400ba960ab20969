"""Alerts by rule and severity: only numbers, since each one is in `alerts.jsonl`."""

from csstream.replay.figures import count
from csstream.replay.markup import Html, ident, join
from csstream.replay.report.input import ReportInput
from csstream.replay.report.table import plain

_SEVERITIES = ("info", "warning", "critical", "breach", "lost")


def body(report: ReportInput) -> Html:
    """How often each rule spoke, the gravest first."""

    def order(entry: tuple[tuple[str, str], int]) -> tuple[str, int, str]:
        (rule, severity), _ = entry
        return rule, -_SEVERITIES.index(severity) if severity in _SEVERITIES else 1, severity

    rows = [
        (ident(rule), ident(severity), join((count(number),)))
        for (rule, severity), number in sorted(report.alerts.items(), key=order)
    ]
    return plain((("规则", "rule"), ("级别", "severity"), ("次数", "number")), rows)
