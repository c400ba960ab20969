"""Sources and policy: what was read, with its hashes, and by which rules it was judged."""

from collections.abc import Iterable, Mapping, Sequence

from csstream.replay.figures import count, whole
from csstream.replay.markup import Html, both, ident, join, tag
from csstream.replay.report.input import ReportInput
from csstream.replay.report.limits import NOTES_LISTED, SHOPS_LISTED
from csstream.replay.report.table import left_out, plain


def body(report: ReportInput) -> Html:
    """Inputs, notes, counts and every field of the policy."""
    inputs = [
        (
            ident(str(entry.get("file"))),
            ident(str(entry.get("sha256"))),
            join((count(whole(entry, "bytes")),)),
            join((count(whole(entry, "lines")),)),
        )
        for entry in report.inputs[:SHOPS_LISTED]
    ]
    rest = len(report.inputs) - len(inputs)
    parts = [
        tag("h3", both("输入", "Inputs")),
        plain((("文件", "file"), ("sha-256", ""), ("字节", "bytes"), ("行数", "lines")), inputs, 2),
    ]
    if rest:
        parts.append(
            left_out(
                f"另有 {count(rest)} 个文件见 manifest.json。",
                f"{count(rest)} more files are in manifest.json.",
            )
        )
    if report.notes:
        parts += [
            tag("h3", both("说明", "Notes")),
            tag("ul", *(tag("li", note) for note in report.notes[:NOTES_LISTED])),
        ]
        if len(report.notes) > NOTES_LISTED:
            parts.append(
                left_out(
                    f"另有 {count(len(report.notes) - NOTES_LISTED)} 条见 manifest.json。",
                    f"{count(len(report.notes) - NOTES_LISTED)} more are in manifest.json.",
                )
            )
    parts += [
        tag("h3", both("计数", "Counts")),
        _listing(_flat(report.counts)),
        tag("h3", both("规则", "Policy"), " ", ident(report.policy_tag)),
        _listing((name, said(value)) for name, value in report.policy.items()),
    ]
    return join(parts)


def _listing(entries: Iterable[tuple[str, str]]) -> Html:
    pairs = (join((tag("dt", ident(name)), tag("dd", shown))) for name, shown in entries)
    return tag("div", tag("dl", *pairs, class_="list"), class_="columns")


def _flat(counts: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in counts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, count(value) if isinstance(value, int) else str(value)


def said(value: object) -> str:
    """A policy's value as one would say it."""
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    if isinstance(value, Mapping):
        return " ".join(said(part) for part in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        apart = " · " if any(isinstance(part, Mapping) for part in value) else "、"
        return apart.join(said(part) for part in value)
    return str(value)
